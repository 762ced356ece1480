"""Values as literals of MySQL's SQL, which compare exactly with a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.mysql.types import base_name
from mainstem.endpoints.spelled import exact_number, hex_digits, spelled_moment
from mainstem.errors import EndpointError
from mainstem.schema import Column

__all__ = ["literal", "text_literal"]

_TIME = re.compile(r"-?\d{1,3}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")
_SECONDS_DIGITS = 6
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
        return exact_number(given)
    kind = column.arrow_type
    found = next((render for is_so, render in _RENDERED if is_so(kind)), None)
    if found is not None:
        return found(given)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moment(given, utc=pa.types.is_timestamp(kind) and kind.tz is not None)
    return text_literal(text)


def _float(given: str) -> str | None:
    try:
        number = float(given)
    except ValueError:
        return None
    mantissa, _, exponent = repr(number).partition("e")
    return f"{mantissa}e{exponent or 0}" if number - number == 0 else None


def _moment(given: str, *, utc: bool) -> str | None:
    moment = spelled_moment(given)
    if moment is None or len(moment.fraction) > _SECONDS_DIGITS:
        return None
    try:
        shown = (moment.utc if utc else moment.local).isoformat(" ", "seconds")
    except OverflowError:
        return None
    return f"timestamp'{shown}.{moment.fraction:0<{_SECONDS_DIGITS}}'"


def _time(given: str) -> str | None:
    return f"time'{given}'" if _TIME.fullmatch(given) else None


def _bytes(given: str) -> str | None:
    digits = hex_digits(given)
    return None if digits is None else f"x'{digits}'"


_RENDERED: Sequence[tuple[Callable[[Any], bool], Callable[[str], str | None]]] = (
    (pa.types.is_boolean, lambda given: _TRUTHS.get(given.lower())),
    (pa.types.is_integer, exact_number),
    (pa.types.is_decimal, exact_number),
    (pa.types.is_floating, _float),
    (pa.types.is_time, _time),
    (pa.types.is_binary, _bytes),
)
