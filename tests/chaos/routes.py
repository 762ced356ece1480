"""From where to where the killed runs go, and how a source is written to meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import psycopg
import pymysql

from mainstem.connections import connection_of
from mainstem.endpoints import SqlTarget
from mainstem.endpoints.registry import open_target

__all__ = ["Route", "Rows", "Run", "opened_for_writing"]

Run = Callable[[str], Any]
Rows = list[tuple[Any, ...]]

TABLES = ("orders", "log")


@dataclass(frozen=True)
class Route:
    """A source and a target.

    Attributes:
        name: What it is called.
        source: The source's type.
        source_url: Its connection.
        source_schema: Where its tables are.
        target_url: The target's connection.
        target_schema: Where the target's tables are.
        is_shared: Another process can write to the source while it is read.
    """

    name: str
    source: str
    source_url: str
    source_schema: str
    target_url: str
    target_schema: str
    is_shared: bool = True

    @property
    def connections(self) -> Mapping[str, str]:
        """The connections of the replication."""
        return {"SRC": self.source_url, "TGT": self.target_url}

    @property
    def replication(self) -> Mapping[str, Any]:
        """`orders` is changed as well and merged; `log` only grows, and has no key in the replication."""
        keyed = {"primary_key": "id"}
        return {
            "source": "SRC",
            "target": "TGT",
            "defaults": {"mode": "incremental", "update_key": "k"},
            "env": {"SLING_RETRY_DELAY": "10ms"},
            "streams": {
                f"{self.source_schema}.{table}": {
                    "object": f"{self.target_schema}.{table}",
                    **(keyed if table == "orders" else {}),
                }
                for table in TABLES
            },
        }

    def make(self) -> None:
        """Make the source's tables."""
        with opened_for_writing(self) as run:
            for table in TABLES:
                key = " primary key" if table == "orders" else ""
                run(f"create table {self.source_schema}.{table} (id bigint{key}, name varchar(40), k bigint)")

    def both(self, table: str) -> tuple[Rows, Rows]:
        """A table's rows in the source and in the target, in order."""
        return (
            self._rows("SRC", self.source_url, f"{self.source_schema}.{table}"),
            self._rows("TGT", self.target_url, f"{self.target_schema}.{table}"),
        )

    def tables(self) -> Sequence[str]:
        """What is in the target."""
        with _opened("TGT", self.target_url) as target:
            return sorted(entry.relation.name for entry in target.catalog(self.target_schema))

    @staticmethod
    def _rows(name: str, url: str, table: str) -> Rows:
        with _opened(name, url) as endpoint:
            found = endpoint.execute(f"select id, name, k from {table} order by id, k")
            return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


@contextmanager
def _opened(name: str, url: str) -> Iterator[SqlTarget]:
    with open_target(connection_of(name, url)) as endpoint:
        assert isinstance(endpoint, SqlTarget)
        yield endpoint


def opened_for_writing(route: Route) -> AbstractContextManager[Run]:
    """A connection by the system's own driver, which runs statements."""
    return _WRITERS[route.source](route)


@contextmanager
def _postgres(route: Route) -> Iterator[Run]:
    with psycopg.connect(route.source_url, autocommit=True) as connection:
        yield lambda sql: connection.execute(sql.encode())


@contextmanager
def _mysql(route: Route) -> Iterator[Run]:
    known = connection_of("SRC", route.source_url)
    with contextlib.closing(
        pymysql.connect(
            host=known.text("host"),
            port=int(known.text("port") or 0),
            user=known.text("user"),
            password=known.text("password") or "",
            autocommit=True,
        )
    ) as connection:
        yield connection.query


@contextmanager
def _duckdb(route: Route) -> Iterator[Run]:
    with duckdb.connect(route.source_url.removeprefix("duckdb://")) as connection:
        yield connection.execute


_WRITERS: Mapping[str, Callable[[Route], AbstractContextManager[Run]]] = {
    "postgres": _postgres,
    "mysql": _mysql,
    "duckdb": _duckdb,
}
