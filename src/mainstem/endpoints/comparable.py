"""Values written alike by every system, so that two of them can be compared by what each computes inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Form", "FormKind", "Written", "joined", "row_text"]


class FormKind(Enum):
    """What is written, whatever system it stands in.

    Members:
        BOOLEAN: 0 or 1.
        DECIMAL: All digits, with exactly so many behind the point.
        FLOAT: The 16 hexadecimal digits of its IEEE 754 double, or ``nan``; a negative zero is a zero.
        TEXT: The number of its bytes in UTF-8, a colon, the text.
        BYTES: Hexadecimal digits, in lower case.
        DATE: Days since 1970-01-01.
        TIME: Since midnight, in units of so many digits of a second.
        TIMESTAMP: Since 1970-01-01 in UTC, in units of so many digits of a second.
        UUID: In lower case, with its dashes.
        JSON: As a text. Some systems keep it as it was written, others write it anew.
        INTERVAL: Months, days and microseconds, with bars between.
        LIST: Its items as :attr:`TEXT`, a dash for NULL, with commas between and brackets around.
        OWN: As a text, in the system's own way: the same system writes the same value in the same way.
    """

    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    UUID = "uuid"
    JSON = "json"
    INTERVAL = "interval"
    LIST = "list"
    OWN = "own"


@dataclass(frozen=True)
class Form:
    """How values are written.

    Attributes:
        kind: As what.
        digits: Digits behind the point, where the kind has them.
    """

    kind: FormKind
    digits: int = 0


@dataclass(frozen=True)
class Written:
    """How one system writes a column's values.

    Attributes:
        sql: The expression, whose type is text; NULL where the value is.
        rewritten: Names the way in which the system rewrites what it is given, such as JSON without its
            blanks; ``None`` where values are as they were given.
    """

    sql: str
    rewritten: str | None = None


def row_text(texts: Sequence[str]) -> list[str]:
    """The parts of a row's text: no two rows have the same, unless all their values are.

    Args:
        texts: Expressions of the row's values, each a text in one of the forms.
    """
    return [f"coalesce('=' || {text} || ';', '-')" for text in texts]


def joined(parts: Sequence[str]) -> str:
    """Texts one after the other, as an expression whose depth grows with the logarithm of their number.

    Example:
        >>> joined(["a", "b", "c"])
        '(a || (b || c))'
    """
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({joined(parts[:middle])} || {joined(parts[middle:])})"
