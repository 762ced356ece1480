"""Columns' names as names of XML's elements: `_xHHHH_` stands for a character that is none (ISO 9075-14)."""

from __future__ import annotations

import re

__all__ = ["column_name", "element_name"]

_NO_START = re.compile(
    r"[^A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u3001-\ud7ff]"
)
_NO_PART = re.compile(
    r"[^A-Za-z_\-.0-9\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u3001-\ud7ff]"
)
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4,6})_")
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4,6}_)")


def element_name(column: str) -> str:
    """The name of the element that holds a column.

    Example:
        >>> element_name("created at"), element_name("1st"), element_name("name")
        ('created_x0020_at', '_x0031_st', 'name')
    """
    plain = _LOOKS_ESCAPED.sub("_x005F_", column)
    start = _NO_START.sub(_escaped, plain[:1])
    return start + _NO_PART.sub(_escaped, plain[1:]) or "_x0000_"


def column_name(element: str) -> str:
    """The column's name, out of the name of an element or an attribute; the prefix of a namespace is no part.

    Example:
        >>> column_name("created_x0020_at"), column_name("g:price")
        ('created at', 'price')
    """
    plain = element.rpartition(":")[2]
    return "" if plain == "_x0000_" else _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), plain)


def _escaped(found: re.Match[str]) -> str:
    return f"_x{ord(found.group()):04X}_"
