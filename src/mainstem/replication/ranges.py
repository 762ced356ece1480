"""The ranges and chunk sizes of `source_options` (spec §1.9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mainstem.errors import Position, ReplicationError
from mainstem.replication.scanner import Scanner, complaint, named

__all__ = ["ChunkSize", "ChunkUnit", "Range", "parse_chunk_size", "parse_range"]

# The largest key of a bigint column.
_LARGEST = 2**63 - 1
_DIGITS = frozenset("0123456789")


@dataclass(frozen=True)
class Range:
    """A part of a stream, by its update key. Both ends belong to it.

    Attributes:
        start: The first value, as it was written.
        end: The last value, as it was written.
    """

    start: str
    end: str

    def __str__(self) -> str:
        return f"{self.start},{self.end}"


class ChunkUnit(str, Enum):
    """What a chunk's size is counted in, where the update key is a time."""

    HOURS = "h"
    DAYS = "d"
    WEEKS = "w"
    MONTHS = "m"
    YEARS = "y"


@dataclass(frozen=True)
class ChunkSize:
    """How much of the update key's range one chunk covers.

    Attributes:
        amount: How much; at least 1.
        unit: Of what. ``None`` where the update key is a number.
    """

    amount: int
    unit: ChunkUnit | None = None

    def __str__(self) -> str:
        return f"{self.amount}{self.unit.value if self.unit else ''}"


def parse_range(text: str, position: Position) -> Range:
    """Read a range.

    Args:
        text: Two values with a comma between, such as ``2024-01-01,2024-01-31``.
        position: Where it stands.

    Raises:
        ReplicationError: It has not exactly two parts, or one of them is empty.

    Example:
        >>> parse_range("2024-01-01, 2024-01-31", Position("a.yaml"))
        Range(start='2024-01-01', end='2024-01-31')
    """
    parts = text.split(",")
    if len(parts) != 2:  # noqa: PLR2004 - a start and an end
        at = len(text) if len(parts) == 1 else len(parts[0]) + 1 + len(parts[1])
        raise _no_range(f"this has {len(parts)}.", text, at, position)
    start, end = (part.strip() for part in parts)
    if not start or not end:
        at = len(text) if start else 0
        raise _no_range(f"the {'end' if start else 'start'} is missing.", text, at, position)
    return Range(start, end)


def parse_chunk_size(given: str | int, position: Position) -> ChunkSize:
    """Read a chunk size.

    Args:
        given: A whole number, alone or with a unit: ``12h``, ``7d``, ``1w``, ``1m`` (a month), ``1y``.
        position: Where it stands.

    Raises:
        ReplicationError: It is nothing of that kind, or zero.

    Example:
        >>> parse_chunk_size("7d", Position("a.yaml")).unit.name
        'DAYS'
    """
    # `str` of an unbounded int can be refused by Python.
    if isinstance(given, int) and not -_LARGEST <= given <= _LARGEST:
        raise ReplicationError("`chunk_size`: the number is too large.", position=position)
    scanner = Scanner(str(given), position, subject="`chunk_size`")
    scanner.skip_space()
    start = scanner.at
    while scanner.peek() in _DIGITS:
        scanner.at += 1
    digits = scanner.text[start : scanner.at]
    if not digits:
        scanner.fail("a whole number is missing.", hint="For example 7d, or 100000.")
    if len(digits) > len(str(_LARGEST)) or int(digits) > _LARGEST:
        scanner.fail("the number is too large.", at=start)
    if int(digits) == 0:
        scanner.fail("a chunk cannot be empty.", at=start)
    return ChunkSize(int(digits), _unit(scanner))


def _unit(scanner: Scanner) -> ChunkUnit | None:
    at = scanner.at
    unit = scanner.text[at:].strip()
    if not unit:
        return None
    if unit not in [known.value for known in ChunkUnit]:
        known = ", ".join(f"{each.value} ({each.name.lower()})" for each in ChunkUnit)
        scanner.fail(f"{named(unit)} is no unit.", at=at, hint=f"The units are {known}.")
    return ChunkUnit(unit)


def _no_range(problem: str, text: str, at: int, position: Position) -> ReplicationError:
    return complaint(
        f"must specify range as two values, `start,end`: {problem}",
        text=text,
        at=at,
        position=position,
        hint="For example 2024-01-01,2024-01-31.",
    )
