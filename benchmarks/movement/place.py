"""Where a benchmark works: a folder, the servers in it, and the tables, each made when it is first wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from benchmarks.movement import filling
from benchmarks.movement.checks import duckdb_sums, postgres_sums
from benchmarks.movement.tables import Sizes, Table
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres

__all__ = ["MOVED", "Place"]

# The schema that everything is moved into.
MOVED = "moved"


class Place:
    """A folder for one session, or for several of the same sizes.

    Args:
        folder: The folder. What an earlier session left there is used again.
        sizes: How much is moved.
        opened: What stops the servers at the end.
    """

    # What may be said of a table that did not arrive.
    ERRORS = (duckdb.Error, psycopg.Error)

    def __init__(self, folder: Path, sizes: Sizes, opened: ExitStack) -> None:
        self.folder = folder / f"{sizes.rows}_{sizes.small_tables}"
        self.sizes = sizes
        self._opened = opened
        # The server may be another user's.
        for path in (folder, self.folder):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        for name in ("files", "filled", "loaded"):
            (self.folder / name).mkdir(exist_ok=True)

    @cached_property
    def postgres(self) -> EmbeddedPostgres:
        """The PostgreSQL server: a source and a target."""
        return self._opened.enter_context(EmbeddedPostgres(self.folder / "postgres"))

    @cached_property
    def mariadb(self) -> EmbeddedMariaDB:
        """The MariaDB server: a source.

        Raises:
            ConfigError: MariaDB is not installed.
        """
        server = EmbeddedMariaDB(self.folder / "mariadb", options=("--innodb-buffer-pool-size=256M",))
        return self._opened.enter_context(server)

    @property
    def lake(self) -> Path:
        """The DuckDB file that is written."""
        return self.folder / "lake.duckdb"

    @property
    def origin(self) -> Path:
        """The DuckDB file that is read."""
        return self.folder / "origin.duckdb"

    @property
    def book(self) -> Path:
        """The SQLite file that is read."""
        return self.folder / "origin.sqlite"

    @property
    def out(self) -> Path:
        """The folder that files are written into."""
        return self.folder / "out"

    def file(self, table: str, extension: str) -> Path:
        """A file that is read."""
        return self.folder / "files" / f"{table}.{extension}"

    def start(self, system: str) -> None:
        """Start the server of a system that has one.

        Raises:
            ConfigError: It is not installed, or does not start.
        """
        if system in {"postgres", "mysql"}:
            getattr(self, {"mysql": "mariadb"}.get(system, system))

    @property
    def servers(self) -> list[int]:
        """The process ids of the servers that run."""
        found = []
        if "postgres" in vars(self):
            found.append(self.postgres.directory / "postmaster.pid")
        if "mariadb" in vars(self):
            found.append(self.mariadb.directory / "mysqld.pid")
        return [int(path.read_text().splitlines()[0]) for path in found]

    def fill(self, system: str, tables: Sequence[Table], schema: str) -> None:
        """Make tables in a system; nothing happens to those that are there."""
        for table in tables:
            self.once(f"{system} {schema} {table.name}", partial(self._fill, system, table, schema))

    def _fill(self, system: str, table: Table, schema: str) -> None:
        if system == "postgres":
            filling.fill_postgres(self.postgres.url, table, schema, self.file(f"{table.name}.copied", "csv"))
        elif system == "mysql":
            filling.fill_mysql(self.mariadb, table, self.file(f"{table.name}.copied", "csv"))
        elif system == "duckdb":
            filling.fill_duckdb(self.origin, table)
        elif system == "sqlite":
            filling.fill_sqlite(self.book, table)
        else:
            filling.fill_file(self.file(table.name, system), table)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Make something whose answer is kept in this folder, in JSON."""
        mark = self.folder / "filled" / f"{name.replace('/', '_')}.json"
        if not mark.exists():
            mark.write_text(json.dumps(make(), default=str), encoding="utf-8")
        return json.loads(mark.read_text(encoding="utf-8"))

    def sent(self, table: Table) -> list[Any]:
        """The sums of a table as DuckDB computes it."""

        def sums() -> list[Any]:
            with duckdb.connect() as connection:
                query = duckdb_sums(table, f"({table.select()})")
                return list(connection.execute(query).fetchone() or ())

        return list(self.once(f"sums of {table.name}", sums))

    def arrived(self, system: str, table: Table) -> list[Any]:
        """The sums of a table at the target."""
        if system == "postgres":
            query = postgres_sums(table, f'{MOVED}."{table.name}"')
            with psycopg.connect(self.postgres.url) as server:
                server.execute("set timezone = 'UTC'")
                return list(server.execute(query.encode()).fetchone() or ())
        relation = f'{MOVED}."{table.name}"'
        if system != "duckdb":
            relation = f"read_parquet({self._written(table)})"
        with duckdb.connect(str(self.lake) if system == "duckdb" else ":memory:") as connection:
            connection.execute("set timezone = 'UTC'")
            return list(connection.execute(duckdb_sums(table, relation)).fetchone() or ())

    def _written(self, table: Table) -> list[str]:
        return [
            str(path)
            for path in self.out.rglob("*.parquet")
            if table.name in path.relative_to(self.out).as_posix()
        ]

    def clear(self, kept: Path | None = None) -> None:
        """Nothing is where the rows will go, nor in a folder of the tool's own."""
        for path in self.folder.glob("lake.duckdb*"):
            path.unlink()
        for folder in (self.out, *([kept] if kept else [])):
            shutil.rmtree(folder, ignore_errors=True)
        self.out.mkdir()
        if "postgres" in vars(self):
            with psycopg.connect(self.postgres.url, autocommit=True) as server:
                server.execute("set client_min_messages = warning")
                server.execute(f"drop schema if exists {MOVED} cascade".encode())
                server.execute(f"create schema {MOVED}".encode())

    def restore(self, name: str, paths: Sequence[Path], make: Callable[[], object]) -> None:
        """Put files and folders back as ``make`` left them, which is called once."""
        saved = self.folder / "loaded" / name
        if not saved.exists():
            make()
            half = saved.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            for path in paths:
                _copy(path, half / path.name)
            half.rename(saved)
        for path in paths:
            _copy(saved / path.name, path)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
