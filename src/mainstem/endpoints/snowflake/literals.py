"""Values as literals of Snowflake's SQL, which compare exactly with a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from mainstem.errors import EndpointError
from mainstem.schema import Column

__all__ = ["literal", "text_literal"]

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?\s*(Z|[+-]\d{2}(?::?\d{2})?)?"
)
_TIME = re.compile(r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?")
_DIGITS = re.compile("(?:[0-9a-fA-F]{2})*")
_TRUTHS = {"true": "TRUE", "t": "TRUE", "1": "TRUE", "false": "FALSE", "f": "FALSE", "0": "FALSE"}
_FLOATS = {"nan": "NaN", "inf": "inf", "infinity": "inf", "-inf": "-inf", "-infinity": "-inf"}


def text_literal(text: str) -> str:
    r"""Render a text as a literal, in which a backslash escapes.

    Example:
        >>> print(text_literal("it's a \\"))
        'it''s a \\'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "''")
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
        >>> moments = Column("at", "TIMESTAMP_TZ(6)", pa.timestamp("us", "UTC"))
        >>> literal("2024-01-01 12:00:00.5+02:00", moments, "MY_SNOWFLAKE")
        "'2024-01-01 10:00:00.5 +0000'::TIMESTAMP_TZ"
    """
    render = next((render for is_so, render in _RENDERED if is_so(column.arrow_type)), text_literal)
    is_text = render is text_literal
    rendered = render(text if is_text else text.strip())
    if rendered is None:
        raise EndpointError(
            f"{where}: {text!r} is no value of the column {column.name} ({column.native_type})."
        )
    return rendered


def _number(given: str) -> str | None:
    """A number without an exponent, which would make it a float."""
    try:
        number = Decimal(given)
    except InvalidOperation:
        return None
    return f"{number:f}" if number.is_finite() else None


def _float(given: str) -> str | None:
    special = _FLOATS.get(given.lower())
    if special is not None:
        return f"'{special}'::FLOAT"
    try:
        number = float(given)
    except ValueError:
        return None
    return f"'{number!r}'::FLOAT"


def _date(given: str) -> str | None:
    moment = _moment(given)
    return f"'{moment[0].date().isoformat()}'::DATE" if moment else None


def _naive(given: str) -> str | None:
    moment = _moment(given)
    return f"'{_shown(*moment)}'::TIMESTAMP_NTZ" if moment else None


def _zoned(given: str) -> str | None:
    moment = _moment(given)
    return f"'{_shown(*moment)} +0000'::TIMESTAMP_TZ" if moment else None


def _shown(moment: datetime, fraction: str) -> str:
    return f"{moment.isoformat(' ', 'seconds')}{'.' if fraction else ''}{fraction}"


def _moment(given: str) -> tuple[datetime, str] | None:
    """A moment of whole seconds, in UTC where an offset is said, and the digits behind them."""
    found = _MOMENT.fullmatch(given)
    if found is None:
        return None
    day, clock, zone = found.groups()
    whole, _, fraction = (clock or "00:00").partition(".")
    try:
        moment = datetime.fromisoformat(f"{day} {whole}")
        return (moment - _offset(zone or "Z")).replace(tzinfo=timezone.utc).replace(tzinfo=None), fraction
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -size if zone.startswith("-") else size


def _time(given: str) -> str | None:
    return f"'{given}'::TIME" if _TIME.fullmatch(given) else None


def _bytes(given: str) -> str | None:
    r"""Bytes as the engine spells them, ``\x`` and digits; anything else is the text's own bytes."""
    digits = given[2:] if given.startswith("\\x") else given.encode().hex()
    return f"TO_BINARY('{digits}', 'HEX')" if _DIGITS.fullmatch(digits) else None


_RENDERED: Sequence[tuple[Callable[[Any], bool], Callable[[str], str | None]]] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), text_literal),
    (pa.types.is_boolean, lambda given: _TRUTHS.get(given.lower())),
    (pa.types.is_integer, _number),
    (pa.types.is_decimal, _number),
    (pa.types.is_floating, _float),
    (pa.types.is_date, _date),
    (pa.types.is_time, _time),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, _zoned),
    (pa.types.is_timestamp, _naive),
    (pa.types.is_binary, _bytes),
)
