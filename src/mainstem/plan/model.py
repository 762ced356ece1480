"""The plan itself: data, to be run, printed and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from mainstem.endpoints import ChangeType, Query, SourceTable, Step, TableKey
from mainstem.expressions import Program
from mainstem.replication import Mode
from mainstem.replication.columns import Constraint
from mainstem.schema import Column, Relation
from mainstem.types import type_name

__all__ = [
    "ConstraintPlan",
    "Cursor",
    "MetadataColumn",
    "MissingPlan",
    "Plan",
    "PlannedColumn",
    "StreamPlan",
    "Transforming",
    "constant",
]


@dataclass(frozen=True)
class PlannedColumn:
    """A column on its way.

    Attributes:
        source: The column as the source has it.
        name: Its name in the target.
        arrow_type: The type that its values get: the source's, or the one that `columns` declares.
        staged_type: The type in which it is staged: that of the target's column where there is one already.
            Values that it cannot hold exactly fail the stream. ``None``: the same as ``arrow_type``.
        description: What `columns` says of it, else the source's comment.
        length: At most so many characters, where `columns` says so.
        nullable: Whether the target allows NULL.
        decimals: Round to so many digits behind the point (`max_decimals`).
        empty_as_null: An empty text becomes NULL.
        selected: The name that `select` gives it.
        sources: The columns of the source that it is made of; ``None``: ``source`` alone.
        transform: The expressions that make it, as they were written; ``None`` where none do.
        constraint: What its values have to satisfy; ``None`` for nothing.
    """

    source: Column
    name: str
    arrow_type: pa.DataType
    staged_type: pa.DataType | None = None
    description: str | None = None
    length: int | None = None
    nullable: bool = True
    decimals: int | None = None
    empty_as_null: bool = False
    selected: str = ""
    sources: Sequence[str] | None = None
    transform: str | None = None
    constraint: Constraint | None = None

    @property
    def is_verbatim(self) -> bool:
        """Whether its values are staged as they are read."""
        is_kept = self.field.type == self.arrow_type == self.source.arrow_type
        return is_kept and self.decimals is None and not self.empty_as_null

    def made_as_data(self) -> dict[str, Any]:
        """How it is made and what it has to satisfy, as plain data; nothing where there is nothing to say."""
        found: dict[str, Any] = {}
        if self.transform is not None:
            found = {"transform": self.transform, "sources": list(self.sources or ())}
        if self.constraint is not None:
            found["constraint"] = self.constraint.text
        return found

    @property
    def field(self) -> pa.Field[Any]:
        """The column as it is staged."""
        metadata = {"length": str(self.length)} if self.length else None
        return pa.field(self.name, self.staged_type or self.arrow_type, self.nullable, metadata)


@dataclass(frozen=True)
class MetadataColumn:
    """A column that the run adds behind those of the source (spec §3.5).

    Attributes:
        name: Such as ``_sling_loaded_at``.
        arrow_type: Its type.
        fill: Makes the values of so many rows.
        role: Which of the reference's columns it is, whatever it is called: ``loaded_at``, ``exec_id``,
            ``synced_at``, ``synced_op``, ``deleted_at`` or ``row_id``.
    """

    name: str
    arrow_type: pa.DataType
    fill: Callable[[int], pa.Array[Any]] = field(compare=False, repr=False)
    role: str

    @property
    def field(self) -> pa.Field[Any]:
        """The column as it is staged."""
        return pa.field(self.name, self.arrow_type)


def constant(name: str, value: Any, kind: pa.DataType, role: str) -> MetadataColumn:
    """A metadata column that has the same value in all rows."""
    scalar: Any = pa.scalar(value, kind)
    repeat: Any = pa.repeat
    return MetadataColumn(name, kind, lambda rows: repeat(scalar, rows), role)


@dataclass(frozen=True)
class Cursor:
    """Where an incremental stream goes on.

    Attributes:
        value: The update key's greatest value so far, as text.
        inclusive: Rows that have this very value are read again.
        origin: Where it was found: ``target`` or ``state``.
    """

    value: str
    inclusive: bool
    origin: str


@dataclass(frozen=True)
class MissingPlan:
    """What becomes of rows that the source does not have any more (`delete_missing`, spec §3.6).

    Attributes:
        soft: They are marked, not deleted.
        query: Reads the keys that the source has.
        where: Only rows of the target for which this holds, in its SQL.
    """

    soft: bool
    query: Query
    where: str | None = None


class Transforming(Protocol):
    """What is computed of each batch."""

    def applied(self, batch: pa.RecordBatch, columns: Sequence[PlannedColumn]) -> pa.RecordBatch:
        """Compute the wanted columns of what is read."""


@dataclass(frozen=True)
class ConstraintPlan:
    """What each staged row has to satisfy.

    Attributes:
        program: Computes a truth value for each constraint; NULL is no failure.
        checks: The constraints, in order, each with the column's name in the target.
    """

    program: Program
    checks: Sequence[tuple[str, Constraint]]


@dataclass(frozen=True)
class StreamPlan:
    """What one stream will do.

    Attributes:
        stream: The stream's name.
        mode: Its mode.
        query: What is read.
        parts: Queries that together read the same rows, each once; none where they are read in one.
        target: The table that is written.
        columns: Its columns, in order.
        metadata_columns: The columns that the run adds.
        primary_key: The key's columns, by their names in the target.
        update_key: The update key, by its name in the target.
        range: The first and the last value of the update key that are read; ``None`` for all.
        cursor: Where it goes on; ``None`` where it reads everything.
        merge_strategy: How rows with a key are merged; ``None`` where none are.
        existing: The target as it is, where the mode keeps it; ``None`` where it is made anew.
        changes: What the target's definition needs before the rows fit.
        keys: The keys that the table gets when it is made.
        missing: What becomes of rows that the source lost; ``None``: they stay.
        definition: The user's own statement that makes the table (`table_ddl`).
        staging: The user's own name for the staging table (`table_tmp`).
        batch_limit: At most so many rows are written at once.
        pre_sql: Statements to run at the target before the publish.
        post_sql: Statements to run at the target after it.
        ddl: The statements that define the target.
        ignore_existing: Skip the stream where the target exists.
        estimated_rows: The source's own estimate; ``None`` where it has none.
        notes: What the user should know beforehand.
        transforms: What is computed of each batch; ``None`` where nothing is.
        constraints: What each staged row has to satisfy; ``None`` for nothing.
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
    cursor: Cursor | None = None
    merge_strategy: str | None = None
    existing: SourceTable | None = None
    changes: Sequence[Step] = ()
    keys: Sequence[TableKey] = ()
    missing: MissingPlan | None = None
    definition: str | None = None
    staging: Relation | None = None
    batch_limit: int | None = None
    parts: Sequence[Query] = ()
    pre_sql: str | None = None
    post_sql: str | None = None
    ddl: Sequence[str] = ()
    ignore_existing: bool = False
    estimated_rows: int | None = None
    notes: Sequence[str] = ()
    transforms: Transforming | None = None
    constraints: ConstraintPlan | None = None

    @property
    def source(self) -> str:
        """What is read, for people: a table's name, or the query."""
        return str(self.query.relation) if self.query.relation else str(self.query.sql)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of what is staged, under the target's names."""
        planned: Sequence[PlannedColumn | MetadataColumn] = [*self.columns, *self.metadata_columns]
        return pa.schema([column.field for column in planned])

    @property
    def is_verbatim(self) -> bool:
        """Whether the rows are staged as they are read: nothing needs to look at a value."""
        looks = self.transforms or self.constraints or self.metadata_columns or self.batch_limit
        return not looks and all(column.is_verbatim for column in self.columns)

    @property
    def natives(self) -> Mapping[str, str]:
        """The types of the target's columns, in its own words, where they stay what they are."""
        changed = {step.column.name for step in self.changes if isinstance(step, ChangeType)}
        known = self.existing.columns if self.existing else ()
        return {column.name: column.native_type for column in known if column.name not in changed}

    def metadata(self, role: str) -> MetadataColumn | None:
        """The metadata column of a role, if the stream has it."""
        return next((column for column in self.metadata_columns if column.role == role), None)

    def as_data(self) -> dict[str, Any]:
        """The plan as plain data for JSON."""
        return {
            "stream": self.stream,
            "mode": self.mode.value,
            "source": self.source,
            "where": list(self.query.where),
            "limit": self.query.limit,
            "offset": self.query.offset,
            "parts": len(self.parts) or 1,
            "target": str(self.target),
            "exists": self.existing is not None,
            "columns": [
                {
                    "name": column.name,
                    "source": column.source.name,
                    "source_type": column.source.native_type,
                    "type": type_name(column.field.type),
                    **column.made_as_data(),
                }
                for column in self.columns
            ],
            "metadata_columns": [added.name for added in self.metadata_columns],
            "primary_key": list(self.primary_key),
            "update_key": self.update_key,
            "range": list(self.range) if self.range else None,
            "cursor": self.cursor.value if self.cursor else None,
            "merge_strategy": self.merge_strategy,
            "delete_missing": ("soft" if self.missing.soft else "hard") if self.missing else None,
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
