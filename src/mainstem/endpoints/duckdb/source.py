"""DuckDB as a source: its catalogue, and rows as Arrow record batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable, first_rows
from mainstem.endpoints.comparable import Form, Written
from mainstem.endpoints.duckdb import catalog, comparable
from mainstem.endpoints.duckdb.carriage import LONG_INTERVAL, decoded, selected
from mainstem.endpoints.duckdb.connecting import Database, duckdb_errors, in_utc
from mainstem.endpoints.duckdb.memory import Cache
from mainstem.endpoints.selecting import clauses
from mainstem.errors import EndpointError, LossyTypeError
from mainstem.schema import Column, Relation

__all__ = ["DuckDBSource"]

# DuckDB exports a batch's texts only up to 2 GB: as few rows as this may each have 2 MB.
_EXPORTED_ROWS = 1024
# What is read is put together to batches of at most so many rows, or about so many bytes.
_BATCH_ROWS = 122_880
_BATCH_BYTES = 16 * 1024 * 1024


class DuckDBSource(Source):
    """What a DuckDB database is, and what is in it."""

    dialect = "duckdb"
    name_parts = 3
    tells_sizes = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.database = Database(connection.name, connection.required("instance"))
        self._read_only = (connection.text("read_only") or "").lower() == "true"
        self._lock = threading.Lock()
        self._open: duckdb.DuckDBPyConnection | None = None
        self._writes = False
        self._running: list[duckdb.DuckDBPyConnection] = []

    @property
    @override
    def default_schema(self) -> str:
        return self.connection.text("schema") or "main"

    @override
    def relation(self, name: str) -> Relation:
        found = super().relation(name)
        if found.database and found.database.lower() == self.database.catalog.lower():
            return Relation(found.schema, found.name)
        return found

    # The connection.

    @property
    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        """The connection, opened at the first use; a file that is not there is refused."""
        with self._lock:
            if self._open is None:
                opened, self._writes = self.database.open_to_read(read_only=self._read_only)
                self._open = self._adopted(opened)
            return self._open

    def _adopted(self, opened: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        self._running.append(in_utc(opened))
        return opened

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own to the same database, which :meth:`cancel` reaches."""
        cursor = in_utc(self._duckdb.cursor())
        self._running.append(cursor)
        try:
            yield cursor
        finally:
            with suppress(ValueError):
                self._running.remove(cursor)
            cursor.close()

    @override
    def connect(self) -> None:
        self._duckdb  # noqa: B018 - opened by being asked for

    @override
    def close(self) -> None:
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        opened, self._open = self._open, None
        for cursor in self._running:
            cursor.close()
        self._running.clear()
        if opened is not None:
            self.database.close(opened)

    @override
    def cancel(self) -> None:
        for connection in list(self._running):
            # It may be closed already.
            with suppress(duckdb.Error):
                connection.interrupt()

    # What is there.

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        with duckdb_errors(self.connection.name):
            return catalog.list_relations(self._duckdb, schema)

    @override
    def describe(self, relation: Relation) -> SourceTable:
        with duckdb_errors(self.connection.name):
            return catalog.describe_relation(
                self._duckdb, relation, relation.schema or self.default_schema, self.connection.name
            )

    @override
    def describe_query(self, sql: str) -> SourceTable:
        with duckdb_errors(self.connection.name):
            return SourceTable(None, catalog.describe_sql(self._duckdb, sql))

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with duckdb_errors(self.connection.name):
            result = self._duckdb.execute(sql)
            if not result.description:
                return pa.table({})
            reader = result.to_arrow_reader(_EXPORTED_ROWS)
            return first_rows(reader, reader.schema, limit)

    @override
    def sizes(self) -> Mapping[Relation, int]:
        with duckdb_errors(self.connection.name):
            return catalog.sizes(self._duckdb)

    # Rows.

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        sql = self._select(query)
        with self._cursor() as cursor:
            with duckdb_errors(self.connection.name), _refused_values(query):
                reader = cursor.execute(sql).to_arrow_reader(_EXPORTED_ROWS)
            # Whoever breaks off keeps no hold of the database.
            with reader:
                yield self._batches(reader, query, Cache(cursor, self.database))

    def _batches(self, reader: pa.RecordBatchReader, query: Query, cache: Cache) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(column.name, column.arrow_type) for column in query.columns])
        with duckdb_errors(self.connection.name), _refused_values(query):
            for batch in _gathered(reader):
                arrays = [
                    decoded(column, values)
                    for column, values in zip(query.columns, batch.columns, strict=True)
                ]
                cache.trim()
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _select(self, query: Query) -> str:
        items = ", ".join(
            f"{selected(column, self.quoted(column.name))} AS {self.quoted(column.name)}"
            for column in query.columns
        )
        chosen = f"SELECT * FROM {self._from(query)}{clauses(query, self.ordered)}"
        # Inside, a name is the table's column; beside the selected items it could be one of them.
        return f"SELECT {items} FROM ({chosen}) AS chosen"

    def _from(self, query: Query) -> str:
        if query.sql is not None:
            # A line break ends a comment of the user's.
            return f"(\n{query.sql}\n) AS query"
        if query.relation is not None:
            return self.qualified(query.relation)
        raise EndpointError("A query names neither a table nor SQL.")

    @override
    def ordered(self, column: Column) -> str:
        name = self.quoted(column.name)
        if column.native_type.startswith("ENUM("):
            # An enum is ordered by where a value stands in its list.
            return f"CAST({name} AS VARCHAR)"
        # A column may be declared with a collation that does not tell case or accents apart.
        return f"{name} COLLATE C" if column.native_type == "VARCHAR" else name

    @override
    def literal(self, text: str, column: Column) -> str:
        literal = self.text_literal(text)
        as_text = column.native_type.startswith("ENUM(") or pa.types.is_string(column.arrow_type)
        return literal if as_text else f"CAST({literal} AS {column.native_type})"

    @override
    def written(self, value: str, column: Column, form: Form) -> Written | None:
        return comparable.written(value, column, form)

    @override
    def checksum(self, texts: Sequence[str]) -> str | None:
        return comparable.checksum(texts)

    def text_literal(self, text: str) -> str:
        """Render a text as a literal."""
        return catalog.text_literal(text)


@contextmanager
def _refused_values(query: Query) -> Iterator[None]:
    """Say which column holds a value that DuckDB could not export."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if LONG_INTERVAL in str(error):
            raise LossyTypeError(
                "An interval column holds more than 2562046 hours, which Arrow's nanoseconds cannot carry:"
                f" {_columns_with(query, 'INTERVAL')}.",
                hint="Declare the column as text under `columns`.",
            ) from error
        if "Could not convert Timestamp(" in str(error):
            raise LossyTypeError(
                "A timestamp is too far away for microseconds, in which Arrow carries it:"
                f" {_columns_with(query, 'TIMESTAMP_')}.",
                hint="Replace it by NULL or by a nearer one in a view over the table.",
            ) from error
        raise


def _columns_with(query: Query, native: str) -> str:
    """The columns that it can have been: DuckDB does not say which it was."""
    return " or ".join(column.name for column in query.columns if native in column.native_type)


def _gathered(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Put the small batches that DuckDB exports together to larger ones."""
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        pending.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield _joined(pending)
            pending, rows, size = [], 0, 0
    if pending:
        yield _joined(pending)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined
