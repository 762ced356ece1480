"""What is compared, and what came of it: data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Comparison", "Difference", "OneOf", "Reconciliation"]


class Comparison(str, Enum):
    """What of two tables is compared.

    Members:
        ROW_COUNT: How many rows there are.
        NULL_COUNTS: How many of them are NULL, for each column.
        MIN_MAX: The least and the greatest value of each column that has an order.
        CHECKSUM: A checksum over all rows, in whatever order they are.
    """

    ROW_COUNT = "row_count"
    NULL_COUNTS = "null_counts"
    MIN_MAX = "min_max"
    CHECKSUM = "checksum"


@dataclass(frozen=True)
class OneOf:
    """Only rows whose column has one of these values.

    Attributes:
        column: The column, by its name in the source.
        values: The values, as text.
    """

    column: str
    values: Sequence[str]


@dataclass(frozen=True)
class Difference:
    """Something that is not the same on both sides.

    Attributes:
        what: Such as ``row_count``, ``null_count``, ``minimum``, ``maximum``, ``checksum`` or ``column``.
        column: The column, by its name in the target; ``None`` for the rows as a whole.
        source: What the source has.
        target: What the target has.
    """

    what: str
    column: str | None
    source: str | None
    target: str | None

    def __str__(self) -> str:
        of = f"{self.what} of {self.column}" if self.column else self.what
        return f"{of}: {_shown(self.source)} in the source, {_shown(self.target)} in the target"


@dataclass(frozen=True)
class Reconciliation:
    """What became of a comparison.

    Attributes:
        stream: The stream's name.
        target: The target's name.
        source_rows: Rows of the source that were compared.
        target_rows: Rows of the target that were compared.
        differences: What is not the same; empty where the two agree.
        compared: The columns whose values are part of the checksum, by their names in the target.
        left_out: For a column whose values cannot be compared, why.
        up_to: Only rows up to this value of the update key were compared; ``None`` for all.
        newer_rows: Rows of the source beyond that value, which no run has brought yet.
    """

    stream: str
    target: str
    source_rows: int
    target_rows: int
    differences: Sequence[Difference]
    compared: Sequence[str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    up_to: str | None = None
    newer_rows: int = 0

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def _shown(value: str | None) -> str:
    return "none" if value is None else value
