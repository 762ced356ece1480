"""DuckDB as a target: row groups into a staging table, and one transaction that publishes it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import pyarrow as pa
from typing_extensions import override

from mainstem.endpoints.base import CatalogEntry, SourceTable
from mainstem.endpoints.duckdb import catalog
from mainstem.endpoints.duckdb.connecting import duckdb_errors
from mainstem.endpoints.duckdb.loader import RowGroupLoader
from mainstem.endpoints.duckdb.memory import Cache
from mainstem.endpoints.duckdb.rebuilding import change_statements
from mainstem.endpoints.duckdb.source import DuckDBSource
from mainstem.endpoints.duckdb.types import native_type
from mainstem.endpoints.locks import LOCK_SECONDS, held
from mainstem.endpoints.sql import STAGING_COMMENT, SqlStaging, SqlTarget
from mainstem.endpoints.steps import ChangeType, Deduplicate, Key, Step, Swap
from mainstem.endpoints.target import Capabilities, NativeType, Staging
from mainstem.errors import ConnectionConfigError
from mainstem.faults import Point, reached
from mainstem.schema import Relation

__all__ = ["DuckDB"]

_RETRY_SECONDS = 0.1


class DuckDB(DuckDBSource, SqlTarget):
    """A DuckDB database.

    Properties of its connection: ``instance`` (the file's path, or ``:memory:``), ``schema`` (default
    ``main``) and ``read_only``.

    A file that is not there is made by the first run that writes to it, and by nothing else. All connections
    of a process share a file's database, so that one can be read while another writes it. Between processes
    DuckDB allows one that writes, or several that read
    (https://duckdb.org/docs/stable/connect/concurrency): what another process holds is waited for, up to a
    minute, and a file that others only read is read with them.

    ``:memory:shop`` is a database in memory that all connections of the process share by that name, the
    user's own ``duckdb.connect(":memory:shop")`` too; it is gone when the last of them is closed.
    ``:memory:`` without a name is each connection's own, and gone with it.

    A table of an attached database has a name of three parts. A time without a zone that is compared to one
    with a zone is in UTC, whatever the machine's zone is.
    """

    capabilities = Capabilities(merge_strategy="delete_insert", moves_between_schemas=False)
    # Grows with each row that is inserted.
    row_id = "rowid"

    # The connection.

    @property
    def _writing(self) -> duckdb.DuckDBPyConnection:
        """The connection, opened so that it can write; a file that is not there is made."""
        if self._read_only:
            raise ConnectionConfigError(
                f"Connection {self.connection.name} is `read_only`, so it cannot be written.",
                hint="Leave the property out, or write to another connection.",
            )
        with self._lock:
            if self._open is None or not self._writes:
                self._let_go()
                self._open = self._adopted(self.database.open_to_write())
                self._writes = True
            return self._open

    @override
    def connect_to_write(self) -> None:
        self.database.refuse_missing_folder()
        if self.database.exists:
            self._writing  # noqa: B018 - opened by being asked for

    # Primitives.

    @override
    def run(self, sql: str) -> None:
        with duckdb_errors(self.connection.name):
            self._writing.execute(sql)

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb_errors(self.connection.name):
            return self._duckdb.execute(sql).fetchall()

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        connection = self._writing
        with duckdb_errors(self.connection.name):
            connection.begin()
            try:
                yield
                connection.commit()
            except BaseException:
                # A commit that failed has ended the transaction already.
                with suppress(duckdb.Error):
                    connection.rollback()
                raise

    @override
    @contextmanager
    def stage(
        self, target: Relation, schema: pa.Schema, *, place: Relation | None = None, purpose: str = "staging"
    ) -> Iterator[Staging]:
        place = place or Relation(target.schema, f"{target.name}__mainstem_{purpose}", target.database)
        leftover = self._leftover(place)
        statements = [
            f"CREATE SCHEMA IF NOT EXISTS {self._schema_of(target)}",
            *([f"DROP TABLE {self.qualified(leftover)}"] if leftover else []),
            *self.staging_statements(place, schema),
        ]
        staging = SqlStaging(self, place, schema)
        try:
            with self.loader(place, schema, statements) as loader:
                staging.opened(loader)
                yield staging
        finally:
            self._discard(staging)

    def _schema_of(self, target: Relation) -> str:
        parts = (target.database, target.schema or self.default_schema)
        return ".".join(self.quoted(part) for part in parts if part)

    @override
    @contextmanager
    def loader(
        self, place: Relation, schema: pa.Schema, beforehand: Sequence[str] = ()
    ) -> Iterator[RowGroupLoader]:
        """Open a way into a table.

        Args:
            place: The table.
            schema: Its columns.
            beforehand: Statements in the transaction that holds the rows: with them goes what they made.
        """
        name, cache = self.connection.name, Cache(self._writing, self.database)
        with self._cursor() as cursor:
            loader = RowGroupLoader(name, cursor, self.qualified(place), schema, cache)
            try:
                # Of this connection alone: a row group goes to the file as soon as it is full. A user who
                # locked the configuration has chosen.
                with suppress(duckdb.Error):
                    cursor.execute("SET SESSION write_buffer_row_group_count = 1")
                with duckdb_errors(name):
                    _begin(cursor, beforehand)
                yield loader
            finally:
                if not loader.closed:
                    with suppress(duckdb.Error):
                        cursor.rollback()

    @override
    def is_staging(self, place: Relation) -> bool:
        found = self._found(place)
        return found is not None and found.comment == STAGING_COMMENT

    # What is DuckDB's own.

    @override
    def find(self, target: Relation) -> CatalogEntry | None:
        return self._found(target)

    def _found(self, target: Relation) -> catalog.FoundEntry | None:
        if self._open is None and not self.database.exists:
            self.database.refuse_missing_folder()
            return None
        with duckdb_errors(self.connection.name):
            return catalog.find_relation(self._duckdb, target, target.schema or self.default_schema)

    @override
    def described(self, found: CatalogEntry) -> SourceTable:
        if not isinstance(found, catalog.FoundEntry):
            return super().described(found)
        with duckdb_errors(self.connection.name):
            return catalog.describe_found(self._duckdb, found)

    @override
    @contextmanager
    def locked(self, target: Relation) -> Iterator[None]:
        # Another process is kept out by DuckDB itself.
        alone = self.database.is_private
        name = str(Relation(target.schema or self.default_schema, target.name, target.database)).lower()
        with held((self.database.key, id(self) if alone else 0, name), str(target)):
            yield

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        return native_type(field)

    @override
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        settled = [step for step in steps if isinstance(step, Deduplicate)]
        if settled and any(isinstance(step, Swap) for step in steps):
            # DuckDB renames no table whose rows the same transaction deleted. Nobody sees the staging table.
            with self.transaction():
                for step in settled:
                    self.carry_out(step, staging.place, target)
                    reached(Point.MID_PUBLISH)
            steps = [step for step in steps if step not in settled]
        super().publish(staging, target, steps)

    @override
    def swap(self, step: Swap, place: Relation, target: Relation) -> Sequence[str]:
        # No key can be added to a table that has an index.
        keys = sorted(step.keys, key=lambda key: key.kind != "primary")
        return super().swap(Swap(keys, step.definition, step.columns), place, target)

    @override
    def change_type(self, step: ChangeType, target: Relation) -> Sequence[str]:
        whole = Relation(target.schema or self.default_schema, target.name, target.database)
        native = self.native_type(step.column).sql
        with duckdb_errors(self.connection.name):
            return change_statements(self._writing, whole, step.column.name, native)

    @override
    def compared(self, column: str, kind: pa.DataType) -> str:
        # A column may be declared with a collation that does not tell case or accents apart.
        return f"{column} COLLATE C" if pa.types.is_string(kind) else column

    @override
    def same(self, key: Key, one: str, other: str) -> str:
        conditions = []
        for column in key.columns:
            left, right = (
                self.compared(f"{table}.{self.quoted(column.name)}", column.type) for table in (one, other)
            )
            # A join by this one is as quick, which an `or` is not.
            equal = "IS NOT DISTINCT FROM" if column.name in key.with_nulls else "="
            conditions.append(f"{left} {equal} {right}")
        return " AND ".join(conditions)


def _begin(cursor: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> None:
    """Begin a transaction with some statements, waiting where another one has just made the same schema."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        cursor.begin()
        try:
            for statement in statements:
                cursor.execute(statement)
        except duckdb.TransactionException:
            cursor.rollback()
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return
