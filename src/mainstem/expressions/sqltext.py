"""SQL with its type: what each part of an expression is compiled to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Typed", "as_text", "family", "literal", "shown_type"]

_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|U?HUGEINT|DECIMAL.*|DOUBLE|FLOAT|.*_LITERAL)")
_TIMES = re.compile(r"(DATE|TIME.*|TIMESTAMP.*)")
_FAMILIES = {
    "VARCHAR": "text",
    "BOOLEAN": "bool",
    "JSON": "json",
    "BLOB": "bytes",
    "UUID": "uuid",
    '"NULL"': "null",
}
_WORDS = {"null": "NULL", "number": "a number", "text": "a text", "bool": "a truth value", "time": "a time",
          "list": "a list", "json": "JSON", "bytes": "bytes", "uuid": "a UUID"}  # fmt: skip


@dataclass(frozen=True)
class Typed:
    """SQL, and its type in DuckDB's words."""

    sql: str
    type: str

    @property
    def family(self) -> str:
        """The kind of its type."""
        return family(self.type)


def family(kind: str) -> str:
    """The kind of a DuckDB type: ``text``, ``number``, ``bool``, ``time``, ``list``, ``json`` and others."""
    if kind.endswith("]"):
        return "list"
    if kind in _FAMILIES:
        return _FAMILIES[kind]
    if _NUMBERS.fullmatch(kind):
        return "number"
    if _TIMES.fullmatch(kind):
        return "time"
    return kind.partition("(")[0].lower()


def literal(value: object) -> str:
    """A Python value as SQL.

    Example:
        >>> literal("it's"), literal(None), literal(2)
        ("'it''s'", 'NULL', '2')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(value, int | Decimal):
        return f"({value})" if value < 0 else str(value)
    text = str(value).replace("'", "''")
    # A NUL would end the statement.
    return "'" + text.replace("\0", "' || chr(0) || '") + "'"


def as_text(typed: Typed) -> str:
    """A value's SQL, as text; bytes stay what they are."""
    if typed.family == "json":
        return f"json_extract_string({typed.sql}, '$')"
    return typed.sql if typed.family in ("text", "bytes") else f"CAST({typed.sql} AS VARCHAR)"


def shown_type(typed: Typed) -> str:
    """What a value is, in an error's words."""
    return _WORDS.get(typed.family, typed.type)
