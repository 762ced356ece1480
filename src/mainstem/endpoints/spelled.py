"""Values as people and cursors spell them, read for literals of SQL that compare exactly with a column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

__all__ = ["SpelledMoment", "exact_number", "hex_digits", "spelled_moment"]

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?\s*(Z|[+-]\d{2}(?::?\d{2})?)?"
)
_DIGITS = re.compile("(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True)
class SpelledMoment:
    """A moment, as it is spelled.

    Attributes:
        local: Its day and time, to the second.
        fraction: The digits behind the seconds, none to nine.
        offset: How far the spelled time is ahead of UTC; ``None`` where that is not said.
    """

    local: datetime
    fraction: str = ""
    offset: timedelta | None = None

    @property
    def utc(self) -> datetime:
        """The same in UTC, where an offset is said.

        Raises:
            OverflowError: No calendar goes so far.
        """
        return self.local - (self.offset or timedelta())


def spelled_moment(given: str) -> SpelledMoment | None:
    """Read a day or a moment; ``None`` where it is none.

    Example:
        >>> spelled_moment("2024-01-01 12:00:00.5+02:00").utc.isoformat()
        '2024-01-01T10:00:00'
        >>> spelled_moment("2024-02-30") is None
        True
    """
    found = _MOMENT.fullmatch(given)
    if found is None:
        return None
    day, clock, zone = found.groups()
    whole, _, fraction = (clock or "00:00").partition(".")
    try:
        return SpelledMoment(datetime.fromisoformat(f"{day} {whole}"), fraction, _offset(zone))
    except ValueError:
        return None


def _offset(zone: str | None) -> timedelta | None:
    if zone is None:
        return None
    digits = zone[1:].replace(":", "") or "00"
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -size if zone.startswith("-") else size


def exact_number(given: str) -> str | None:
    """A number without an exponent, which would make it a float; ``None`` where it is none.

    Example:
        >>> exact_number("1e3"), exact_number("nan")
        ('1000', None)
    """
    try:
        number = Decimal(given)
    except InvalidOperation:
        return None
    return f"{number:f}" if number.is_finite() else None


def hex_digits(given: str) -> str | None:
    r"""Bytes as the engine spells them, ``\x`` and digits; anything else is the text's own bytes.

    Example:
        >>> hex_digits(r"\x00ff"), hex_digits("a"), hex_digits(r"\xno")
        ('00ff', '61', None)
    """
    digits = given[2:] if given.startswith("\\x") else given.encode().hex()
    return digits if _DIGITS.fullmatch(digits) else None
