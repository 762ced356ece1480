"""Rows on their way into a DuckDB table: whole row groups, in one transaction."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
from typing_extensions import override

from mainstem.endpoints.duckdb.connecting import duckdb_errors
from mainstem.endpoints.duckdb.landing import landed, landing_type
from mainstem.endpoints.duckdb.memory import Cache
from mainstem.endpoints.duckdb.types import is_json_text, native_type
from mainstem.endpoints.sql import Loader

__all__ = ["RowGroupLoader"]

# What DuckDB compresses and writes at once. https://duckdb.org/docs/stable/internals/storage
# Rows that come in other portions leave row groups that are not full: the file grows by a third, and a
# checkpoint that puts them together takes memory with the size of the table.
_ROW_GROUP = 122_880
# Two threads of DuckDB's write two of them at once. With one in a statement, the thread that waits for it
# would spin, and hold Python up.
_AT_ONCE = 2
# Wide rows are not kept until there are so many. Portions below half a row group fill the one that is open.
_PENDING_BYTES = 64 * 1024 * 1024
_PORTION = 60_000


class RowGroupLoader(Loader):
    """Writes batches into an empty table.

    One transaction holds all rows: DuckDB then writes them to the file as they come, and not to its log.

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
        self._insert = f"INSERT INTO {table} SELECT {_items(schema)} FROM __mainstem_batch__"
        self._cache = cache
        self._pending: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0
        self.closed = False

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        rows = landed(batch, self._schema)
        self._pending.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= _AT_ONCE * _ROW_GROUP:
            self._flush(self._rows // _ROW_GROUP * _ROW_GROUP)
        if self._bytes >= _PENDING_BYTES:
            self._flush_wide()

    @override
    def close(self) -> None:
        if self.closed:
            return
        self._flush(self._rows)
        with duckdb_errors(self._name):
            self._connection.commit()
        self.closed = True
        self._cache.trim()

    def _flush(self, rows: int) -> None:
        """Write whole row groups, and what is left of the rows."""
        table = pa.Table.from_batches(self._pending, self._schema)
        groups = _pieces(table.slice(0, rows), _ROW_GROUP)
        for start in range(0, len(groups), _AT_ONCE):
            self._inserted(pa.concat_tables(groups[start : start + _AT_ONCE]))
        self._keep(table.slice(rows))

    def _flush_wide(self) -> None:
        table = pa.Table.from_batches(self._pending, self._schema)
        for piece in _pieces(table, _PORTION):
            self._inserted(piece)
        self._keep(table.slice(table.num_rows))

    def _keep(self, rest: pa.Table) -> None:
        self._pending = rest.to_batches()
        self._rows, self._bytes = rest.num_rows, rest.nbytes

    def _inserted(self, rows: Any) -> None:
        # Found by DuckDB under its name here, which no table has. A registered one would be kept until the
        # transaction ends; to look at a table itself it imports pyarrow's data sets, and with them pandas.
        __mainstem_batch__ = rows.__arrow_c_stream__()  # noqa: F841
        with duckdb_errors(self._name):
            self._connection.execute(self._insert)
        self._cache.trim()


def _pieces(table: pa.Table, rows: int) -> list[pa.Table]:
    """A table in parts of so many rows, each in one piece: more would be shared among the threads."""
    return [table.slice(start, rows).combine_chunks() for start in range(0, table.num_rows, rows)]


def _items(schema: pa.Schema) -> str:
    return ", ".join(_item(field) for field in schema)


def _item(field: pa.Field[Any]) -> str:
    """A staged column's value. Text of an opaque type becomes that type again."""
    escaped = field.name.replace('"', '""')
    name, native = f'"{escaped}"', native_type(field).sql
    if not isinstance(field.type, pa.OpaqueType) or native == "VARCHAR":
        return name
    return f"CAST(CAST({name} AS JSON) AS {native})" if is_json_text(native) else f"CAST({name} AS {native})"
