"""Relations, columns and what a stream left behind: the words that all layers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

__all__ = ["Column", "Relation"]


@dataclass(frozen=True)
class Relation:
    """The name of a table or view inside one system, unquoted.

    Attributes:
        schema: The schema, or ``None`` for the system's default one.
        name: The table's own name.
        database: The database, where the system's names have three parts; ``None`` for the connection's own.

    Example:
        >>> str(Relation("data", "orders"))
        'data.orders'
    """

    schema: str | None
    name: str
    database: str | None = None

    def __str__(self) -> str:
        return ".".join(part for part in (self.database, self.schema, self.name) if part)


@dataclass(frozen=True)
class Column:
    """One column, as a system describes it and as Arrow carries it.

    Attributes:
        name: The column's name, unquoted.
        native_type: The type in the words of the system that has it, such as ``numeric(12,2)``.
        arrow_type: The Arrow type in which its values travel.
        nullable: Whether NULL may occur.
        comment: The column's comment in the database, if it has one.
        notes: What a reader of the report should know of this column's type, such as a fallback to text.
        as_text: Have the system render the values as text, in its own way.
    """

    name: str
    native_type: str
    arrow_type: pa.DataType
    nullable: bool = True
    comment: str | None = None
    notes: Sequence[str] = field(default=())
    as_text: bool = False
