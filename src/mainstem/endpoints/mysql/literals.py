"""Values as literals of MySQL's SQL, which compare exactly with a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from mainstem.endpoints.mysql.types import base_name
from mainstem.errors import EndpointError
from mainstem.schema import Column

__all__ = ["literal", "text_literal"]

_DATE = r"\d{4}-\d{2}-\d{2}"
_MOMENT = re.compile(
    rf"({_DATE})(?:[ T](\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,6}})?)?))?\s*(Z|[+-]\d{{2}}(?::?\d{{2}})?)?"
)
_TIME = re.compile(r"-?\d{1,3}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")
_DIGITS = re.compile("(?:[0-9a-fA-F]{2})*")
_TRUTHS = {"true": "1", "t": "1", "1": "1", "false": "0", "f": "0", "0": "0"}


def text_literal(text: str) -> str:
    r"""Render a text as a literal, in a session that takes backslashes for escapes.

    Example:
        >>> print(text_literal("it's a \\"))
        'it''s a \\'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0")
    return f"'{escaped}'"


def literal(text: str, column: Column, where: str) -> str:
    """Render a text as a literal that compares exactly with a column.

    Args:
        text: Such as ``2024-01-01`` or ``42``; never trusted.
        column: The column that it will be compared to.
        where: The connection's name, for the message.

    Raises:
        EndpointError: It is no value of the column's type.

    Example:
        >>> moments = Column("at", "timestamp(6)", pa.timestamp("us", "UTC"))
        >>> literal("2024-01-01 12:00:00.5+02:00", moments, "MY_MYSQL")
        "timestamp'2024-01-01 10:00:00.500000'"
    """
    rendered = _rendered(text.strip(), text, column)
    if rendered is None:
        raise EndpointError(
            f"{where}: {text!r} is no value of the column {column.name} ({column.native_type})."
        )
    return rendered


def _rendered(given: str, text: str, column: Column) -> str | None:
    if base_name(column.native_type).startswith("decimal"):
        return _number(given)
    kind = column.arrow_type
    found = next((render for is_so, render in _RENDERED if is_so(kind)), None)
    if found is not None:
        return found(given)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moment(given, utc=pa.types.is_timestamp(kind) and kind.tz is not None)
    return text_literal(text)


def _number(given: str) -> str | None:
    """A number without an exponent, which would make it a double."""
    try:
        number = Decimal(given)
    except InvalidOperation:
        return None
    return f"{number:f}" if number.is_finite() else None


def _float(given: str) -> str | None:
    try:
        number = float(given)
    except ValueError:
        return None
    mantissa, _, exponent = repr(number).partition("e")
    return f"{mantissa}e{exponent or 0}" if number - number == 0 else None


def _moment(given: str, *, utc: bool) -> str | None:
    found = _MOMENT.fullmatch(given)
    if found is None:
        return None
    day, clock, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day} {_padded(clock or '00:00')}")
        if zone and utc:
            shift = (
                zone.replace("Z", "+00:00")
                if ":" in zone or zone == "Z"
                else f"{zone[:3]}:{zone[3:] or '00'}"
            )
            moment = datetime.fromisoformat(f"{moment.isoformat()}{shift}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return f"timestamp'{moment.replace(tzinfo=None).isoformat(' ', 'microseconds')}'"


def _shift(zone: str) -> str:
    """A zone's offset with hours and minutes."""
    digits = zone[1:].replace(":", "") or "0000"
    return f"{zone[0].replace('Z', '+')}{digits[:2]}:{digits[2:] or '00'}"


def _padded(clock: str) -> str:
    """A time of day with all six digits, which older Pythons want."""
    whole, _, fraction = clock.partition(".")
    return f"{whole}.{fraction:0<6}" if fraction else whole


def _time(given: str) -> str | None:
    return f"time'{given}'" if _TIME.fullmatch(given) else None


def _bytes(given: str) -> str | None:
    r"""Bytes as the engine spells them, ``\x`` and digits; anything else is the text's own bytes."""
    digits = given[2:] if given.startswith("\\x") else given.encode().hex()
    return f"x'{digits}'" if _DIGITS.fullmatch(digits) else None


_RENDERED: Sequence[tuple[Callable[[Any], bool], Callable[[str], str | None]]] = (
    (pa.types.is_boolean, lambda given: _TRUTHS.get(given.lower())),
    (pa.types.is_integer, _number),
    (pa.types.is_decimal, _number),
    (pa.types.is_floating, _float),
    (pa.types.is_time, _time),
    (pa.types.is_binary, _bytes),
)
