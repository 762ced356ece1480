"""The plan itself: data, to be run, printed and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mainstem.endpoints import Query
from mainstem.replication import Mode
from mainstem.schema import Column, Relation

__all__ = ["MetadataColumn", "Plan", "PlannedColumn", "StreamPlan"]


@dataclass(frozen=True)
class PlannedColumn:
    """A column on its way.

    Attributes:
        source: The column as the source has it.
        name: Its name in the target.
        arrow_type: The type in which it is written: the source's, or the one that `columns` declares.
        description: What `columns` says of it, else the source's comment.
    """

    source: Column
    name: str
    arrow_type: pa.DataType
    description: str | None = None


@dataclass(frozen=True)
class MetadataColumn:
    """A column that the run adds behind those of the source (spec §3.5).

    Attributes:
        name: Such as ``_sling_loaded_at``.
        value: The value that every row of the run has: a ``pyarrow.Scalar``.
    """

    name: str
    value: Any


@dataclass(frozen=True)
class StreamPlan:
    """What one stream will do.

    Attributes:
        stream: The stream's name.
        mode: Its mode.
        query: What is read.
        target: The table that is written.
        columns: Its columns, in order.
        metadata_columns: The columns that the run adds.
        primary_key: The key's columns, by their names in the target.
        update_key: The update key, by its name in the target.
        range: The first and the last value of the update key that are read; ``None`` for all.
        ddl: The statements that define the target.
        ignore_existing: Skip the stream where the target exists.
        estimated_rows: The source's own estimate; ``None`` where it has none.
        notes: What the user should know beforehand.
    """

    stream: str
    mode: Mode
    query: Query
    target: Relation
    columns: Sequence[PlannedColumn]
    metadata_columns: Sequence[MetadataColumn] = ()
    primary_key: Sequence[str] = ()
    update_key: str | None = None
    range: tuple[str, str] | None = None
    ddl: Sequence[str] = ()
    ignore_existing: bool = False
    estimated_rows: int | None = None
    notes: Sequence[str] = ()

    @property
    def source(self) -> str:
        """What is read, for people: a table's name, or the query."""
        return str(self.query.relation) if self.query.relation else str(self.query.sql)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of what is staged, under the target's names."""
        fields = [pa.field(column.name, column.arrow_type) for column in self.columns]
        return pa.schema(
            [*fields, *(pa.field(added.name, added.value.type) for added in self.metadata_columns)]
        )

    def as_data(self) -> dict[str, Any]:
        """The plan as plain data for JSON."""
        return {
            "stream": self.stream,
            "mode": self.mode.value,
            "source": self.source,
            "where": list(self.query.where),
            "limit": self.query.limit,
            "offset": self.query.offset,
            "target": str(self.target),
            "columns": [
                {
                    "name": column.name,
                    "source": column.source.name,
                    "source_type": column.source.native_type,
                    "type": str(column.arrow_type),
                }
                for column in self.columns
            ],
            "metadata_columns": [added.name for added in self.metadata_columns],
            "primary_key": list(self.primary_key),
            "update_key": self.update_key,
            "range": list(self.range) if self.range else None,
            "ddl": list(self.ddl),
            "ignore_existing": self.ignore_existing,
            "estimated_rows": self.estimated_rows,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        source: The source connection's name.
        target: The target connection's name.
        streams: A plan for each concrete stream, in order.
    """

    source: str
    target: str
    streams: Sequence[StreamPlan]

    def as_data(self) -> dict[str, Any]:
        """The plan as plain data for JSON. It holds no secret."""
        return {
            "source": self.source,
            "target": self.target,
            "streams": [stream.as_data() for stream in self.streams],
        }
