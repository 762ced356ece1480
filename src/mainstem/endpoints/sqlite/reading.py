"""One look at the file: a query's rows in constant memory, and which value could not be carried."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.base import Query
from mainstem.endpoints.sqlite.connecting import Database, undecodable_text
from mainstem.endpoints.sqlite.decoding import MisfitError, decoder_of
from mainstem.endpoints.sqlite.rowids import row_id
from mainstem.errors import EndpointError, LossyTypeError
from mainstem.schema import Column

__all__ = ["Reader"]

# A batch ends at the first of these.
_BATCH_ROWS = 32_768
_BATCH_BYTES = 16_000_000
# So many rows at most are Python objects at a time, fewer where they are wide.
_FETCHED_ROWS = 256
_FETCHED_BYTES = 4_000_000
_FIRST_FETCH = 8


class Reader:
    """Reads the rows of a query.

    Args:
        database: Where they are.
        session: A connection for this alone.
        query: What is read.
        sql: The same in SQL.
    """

    def __init__(self, database: Database, session: sqlite3.Connection, query: Query, sql: str) -> None:
        self._database = database
        self._session = session
        self._query = query
        self._sql = sql
        self._decoders = [decoder_of(column) for column in query.columns]
        self._schema = pa.schema([pa.field(column.name, column.arrow_type) for column in query.columns])
        self._cursor = session.cursor()

    def begin(self) -> None:
        """Run the query. All rows are as they are at this moment."""
        with self._database.errors():
            self._session.execute("BEGIN")
            self._database.patiently(lambda: self._cursor.execute(self._sql))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches. The file is let go as soon as there are no more."""
        parts: list[pa.RecordBatch] = []
        rows = size = 0
        for part in self._parts():
            parts.append(part)
            rows += part.num_rows
            size += part.nbytes
            if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
                yield _joined(parts)
                parts, rows, size = [], 0, 0
        # Another connection of this process may wait to write this very file.
        self._database.close(self._session)
        if parts:
            yield _joined(parts)

    def _parts(self) -> Iterator[pa.RecordBatch]:
        many = _FIRST_FETCH
        while rows := self._fetched(many):
            part = self._decoded(rows)
            yield part
            many = max(1, min(_FETCHED_ROWS, many * 4, _FETCHED_BYTES * len(rows) // max(1, part.nbytes)))

    def _fetched(self, many: int) -> Sequence[tuple[Any, ...]]:
        with self._database.errors():
            try:
                return self._cursor.fetchmany(many)
            except sqlite3.OperationalError as error:
                if "Could not decode to UTF-8" not in str(error):
                    raise
                self._find_undecodable()
                raise

    def _decoded(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        arrays = []
        for index, values in enumerate(zip(*rows, strict=True)):
            try:
                arrays.append(self._decoders[index](values))
            except MisfitError as error:
                raise self._refusal(self._query.columns[index], index, error) from error
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _refusal(self, column: Column, index: int, error: MisfitError) -> LossyTypeError:
        def misfits(value: Any) -> bool:
            try:
                self._decoders[index]((value,))
            except MisfitError as found:
                return found.what == error.what
            return False

        row = self._row_of(index, misfits)
        return LossyTypeError(
            f"Column {column.name} ({column.native_type or 'no declared type'}) holds {error.what}{row} that"
            f" {column.arrow_type} cannot carry.",
            hint=f"Declare it under `columns`, as `{column.name}: text`, to carry every value as text.",
        )

    def _find_undecodable(self) -> None:
        self._session.text_factory = bytes
        for index, column in enumerate(self._query.columns):
            row = self._row_of(index, _is_undecodable, "typeof({}) = 'text'")
            if row:
                raise undecodable_text(column.name, row)

    def _row_of(self, index: int, is_it: Any, condition: str = "{} IS NOT NULL") -> str:
        """Where a value is, in words; nothing where rows have no name, as in a view."""
        relation, column = self._query.relation, self._query.columns[index]
        if relation is None:
            return ""
        table, name = (f'"{part.replace(chr(34), chr(34) * 2)}"' for part in (relation.name, column.name))
        try:
            number = row_id(known.name for known in self._query.columns)
            sql = f"SELECT {number}, {name} FROM {relation.schema}.{table} WHERE {condition.format(name)}"
            for found, value in self._session.execute(sql):
                if is_it(value):
                    return f" in the row with rowid {found}" if isinstance(found, int) else ""
        except (sqlite3.Error, EndpointError):
            # A table without rowid.
            pass
        return ""


def _is_undecodable(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    (batch,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    return batch
