"""Columns that get another type."""

from __future__ import annotations

import re

from mainstem.endpoints.snowflake.carriage import text_of
from mainstem.endpoints.snowflake.types import base_name

__all__ = ["changed", "widens_in_place"]

_NUMBERS = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")


def widens_in_place(has: str, gets: str) -> bool:
    """Whether Snowflake changes a column's type as it stands: more digits before the point, longer texts.

    https://docs.snowflake.com/en/sql-reference/sql/alter-table-column

    Example:
        >>> widens_in_place("NUMBER(10,0)", "NUMBER(19,0)"), widens_in_place("NUMBER(10,0)", "NUMBER(23,4)")
        (True, False)
    """
    if base_name(has) != base_name(gets):
        return False
    if base_name(has) == "VARCHAR":
        return True
    old, new = _NUMBERS.search(has), _NUMBERS.search(gets)
    return base_name(has) == "NUMBER" and old is not None and new is not None and old[2] == new[2]


def changed(column: str, has: str, gets: str) -> str:
    """A column's values as another type: as text with all their digits."""
    if base_name(gets) == "VARCHAR" and base_name(has) != "VARCHAR":
        return text_of(column, has)
    return f"{column}::{gets}"
