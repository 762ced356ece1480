"""What is moved from where to where, as data."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mainstem.api import replicate
from mainstem.testing.postgres import EmbeddedPostgres

__all__ = ["CASES", "Case", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a benchmark works.

    Attributes:
        folder: A folder of its own.
        server: The PostgreSQL server with the tables.
        rows: The rows of ``lineitem``.
        small_tables: How many small tables there are.
    """

    folder: Path
    server: EmbeddedPostgres
    rows: int
    small_tables: int

    @property
    def lake(self) -> Path:
        """The DuckDB file that is written."""
        return self.folder / "lake.duckdb"

    @property
    def origin(self) -> Path:
        """A DuckDB file that is read."""
        return self.folder / "origin.duckdb"

    @property
    def book(self) -> Path:
        """A SQLite file that is read."""
        return self.folder / "origin.sqlite"


@dataclass(frozen=True)
class Case:
    """Something to move.

    Attributes:
        name: What is moved from where to where.
        source: The source's URL.
        target: The target's URL.
        streams: The replication's streams, as in the YAML.
        defaults: Its defaults.
        rows: How many rows arrive.
        dlt: The schema and the tables for dlt; ``None`` where it is not asked.
        nowhere: The query whose rows PostgreSQL gives to nobody, as the limit; ``None`` for none.
        sling: Whether Sling is asked.
        ready: What is done before each run.
    """

    name: str
    source: Callable[[Place], str]
    target: Callable[[Place], str]
    streams: Callable[[Place], Mapping[str, Any]]
    rows: Callable[[Place], int]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    dlt: Callable[[Place], Sequence[str]] | None = None
    nowhere: str | None = None
    sling: bool = True
    ready: Callable[[Place], None] | None = None

    def document(self, place: Place, source: str, target: str) -> str:
        """The replication, in Sling's YAML (JSON is YAML)."""
        return json.dumps(
            {
                "source": source,
                "target": target,
                "defaults": {"mode": "full-refresh", **self.defaults},
                "streams": dict(self.streams(place)),
            }
        )


def _postgres(place: Place) -> str:
    return f"{place.server.url}?sslmode=disable"


def _duckdb(place: Place) -> str:
    return f"duckdb://{place.lake}"


def _one(name: str, target: str) -> Callable[[Place], Mapping[str, Any]]:
    return lambda _: {name: {"object": target}}


def _empty(place: Place) -> None:
    """Nothing is where the rows will go."""
    for path in place.folder.glob("lake.duckdb*"):
        path.unlink()
    place.server.execute(
        "drop schema if exists moved cascade", "drop schema if exists copied cascade", "create schema copied"
    )


def _duckdb_origin(place: Place) -> None:
    _empty(place)
    if not place.origin.exists():
        _moved(place, f"duckdb://{place.origin}", "main.orders")


def _sqlite_origin(place: Place) -> None:
    _empty(place)
    if not place.book.exists():
        _moved(place, f"sqlite://{place.book}", "main.orders")
        with sqlite3.connect(place.book) as connection:
            connection.execute("pragma journal_mode = delete")
        connection.close()


def _moved(place: Place, target: str, name: str) -> None:
    replicate(
        {"source": "A", "target": "B", "streams": {"public.orders": {"object": name}}},
        {"A": place.server.url, "B": target},
    )


_MERGED = {"mode": "incremental", "primary_key": "o_orderkey", "update_key": "o_updated"}


def _loaded(place: Place) -> None:
    """The lake has all orders of yesterday, and a sixtieth of them changed since."""
    _empty(place)
    kept = place.folder / "loaded.duckdb"
    if not kept.exists():
        stream = {"public.orders": {"object": "main.orders", **_MERGED}}
        replicate(
            {"source": "A", "target": "B", "streams": stream},
            {"A": place.server.url, "B": f"duckdb://{kept}"},
        )
        place.server.execute(
            "create table changed as select * from orders",
            "update changed set o_totalprice = o_totalprice + 1, o_updated = o_updated + interval '1 year'"
            " where o_orderkey % 15 = 0",
        )
    place.lake.write_bytes(kept.read_bytes())


def _nothing_new(place: Place) -> None:
    _loaded(place)


CASES = (
    Case(
        "postgres → duckdb: lineitem",
        _postgres,
        _duckdb,
        _one("public.lineitem", "main.lineitem"),
        lambda place: place.rows,
        dlt=lambda _: ("public", "lineitem"),
        nowhere="lineitem",
        ready=_empty,
    ),
    Case(
        "postgres → postgres: orders",
        _postgres,
        _postgres,
        _one("public.orders", "copied.orders"),
        lambda place: place.rows // 4,
        dlt=lambda _: ("public", "orders"),
        nowhere="orders",
        ready=_empty,
    ),
    Case(
        "duckdb → postgres: orders",
        lambda place: f"duckdb://{place.origin}",
        _postgres,
        _one("main.orders", "copied.orders"),
        lambda place: place.rows // 4,
        ready=_duckdb_origin,
    ),
    Case(
        "sqlite → duckdb: orders",
        lambda place: f"sqlite://{place.book}",
        _duckdb,
        _one("main.orders", "main.orders"),
        lambda place: place.rows // 4,
        ready=_sqlite_origin,
    ),
    Case(
        "postgres → duckdb: small tables of 100 rows",
        _postgres,
        _duckdb,
        lambda place: {f"small.t{n:03}": None for n in range(place.small_tables)},
        lambda place: 100 * place.small_tables,
        defaults={"object": "main.{stream_table}"},
        dlt=lambda place: ("small", *(f"t{n:03}" for n in range(place.small_tables))),
        ready=_empty,
    ),
    Case(
        "postgres → duckdb: merge of changed orders",
        _postgres,
        _duckdb,
        lambda _: {"public.changed": {"object": "main.orders", **_MERGED}},
        lambda place: place.rows // 4,
        ready=_loaded,
    ),
    Case(
        "postgres → duckdb: incremental, nothing new",
        _postgres,
        _duckdb,
        lambda _: {"public.orders": {"object": "main.orders", **_MERGED}},
        lambda place: place.rows // 4,
        ready=_nothing_new,
    ),
    Case(
        "postgres → duckdb: 500 columns",
        _postgres,
        _duckdb,
        _one("public.wide", "main.wide"),
        lambda place: place.rows // 300,
        dlt=lambda _: ("public", "wide"),
        nowhere="wide",
        ready=_empty,
    ),
    Case(
        "postgres → duckdb: long text and JSON",
        _postgres,
        _duckdb,
        _one("public.long", "main.long"),
        lambda place: place.rows // 60,
        dlt=lambda _: ("public", "long"),
        nowhere="long",
        ready=_empty,
    ),
)


def arrived(case: Case, place: Place) -> int:
    """Count the rows at the target, in all tables, of whichever tool."""
    if case.target(place).startswith("duckdb"):
        with duckdb.connect(str(place.lake), read_only=True) as connection:
            names = connection.execute(
                "select schema_name, table_name from duckdb_tables() where not starts_with(table_name, '_')"
            ).fetchall()
            counts = [
                connection.execute(f'select count(*) from "{schema}"."{name}"').fetchone() or (0,)
                for schema, name in names
            ]
            return sum(int(count) for (count,) in counts)
    found = place.server.fetch(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname in ('copied', 'moved') and relkind = 'r' and relname not like '\\_%'"
    )
    return sum(
        int(place.server.fetch(f'select count(*) from "{schema}"."{name}"')[0][0]) for schema, name in found
    )
