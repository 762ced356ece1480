"""What one stream did, in the same shape whichever tool ran it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ReportedColumn", "ReportedConstraint", "StreamReport"]


@dataclass(frozen=True)
class ReportedColumn:
    """A column of the table that the stream wrote.

    Attributes:
        name: The column's name in the target.
        type: Its type in the target's own words.
        nullable: Whether the target allows NULL.
        description: Its comment, if it has one.
        sources: The columns of the source that it is made of. ``None`` where this is not known.
    """

    name: str
    type: str
    nullable: bool = True
    description: str | None = None
    sources: Sequence[str] | None = None


@dataclass(frozen=True)
class ReportedConstraint:
    """What became of a constraint on a column.

    Attributes:
        column: The column's name in the target.
        declared: The name under which the document has the constraint; ``*`` for every column.
        text: The constraint.
        failures: So many values broke it.
        policy: What became of their rows: ``warn``: they were written; ``skip``: they were kept apart;
            ``abort``: the stream failed.
        samples: The first of these values, as text; ``None`` is NULL.
        quarantine: The table that the rows were put into; ``None`` where none was.
    """

    column: str
    declared: str
    text: str
    failures: int
    policy: str
    samples: Sequence[str | None] = ()
    quarantine: str | None = None


@dataclass(frozen=True)
class StreamReport:
    """What one stream, resource or model did.

    Attributes:
        stream: Its name in its tool: the Sling stream, the dlt resource, the dbt model.
        tool: ``sling``, ``dlt`` or ``dbt``: a label for people, nothing branches on it.
        target: The table that was written, such as ``main.data_orders``. ``None`` where there is none.
        storage: The kind of system that holds it, such as ``duckdb``.
        rows: Rows written by this run. ``None`` where the tool does not say.
        row_count: Rows in the table after the run. ``None`` where nobody counted.
        bytes: Bytes that travelled, as Arrow buffers. ``None`` where the tool does not say.
        seconds: The stream's own elapsed time.
        columns: The table's columns after the run. Empty where they are not known.
        notes: What the user should know: a type that fell back to text, a source that was empty.
        constraints: The constraints that its rows were checked for.
        extra: What only this tool knows, by metadata key: values that Dagster accepts as metadata.
    """

    stream: str
    tool: str
    target: str | None = None
    storage: str | None = None
    rows: int | None = None
    row_count: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    columns: Sequence[ReportedColumn] = ()
    notes: Sequence[str] = ()
    constraints: Sequence[ReportedConstraint] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
