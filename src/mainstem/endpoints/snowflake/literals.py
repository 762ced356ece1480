"""Values as literals of Snowflake's SQL, which compare exactly with a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.spelled import exact_number, hex_digits, spelled_moment
from mainstem.errors import EndpointError
from mainstem.schema import Column

__all__ = ["literal", "text_literal"]

_TIME = re.compile(r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?")
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
    moment = _in_utc(given)
    return f"'{moment[:10]}'::DATE" if moment else None


def _naive(given: str) -> str | None:
    moment = _in_utc(given)
    return f"'{moment}'::TIMESTAMP_NTZ" if moment else None


def _zoned(given: str) -> str | None:
    moment = _in_utc(given)
    return f"'{moment} +0000'::TIMESTAMP_TZ" if moment else None


def _in_utc(given: str) -> str | None:
    """A moment in UTC where an offset is said, with all its digits."""
    moment = spelled_moment(given)
    try:
        whole = moment.utc.isoformat(" ", "seconds") if moment else ""
    except OverflowError:
        return None
    return f"{whole}.{moment.fraction}" if moment and moment.fraction else whole or None


def _time(given: str) -> str | None:
    return f"'{given}'::TIME" if _TIME.fullmatch(given) else None


def _bytes(given: str) -> str | None:
    digits = hex_digits(given)
    return None if digits is None else f"TO_BINARY('{digits}', 'HEX')"


_RENDERED: Sequence[tuple[Callable[[Any], bool], Callable[[str], str | None]]] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), text_literal),
    (pa.types.is_boolean, lambda given: _TRUTHS.get(given.lower())),
    (pa.types.is_integer, exact_number),
    (pa.types.is_decimal, exact_number),
    (pa.types.is_floating, _float),
    (pa.types.is_date, _date),
    (pa.types.is_time, _time),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, _zoned),
    (pa.types.is_timestamp, _naive),
    (pa.types.is_binary, _bytes),
)
