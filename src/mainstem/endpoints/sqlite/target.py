"""SQLite as a target: rows are staged in a temporary table, and one transaction publishes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry
from mainstem.endpoints.locks import held
from mainstem.endpoints.sql import Loader, SqlStaging, SqlTarget, split_statements
from mainstem.endpoints.sql_steps import short_name
from mainstem.endpoints.sqlite.decoding import MisfitError, decoder_of
from mainstem.endpoints.sqlite.encoding import encoded
from mainstem.endpoints.sqlite.filelock import file_lock
from mainstem.endpoints.sqlite.functions import BY_NUMBER, NUMBER
from mainstem.endpoints.sqlite.literals import text_literal
from mainstem.endpoints.sqlite.rebuilding import Rebuild
from mainstem.endpoints.sqlite.rowids import row_id
from mainstem.endpoints.sqlite.source import MAIN, TEMP, SQLiteSource
from mainstem.endpoints.sqlite.types import affinity, is_wide_number, native_type
from mainstem.endpoints.steps import (
    ChangeType,
    Create,
    Deduplicate,
    Delete,
    DeleteMissing,
    Insert,
    Key,
    MarkMissing,
    MarkUpdated,
    Step,
    Swap,
    TableKey,
    Update,
)
from mainstem.endpoints.target import Capabilities, NativeType, Staging
from mainstem.errors import EndpointError, LossyTypeError
from mainstem.schema import Column, Relation

__all__ = ["SQLite"]

_LOADED_ROWS = 8_192
_NUMERIC = frozenset({"INTEGER", "REAL", "NUMERIC"})


class SQLite(SQLiteSource, SqlTarget):
    """A SQLite database in a file.

    Properties of its connection: ``instance`` (the file's path), ``read_only`` (``true`` to open it so).

    Rows are staged in a temporary table of the connection, which SQLite keeps in a file of its own: the
    database itself is held only while they are published. So it can be read in the same run, whatever its
    journal mode is, and a killed run leaves nothing in it. What others hold is waited for, up to a minute.
    """

    # One writer has the whole file.
    capabilities = Capabilities(merge_strategy="update_insert", parallel_streams=False)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._staged: dict[Relation, pa.Schema] = {}

    # Primitives.

    @override
    def run(self, sql: str) -> None:
        with self._database.errors(writing=True):
            session = self._session
            self._database.patiently(lambda: session.execute(sql).close())

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._fetch(sql)

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        session = self._made()
        with self._database.errors(writing=True):
            self._database.patiently(lambda: session.execute("BEGIN IMMEDIATE"))
            try:
                # Pages that memory has no room for are written beforehand if no reader is in the way, and
                # stay in memory otherwise: that is not waited for, page by page.
                with self._database.impatient(session):
                    yield
                self._database.patiently(lambda: session.execute("COMMIT"))
            except BaseException:
                with suppress(sqlite3.Error):
                    session.execute("ROLLBACK")
                raise

    @override
    @contextmanager
    def loader(self, place: Relation, schema: pa.Schema) -> Iterator[Loader]:
        yield _Loader(self, place, schema)

    @override
    def is_staging(self, place: Relation) -> bool:
        return place.schema == TEMP

    @override
    def locked(self, target: Relation) -> AbstractContextManager[None]:
        return self._locked(target)

    @contextmanager
    def _locked(self, target: Relation) -> Iterator[None]:
        name = (str(self._database.path.resolve()), target.name.lower())
        with held(name, f"{target} in {self.connection.name}"), file_lock(self._database.path, target):
            yield

    # What SQLite does its own way.

    @override
    def schema_statements(self, schema: str) -> Sequence[str]:
        if schema.lower() != MAIN:
            self.relation(f'"{schema}"."_"')
        return []

    @override
    def text_literal(self, text: str) -> str:
        return text_literal(text)

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        try:
            found = native_type(field.type)
        except KeyError as error:
            raise LossyTypeError(
                f"Column {field.name}: SQLite has no type for Arrow's {error.args[0]}.",
                hint="Leave the column out, or declare it as text under `columns`.",
            ) from error
        length = (field.metadata or {}).get(b"length")
        return NativeType(f"VARCHAR({int(length)})") if length and found.sql == "TEXT" else found

    @override
    def find(self, target: Relation) -> CatalogEntry | None:
        return self._named(target.schema or MAIN, target.name) if self._database.exists else None

    @override
    def run_script(self, sql: str) -> None:
        self._made()
        for statement in split_statements(sql, self.dialect):
            # Each is a transaction by itself, unless the script says otherwise.
            self.run(statement)

    @override
    @contextmanager
    def stage(
        self, target: Relation, schema: pa.Schema, *, place: Relation | None = None, purpose: str = "staging"
    ) -> Iterator[Staging]:
        name = place.name if place else short_name(target.name, f"__mainstem_{purpose}", None)
        self._refuse_hiding(name)
        staged = Relation(TEMP, name)
        self._made()
        self.run(f"DROP TABLE IF EXISTS {self.qualified(staged)}")
        self.run(self.create_statement(staged, schema))
        self._staged[staged] = schema
        staging = SqlStaging(self, staged, schema)
        try:
            with self.loader(staged, schema) as loader:
                staging.opened(loader)
                yield staging
        finally:
            self._staged.pop(staged, None)
            # Where that fails, it goes with the connection.
            with suppress(EndpointError):
                self.run(f"DROP TABLE IF EXISTS {self.qualified(staged)}")

    def _refuse_hiding(self, name: str) -> None:
        """A temporary table would hide a user's table of the same name from the user's own statements."""
        if self.find(Relation(MAIN, name)) is not None:
            raise EndpointError(
                f"{name} is where rows would be staged, but a table that is not ours has this name.",
                hint="Rename that table, or give the stream another object or `table_tmp`.",
            )

    def _made(self) -> sqlite3.Connection:
        """The connection, the file made where it is not there."""
        if not self._database.exists:
            self._database.close(self._database.open(create=True))
        return self._session

    @override
    def _maximum(self, table: Relation, column: Column) -> pa.Scalar[Any] | None:
        # A staging table is seen by this connection alone.
        found = self._fetch(f"SELECT max({self.ordered(column)}) FROM {self.qualified(table)}")[0]
        try:
            value = decoder_of(column)(found)[0]
        except MisfitError as error:
            raise LossyTypeError(
                f"Column {column.name} ({column.native_type}) of {table} holds {error.what} that"
                f" {column.arrow_type} cannot carry, so nothing tells where to go on.",
                hint="Mend the value, or load the table once with full-refresh.",
            ) from error
        return value if value.is_valid else None

    @override
    def compared(self, column: str, kind: pa.DataType) -> str:
        return f"{column} COLLATE BINARY" if pa.types.is_string(_storage(kind)) else column

    @override
    def assigned(self, column: str, kind: pa.DataType, native: str | None) -> str:
        converts = is_wide_number(kind) or isinstance(kind, pa.JsonType)
        if converts and native is not None and affinity(native) in _NUMERIC:
            # SQLite would make a number of the text, whatever is lost.
            return f"{NUMBER}({column}, {self.text_literal(column.partition('.')[2])})"
        return column

    @override
    def same(self, key: Key, one: str, other: str) -> str:
        conditions = []
        for column in key.columns:
            left, right = (
                self.compared(f"{alias}.{self.quoted(column.name)}", column.type) for alias in (one, other)
            )
            # Of NULLs too, IS goes by an index; an OR would not.
            conditions.append(f"{left} {'IS' if column.name in key.with_nulls else '='} {right}")
        return " AND ".join(conditions)

    @override
    def statements(self, step: Step, place: Relation, target: Relation) -> Sequence[str]:
        found = super().statements(step, place, target)
        key, table = _looked_up(step, place)
        if key is None or not key.columns:
            return found
        # SQLite makes no index of its own for a condition that runs once for each row.
        index = Relation(TEMP, f"{table.name}__key")
        columns = ", ".join(self.compared(self.quoted(column.name), column.type) for column in key.columns)
        create = (
            f"CREATE INDEX IF NOT EXISTS {self.qualified(index)} ON {self.quoted(table.name)} ({columns})"
        )
        return [create, *found]

    @override
    def swap(self, step: Swap, place: Relation, target: Relation) -> Sequence[str]:
        schema = self._staged[place]
        names = ", ".join(self.quoted(name) for name in schema.names)
        table = self.qualified(target)
        create, keys = self._created(step.definition, step.keys, schema, target)
        fill = f"INSERT INTO {table} ({names}) SELECT {names} FROM {self.qualified(place)}"
        return [f"DROP TABLE IF EXISTS {table}", create, fill, *keys]

    @override
    def create(self, step: Create, target: Relation) -> Sequence[str]:
        create, keys = self._created(step.definition, step.keys, step.schema, target)
        return [create, *keys]

    def _created(
        self, definition: str | None, keys: Sequence[TableKey], schema: pa.Schema, target: Relation
    ) -> tuple[str, Sequence[str]]:
        """The statement that makes a table, and those of its keys. A primary key is part of the table."""
        rest = [key for key in keys if definition is not None or key.kind != "primary"]
        indexes = [statement for key in rest for statement in self.key_statements(key, target)]
        if definition is not None:
            return definition, indexes
        primary = [name for key in keys if key.kind == "primary" for name in key.columns]
        # Elsewhere a primary key has no NULL; here that is to be said.
        fields = [field.with_nullable(field.nullable and field.name not in primary) for field in schema]
        plain = self.create_statement(target, pa.schema(fields))
        columns = ", ".join(self.quoted(name) for name in primary)
        return (f"{plain[:-1]}, PRIMARY KEY ({columns}))" if primary else plain), indexes

    @override
    def key_statements(self, key: TableKey, target: Relation) -> Sequence[str]:
        unique = "" if key.kind == "index" else "UNIQUE "
        suffix = f"_{'_'.join(key.columns)}_{'key' if unique else 'idx'}"
        index = Relation(target.schema, key.name or short_name(target.name, suffix, None))
        columns = ", ".join(self.quoted(name) for name in key.columns)
        return [f"CREATE {unique}INDEX {self.qualified(index)} ON {self.quoted(target.name)} ({columns})"]

    @override
    def insert(self, step: Insert, place: Relation, target: Relation) -> str:
        if step.unless is None:
            return super().insert(step, place, target)
        plain = super().insert(Insert(step.columns, step.natives), place, target)
        return f"{plain} WHERE {self._known(step.unless, place, target, 's', negated=True)}"

    @override
    def delete(self, key: Key, place: Relation, target: Relation) -> str:
        number = self._number(target)
        if number is None:
            return super().delete(key, place, target)
        staged, table = self.qualified(place), self.qualified(target)
        join = f"{staged} AS s CROSS JOIN {table} AS t ON {self.same(key, 's', 't')}"
        return f"DELETE FROM {table} WHERE {number} IN (SELECT t.{number} FROM {join})"

    def _number(self, target: Relation) -> str | None:
        """What a table calls its rows; ``None`` where they have no number."""
        number = row_id(column.name for column in self.describe(target).columns)
        try:
            self._fetch(f"SELECT {number} FROM {self.qualified(target)} LIMIT 0")
        except EndpointError:
            return None
        return number

    @override
    def mark_updated(self, step: MarkUpdated, place: Relation, target: Relation) -> str:
        value = f"{self.quoted(step.column)} = {self.text_literal(step.value)}"
        known = self._known(step.key, place, target, "s")
        return f"UPDATE {self.qualified(place)} AS s SET {value} WHERE {known}"

    def _known(
        self, key: Key, place: Relation, target: Relation, alias: str, *, negated: bool = False
    ) -> str:
        """The condition that a staged row's key is in the target: by one join, and not by a look for each."""
        number = row_id(self._staged[place].names)
        staged, table = self.qualified(place), self.qualified(target)
        # A cross join is one that starts at its left: the target is looked up by its own index.
        join = f"{staged} AS k CROSS JOIN {table} AS t ON {self.same(key, 'k', 't')}"
        return f"{alias}.{number} {'NOT ' if negated else ''}IN (SELECT k.{number} FROM {join})"

    @override
    def deduplicate(self, step: Deduplicate, place: Relation) -> str:
        number = row_id(self._staged[place].names)
        keys = ", ".join(self.compared(self.quoted(column.name), column.type) for column in step.key.columns)
        order = f"{number} DESC"
        if step.newest_by is not None:
            # NULL is the least here too.
            order = f"{self._by_value(step.newest_by)} DESC, {order}"
        staged = self.qualified(place)
        rank = f"row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS place"
        ranked = f"SELECT {number} AS row_id, {rank} FROM {staged}"
        older = f"SELECT row_id FROM ({ranked}) AS ranked WHERE ranked.place > 1"
        return f"DELETE FROM {staged} WHERE {number} IN ({older})"

    def _by_value(self, field: pa.Field[Any]) -> str:
        name = self.quoted(field.name)
        return (
            f"{name} COLLATE {BY_NUMBER}" if is_wide_number(field.type) else self.compared(name, field.type)
        )

    @override
    def carry_out(self, step: Step, place: Relation, target: Relation) -> None:
        if isinstance(step, ChangeType):
            with self._database.errors(writing=True):
                table = self.describe(target)
                native = self.native_type(step.column).sql
                Rebuild(self._session, table, self.quoted).change(step.column, native)
            return
        super().carry_out(step, place, target)

    def load(self, place: Relation, columns: Sequence[Sequence[Any]]) -> None:
        """Put rows into a staging table.

        Args:
            place: The table.
            columns: Their values, column by column.
        """
        marks = ", ".join("?" for _ in columns)
        sql = f"INSERT INTO {self.qualified(place)} VALUES ({marks})"
        with self._database.errors(writing=True):
            session = self._session
            own = not session.in_transaction
            if own:
                session.execute("BEGIN")
            session.executemany(sql, zip(*columns, strict=True))
            if own:
                session.execute("COMMIT")


class _Loader(Loader):
    """Puts batches into a staging table."""

    def __init__(self, target: SQLite, place: Relation, schema: pa.Schema) -> None:
        self._target = target
        self._place = place
        self._schema = schema

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, _LOADED_ROWS):
            part = batch.slice(start, _LOADED_ROWS)
            columns = [
                encoded(field.name, values) for field, values in zip(self._schema, part.columns, strict=True)
            ]
            self._target.load(self._place, columns)

    @override
    def close(self) -> None:
        """Every batch is there as soon as it is written."""


def _looked_up(step: Step, place: Relation) -> tuple[Key | None, Relation]:
    """Which key is looked up in which temporary table."""
    if isinstance(step, (Update, Delete, MarkUpdated)):
        return step.key, place
    if isinstance(step, Insert):
        return step.unless, place
    if isinstance(step, (DeleteMissing, MarkMissing)):
        return step.key, step.present
    return None, place


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
