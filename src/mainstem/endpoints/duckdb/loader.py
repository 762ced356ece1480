"""Rows on their way into a DuckDB table: one statement takes them all, a row group at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from typing_extensions import override

from mainstem.endpoints.duckdb.connecting import duckdb_errors
from mainstem.endpoints.duckdb.landing import landed, landing_type
from mainstem.endpoints.duckdb.memory import Cache
from mainstem.endpoints.duckdb.types import is_json_text, native_type
from mainstem.endpoints.sql import Loader

__all__ = ["StreamLoader"]

# What DuckDB compresses and writes at once. https://duckdb.org/docs/stable/internals/storage
# Rows that come in other portions leave row groups that are not full: the file grows by a third, and a
# checkpoint that puts them together takes memory with the size of the table.
_ROW_GROUP = 122_880
# Wide rows are not kept until there are so many. Portions below half a row group fill the one that is open.
_PENDING_BYTES = 64 * 1024 * 1024
_PORTION = 60_000


class StreamLoader(Loader):
    """Writes batches into an empty table.

    One `INSERT` reads them as they come, in a thread of its own: a statement for each row group takes half as
    much processor time again. One transaction holds all rows: DuckDB then writes them to the file as they
    come, and not to its log.

    Args:
        name: The connection's name, for messages.
        connection: A connection of the loader's own, in a transaction.
        table: The table's whole name, quoted.
        schema: Its columns.
        cache: What DuckDB keeps in memory.
    """

    def __init__(
        self, name: str, connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, cache: Cache
    ) -> None:
        self._name = name
        self._connection = connection
        self._schema = pa.schema([pa.field(field.name, landing_type(field.type)) for field in schema])
        self._sql = f"INSERT INTO {table} SELECT {_items(schema)} FROM __mainstem_rows__"
        self._cache = cache
        self._pending: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0
        self._insert: _Insert | None = None
        self.closed = False

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        rows = landed(batch, self._schema)
        self._pending.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= _ROW_GROUP:
            self._flush(self._rows // _ROW_GROUP * _ROW_GROUP, _ROW_GROUP)
        if self._bytes >= _PENDING_BYTES:
            self._flush(self._rows, _PORTION)

    @override
    def close(self) -> None:
        if self.closed:
            return
        self._flush(self._rows, _ROW_GROUP)
        with duckdb_errors(self._name):
            if self._insert is not None:
                self._insert.finish()
            self._connection.commit()
        self.closed = True
        self._cache.trim()

    def give_up(self) -> None:
        """Take back what was written, unless it is closed."""
        if self.closed:
            return
        if self._insert is not None:
            self._insert.break_off()
        with suppress(duckdb.Error):
            self._connection.rollback()

    def _flush(self, rows: int, portion: int) -> None:
        table = pa.Table.from_batches(self._pending, self._schema)
        for start in range(0, rows, portion):
            # In one piece, or several threads would share it and each leave a row group behind.
            for batch in table.slice(start, min(portion, rows - start)).combine_chunks().to_batches():
                self._take(batch)
        rest = table.slice(rows)
        self._pending = rest.to_batches()
        self._rows, self._bytes = rest.num_rows, rest.nbytes

    def _take(self, batch: pa.RecordBatch) -> None:
        if self._insert is None:
            self._insert = _Insert(self._connection, self._sql, self._schema)
        with duckdb_errors(self._name):
            self._insert.put(batch)
        self._cache.trim()


@dataclass(frozen=True)
class _End:
    """There are no more rows."""


class _BrokenOff(Exception):  # noqa: N818 - nobody sees it: it ends the statement
    """Nobody wants the rows any more."""


class _Insert:
    """A statement that reads batches until there are no more."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str, schema: pa.Schema) -> None:
        self._connection = connection
        self._sql = sql
        self._schema = schema
        # One is being inserted, one waits.
        self._batches: queue.Queue[pa.RecordBatch | _End] = queue.Queue(1)
        self._broken_off = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mainstem-insert", daemon=True)
        self._thread.start()

    def put(self, batch: pa.RecordBatch | _End) -> None:
        """Hand a batch over, and raise what became of the statement."""
        while self._thread.is_alive():
            try:
                self._batches.put(batch, timeout=_TICK)
            except queue.Full:
                continue
            return
        self._raise()

    def finish(self) -> None:
        """Wait until all rows are inserted."""
        self.put(_End())
        while self._thread.is_alive():
            self._thread.join(_TICK)
        self._raise()

    def break_off(self) -> None:
        """End the statement."""
        self._broken_off.set()
        while self._thread.is_alive():
            with suppress(duckdb.Error):
                self._connection.interrupt()
            self._thread.join(_TICK)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        # Found by DuckDB under its name here, which no table has.
        __mainstem_rows__ = pa.RecordBatchReader.from_batches(self._schema, self._read())  # noqa: F841
        try:
            self._connection.execute(self._sql)
        except BaseException as error:
            self._error = error

    def _read(self) -> Iterator[pa.RecordBatch]:
        while not self._broken_off.is_set():
            try:
                batch = self._batches.get(timeout=_TICK)
            except queue.Empty:
                continue
            if isinstance(batch, _End):
                return
            yield batch
        raise _BrokenOff


_TICK = 0.05


def _items(schema: pa.Schema) -> str:
    return ", ".join(_item(field) for field in schema)


def _item(field: pa.Field[Any]) -> str:
    """A staged column's value. Text of an opaque type becomes that type again."""
    escaped = field.name.replace('"', '""')
    name, native = f'"{escaped}"', native_type(field).sql
    if not isinstance(field.type, pa.OpaqueType) or native == "VARCHAR":
        return name
    return f"CAST(CAST({name} AS JSON) AS {native})" if is_json_text(native) else f"CAST({name} AS {native})"
