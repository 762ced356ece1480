"""A schema of a real system that a test has to itself: tables go in and come out as Arrow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mainstem.connections import Connection, connection_of
from mainstem.endpoints import SourceTable, SqlTarget, Swap
from mainstem.endpoints.base import Query
from mainstem.endpoints.registry import open_target
from mainstem.schema import Relation
from mainstem.types import cast_values

__all__ = ["Place", "as_left"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Place:
    """Somewhere tables can be. The names of columns are as a user of the system writes them, without quotes.

    Attributes:
        name: What the system is called in a test's id.
        url: Its connection string, or the mapping of a connection.
        schema: The schema that is the test's own.
        lacks: What the system cannot hold, as it says in its documentation: names that a suite asks for.
    """

    name: str
    url: str | Mapping[str, Any]
    schema: str
    lacks: frozenset[str] = field(default_factory=frozenset)

    @property
    def connection(self) -> Connection:
        """The connection."""
        return connection_of(self.name.upper(), self.url)

    @contextmanager
    def opened(self) -> Iterator[SqlTarget]:
        """Open the system."""
        with open_target(self.connection) as endpoint:
            assert isinstance(endpoint, SqlTarget)  # noqa: S101
            yield endpoint

    def relation(self, table: str) -> Relation:
        """A table of this place."""
        return Relation(self.schema, table)

    def stream(self, table: str) -> str:
        """A table as a replication names it."""
        quoted = table.replace('"', '""')
        return f'"{self.schema}"."{quoted}"'

    def put(self, table: str, rows: pa.Table) -> None:
        """Make a table of these rows, in the stead of the one that is there."""
        relation = self.relation(table)
        with self.opened() as endpoint:
            if endpoint.capabilities.folds_to_upper:
                rows = rows.rename_columns([_upper(name) for name in rows.column_names])
            self._put(endpoint, relation, rows)

    @staticmethod
    def _put(endpoint: SqlTarget, relation: Relation, rows: pa.Table) -> None:
        with endpoint.stage(relation, rows.schema) as staging:
            for batch in rows.to_batches():
                staging.write(batch)
            staging.complete()
            endpoint.publish(staging, relation, [Swap()])

    def get(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a table's rows, in whatever order they come."""
        with self.opened() as endpoint:
            described = endpoint.describe(self.relation(table))
            written = _lower if endpoint.capabilities.folds_to_upper else str
            chosen = [
                column for column in described.columns if columns is None or written(column.name) in columns
            ]
            schema = pa.schema([pa.field(column.name, column.arrow_type) for column in chosen])
            with endpoint.read(Query(columns=chosen, relation=described.relation)) as batches:
                found = pa.Table.from_batches(list(batches), schema)
            return found.rename_columns([written(name) for name in found.column_names])

    def rows(self, table: str, columns: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
        """A table's rows as Python values, in an order of their own."""
        found = self.get(table, columns)
        names = columns or found.column_names
        tuples = list(zip(*(found.column(name).to_pylist() for name in names), strict=True))
        return sorted(tuples, key=lambda row: [(value is not None, str(value)) for value in row])

    def describe(self, table: str) -> SourceTable:
        """A table as the catalogue has it."""
        with self.opened() as endpoint:
            return endpoint.describe(self.relation(table))

    def tables(self) -> list[str]:
        """The names of all tables and views that are there."""
        with self.opened() as endpoint:
            return [entry.relation.name for entry in endpoint.catalog(self.schema)]

    def run(self, *statements: str) -> None:
        """Run statements, as a user would by hand."""
        with self.opened() as endpoint:
            for statement in statements:
                endpoint.run_script(statement)


def _upper(name: str) -> str:
    """A column's name where plain names are in upper case."""
    return name.upper() if name == name.lower() and _PLAIN.fullmatch(name) else name


def _lower(name: str) -> str:
    """How a user writes such a column's name."""
    return name.lower() if name == name.upper() and _PLAIN.fullmatch(name) else name


def as_left(arrived: pa.Table, left: pa.Table, *, json_anew: bool = False) -> pa.Table:
    """What arrived, in the types of what left: a target's fallbacks read back.

    Args:
        arrived: The target's rows.
        left: The source's rows.
        json_anew: The target writes JSON in its own way: it is compared by what it says.
    """
    arrived = _plain(arrived)
    columns = [
        _reread(arrived.column(field.name).combine_chunks(), left.column(field.name).combine_chunks())
        if json_anew and (isinstance(field.type, pa.JsonType) or pa.types.is_nested(field.type))
        else cast_values(arrived.column(field.name).combine_chunks(), field.type)
        if pa.types.is_string(field.type) or not _spelled(arrived.schema.field(field.name).type, field.type)
        else _respelled(arrived.column(field.name).combine_chunks(), left.column(field.name).combine_chunks())
        for field in left.schema
    ]
    return pa.table(columns, schema=left.schema)


def _plain(table: pa.Table) -> pa.Table:
    """Text is text, whether the target calls it JSON or its own type."""
    columns: list[pa.Array[Any]] = [column.combine_chunks() for column in table.columns]
    return pa.table(
        [
            cast_values(values, pa.string())
            if isinstance(values.type, (pa.JsonType, pa.OpaqueType))
            else values
            for values in columns
        ],
        names=table.column_names,
    )


def _spelled(arrived: pa.DataType, left: pa.DataType) -> bool:
    """Whether text stands for values that Arrow cannot read back from text."""
    return pa.types.is_string(arrived) and (
        pa.types.is_nested(left) or pa.types.is_interval(left) or _bytes(left)
    )


def _reread(arrived: pa.Array[Any], left: pa.Array[Any]) -> pa.Array[Any]:
    """The source's values where JSON that says the same is what arrived, and NULL where it is not."""
    pairs = zip(cast_values(left, pa.string()).to_pylist(), arrived.to_pylist(), strict=True)
    kept = [
        index if one is not None and other is not None and json.loads(one) == json.loads(other) else None
        for index, (one, other) in enumerate(pairs)
    ]
    return left.take(pa.array(kept, pa.int64()))


def _bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind)


def _respelled(arrived: pa.Array[Any], left: pa.Array[Any]) -> pa.Array[Any]:
    """The source's values where their text is what arrived, and NULL where it is not."""
    spelled = cast_values(left, pa.string()).to_pylist()
    found = arrived.to_pylist()
    kept = [
        index if text == other else None
        for index, (text, other) in enumerate(zip(spelled, found, strict=True))
    ]
    return left.take(pa.array(kept, pa.int64()))
