"""How values of SQLite are written so that other systems write them alike, and summed up.

SQLite has no type but the ones of its values, and few functions: ours, which run inside it, do the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mainstem.endpoints.comparable import Form, FormKind, Written, joined, row_text
from mainstem.endpoints.sqlite.decoding import NEGATIVE_ZERO, NOT_A_NUMBER
from mainstem.endpoints.sqlite.types import affinity
from mainstem.schema import Column

__all__ = ["checksum", "register", "written"]

_CHECKSUM = "mainstem_checksum"
_DECIMAL = "mainstem_decimal"
_FLOAT = "mainstem_float"
_TEXT = "mainstem_text"
_COUNTED = "mainstem_counted"
_INTERVAL = "mainstem_interval"
_LIST = "mainstem_list"

_MOMENT = re.compile(
    r"(?:(\d{4})-(\d\d)-(\d\d)(?:[T ]|$))?"
    r"(?:(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?"
    r"(Z|[+-]\d\d(?::?\d\d)?)?"
)
_DURATION = re.compile(r"P(-?\d+)M(-?\d+)DT(-?)(\d+)(?:\.(\d{1,9}))?S")
_MICRO_DIGITS = 6
_EPOCH = date(1970, 1, 1).toordinal()
# The year 0, which Python's calendar has not, ends where the year 1 begins.
_YEAR_ZERO_DAYS = 366


def written(value: str, column: Column, form: Form) -> Written | None:
    """Write a value of a column in a form; ``None`` where there is no way."""
    write = _WRITERS.get(form.kind)
    return None if write is None else Written(write(f"({value})", column, form))


def checksum(texts: Sequence[str]) -> str:
    """The sum over all rows of 60 bits of each row's MD5, as text: in whatever order they come."""
    return f"{_CHECKSUM}(CAST({joined(row_text(texts))} AS BLOB))"


def register(connection: sqlite3.Connection) -> None:
    """Teach a connection the functions that write values."""
    for name, arguments, function in (
        (_DECIMAL, 2, _spelled_decimal),
        (_FLOAT, 1, _spelled_float),
        (_TEXT, 1, _spelled_text),
        (_COUNTED, 2, _counted),
        (_INTERVAL, 1, _spelled_interval),
        (_LIST, 1, _spelled_list),
    ):
        connection.create_function(name, arguments, function, deterministic=True)
    aggregate: Any = _Checksum
    connection.create_aggregate(_CHECKSUM, 1, aggregate)


class _Checksum:
    def __init__(self) -> None:
        self._sum = 0

    def step(self, row: bytes) -> None:
        self._sum += int(hashlib.md5(row, usedforsecurity=False).hexdigest()[:15], 16)

    def finalize(self) -> str:
        return str(self._sum)


def _spelled_decimal(value: Any, digits: int) -> str | None:
    if value is None:
        return None
    number = Decimal(str(value))
    return f"{number if number else number.copy_abs():.{digits}f}"


def _spelled_float(value: Any) -> str | None:
    if value is None or value == NOT_A_NUMBER:
        return None if value is None else "nan"
    return struct.pack(">d", 0.0 if value == NEGATIVE_ZERO else float(value) + 0.0).hex()


def _spelled_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _counted(value: Any, digits: int) -> str | None:
    """Units since 1970 of a date or a moment, or since midnight of a time."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        # What is none of these equals nothing that another system writes.
        return None if value is None else f"?{value}"
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    seconds = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    if year is not None:
        seconds += _days(int(year), int(month), int(day)) * 86_400
    seconds -= _offset(zone)
    return str(seconds * 10**digits + int((fraction or "").ljust(digits, "0")[:digits] or 0))


def _days(year: int, month: int, day: int) -> int:
    if year == 0:
        return date(4, month, day).timetuple().tm_yday - _YEAR_ZERO_DAYS - _EPOCH
    return date(year, month, day).toordinal() - _EPOCH


def _offset(zone: str | None) -> int:
    if not zone or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if zone[0] == "-" else seconds


def _spelled_interval(value: Any) -> str | None:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None if value is None else f"?{value}"
    months, days, sign, seconds, fraction = found.groups()
    micros = int(seconds) * 1_000_000 + int((fraction or "").ljust(_MICRO_DIGITS, "0")[:_MICRO_DIGITS])
    return f"{int(months)}|{int(days)}|{'-' if sign and micros else ''}{micros}"


def _spelled_list(value: Any) -> str | None:
    if value is None:
        return None
    items = json.loads(value)
    return f"[{','.join(_spelled_item(item) for item in items)}]"


def _spelled_item(item: Any) -> str:
    if item is None:
        return "-"
    text = str(item).lower() if isinstance(item, bool) else str(item)
    return f"{len(text.encode())}:{text}"


def _decimal(value: str, column: Column, form: Form) -> str:
    whole = pa.types.is_integer(column.arrow_type) or pa.types.is_boolean(column.arrow_type)
    return f"CAST({value} AS TEXT)" if whole and not form.digits else f"{_DECIMAL}({value}, {form.digits})"


def _text(value: str, column: Column, _: Form) -> str:
    # Numbers in a column without a type are spelled as they are where they are carried.
    text = value if affinity(column.native_type) == "TEXT" else _spelled(value)
    return f"(length(CAST({text} AS BLOB)) || ':' || {text})"


def _spelled(value: str) -> str:
    return f"CASE typeof({value}) WHEN 'blob' THEN '\\x' || lower(hex({value})) ELSE {_TEXT}({value}) END"


def _own(value: str, _: Column, __: Form) -> str:
    text = f"({_spelled(value)})"
    return f"(length(CAST({text} AS BLOB)) || ':' || {text})"


_WRITERS: Mapping[FormKind, Callable[[str, Column, Form], str]] = {
    FormKind.BOOLEAN: lambda value, _, __: f"CAST({value} AS TEXT)",
    FormKind.DECIMAL: _decimal,
    FormKind.FLOAT: lambda value, _, __: f"{_FLOAT}({value})",
    FormKind.TEXT: _text,
    # Of NULL it makes an empty text.
    FormKind.BYTES: lambda value, _, __: f"CASE WHEN {value} IS NOT NULL THEN lower(hex({value})) END",
    FormKind.DATE: lambda value, _, __: f"CAST({_COUNTED}({value}, 0) / 86400 AS TEXT)",
    FormKind.TIME: lambda value, _, form: f"{_COUNTED}({value}, {form.digits})",
    FormKind.TIMESTAMP: lambda value, _, form: f"{_COUNTED}({value}, {form.digits})",
    FormKind.UUID: lambda value, _, __: f"lower({value})",
    FormKind.JSON: _own,
    FormKind.INTERVAL: lambda value, _, __: f"{_INTERVAL}({value})",
    FormKind.LIST: lambda value, _, __: f"{_LIST}({value})",
    FormKind.OWN: _own,
}
