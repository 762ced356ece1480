"""How dates and times are written in texts: the layouts that are tried, and the user's own (spec §7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

__all__ = ["ISO", "LAYOUTS", "Layout", "layout_of"]

# The layout of ISO 8601, which Arrow reads by itself.
ISO = "iso"

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_NAME = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_WEEKDAY = r"(?i:mon|tue|wed|thu|fri|sat|sun)"
_TIME = r"\d\d:\d\d:\d\d"


@dataclass(frozen=True)
class Layout:
    """A way to write dates or times.

    Attributes:
        pattern: Matches a whole text that is written so.
        format: What it is for ``strptime``.
        type: What its texts are.
    """

    pattern: str
    format: str
    type: pa.DataType


_STAMP = pa.timestamp("us")
_INSTANT = pa.timestamp("us", "UTC")

# The first that all texts of a column match is the column's. Month comes before day, as in the reference.
LAYOUTS: Sequence[Layout] = (
    Layout(rf"{_MONTH}/{_DAY}/\d{{4}}", "%m/%d/%Y", pa.date32()),
    Layout(rf"{_MONTH}/{_DAY}/\d{{2}}", "%m/%d/%y", pa.date32()),
    Layout(rf"{_MONTH}/{_DAY}/\d{{4}} {_TIME}", "%m/%d/%Y %H:%M:%S", _STAMP),
    Layout(rf"{_MONTH}/{_DAY}/\d{{4}} \d\d:\d\d", "%m/%d/%Y %H:%M", _STAMP),
    Layout(rf"{_MONTH}/{_DAY}/\d{{4}} \d\d?:\d\d:\d\d (?i:am|pm)", "%m/%d/%Y %I:%M:%S %p", _STAMP),
    Layout(rf"\d{{4}}/{_MONTH}/{_DAY} {_TIME}", "%Y/%m/%d %H:%M:%S", _STAMP),
    Layout(rf"{_DAY}-{_NAME}-\d{{2}}", "%d-%b-%y", pa.date32()),
    Layout(rf"{_DAY}-{_NAME}-\d{{2}} {_TIME}", "%d-%b-%y %H:%M:%S", _STAMP),
    Layout(rf"{_DAY}-{_NAME}-\d{{4}}", "%d-%b-%Y", pa.date32()),
    Layout(rf"{_DAY}-{_MONTH}-\d{{4}}", "%d-%m-%Y", pa.date32()),
    Layout(rf"{_DAY}-{_MONTH}-\d{{4}} {_TIME}", "%d-%m-%Y %H:%M:%S", _STAMP),
    Layout(rf"{_DAY} {_NAME} \d{{4}}", "%d %b %Y", pa.date32()),
    Layout(rf"{_WEEKDAY}, {_DAY} {_NAME} \d{{4}} {_TIME} [+-]\d{{4}}", "%a, %d %b %Y %H:%M:%S %z", _INSTANT),
    Layout(rf"{_WEEKDAY}, {_DAY} {_NAME} \d{{4}} {_TIME} GMT", "%a, %d %b %Y %H:%M:%S GMT", _INSTANT),
    Layout(rf"{_WEEKDAY} {_NAME} [ \d]\d {_TIME} \d{{4}}", "%a %b %e %H:%M:%S %Y", _STAMP),
)

_TOKENS: Mapping[str, str] = {
    "YYYY": "%Y",
    "YY": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "DD": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "A": "%p",
    "ZZ": "%z",
}
_TOKEN = re.compile("|".join(sorted(_TOKENS, key=len, reverse=True)))
_TIME_TOKENS = ("%H", "%I", "%M", "%S", "%T", "%R", "%p", "%s", "%X", "%c")


def layout_of(given: str) -> Layout:
    """Read the user's own layout: `strptime` codes, or tokens such as ``YYYY-MM-DD HH:mm:ss``.

    Example:
        >>> layout_of("DD.MM.YYYY").format, layout_of("%d.%m.%y %H:%M").type
        ('%d.%m.%Y', TimestampType(timestamp[us]))
    """
    written = given if "%" in given else _TOKEN.sub(lambda found: _TOKENS[found.group()], given)
    if "%z" in written:
        return Layout("", written, _INSTANT)
    is_time = any(token in written for token in _TIME_TOKENS)
    return Layout("", written, _STAMP if is_time else pa.date32())
