"""Definitions of tables: the user's own, and columns that get another type."""

from __future__ import annotations

import re

import sqlglot
from sqlglot.errors import SqlglotError

from mainstem.endpoints.snowflake.carriage import text_of
from mainstem.endpoints.snowflake.types import base_name
from mainstem.errors import EndpointError

__all__ = ["changed", "renamed", "widens_in_place"]

_BEFORE_THE_NAME = frozenset({"IF", "NOT", "EXISTS"})
_NUMBERS = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")
# `create or replace transient table`, and the like.
_WORDS = 6


def renamed(definition: str, name: str) -> str:
    """Have a `create table` make a table of another name.

    Args:
        definition: The statement.
        name: The name, quoted and qualified.

    Raises:
        EndpointError: It is no `create table`.

    Example:
        >>> renamed('create transient table "A".b (c int) cluster by (c)', '"A"."new"')
        'create transient table "A"."new" (c int) cluster by (c)'
    """
    try:
        tokens = sqlglot.tokenize(definition, "snowflake")
    except SqlglotError as error:
        raise EndpointError(
            f"`table_ddl` is no SQL: {str(error).splitlines()[0]}", hint="Mend the statement."
        ) from error
    words = [token.text.upper() for token in tokens]
    if "TABLE" not in words[:_WORDS]:
        raise EndpointError("`table_ddl` is no `create table`.", hint="It begins with `create table`.")
    at = words.index("TABLE") + 1
    while at < len(tokens) and words[at] in _BEFORE_THE_NAME:
        at += 1
    last = at
    while last + 2 < len(tokens) and tokens[last + 1].text == ".":
        last += 2
    return f"{definition[: tokens[at].start]}{name}{definition[tokens[last].end + 1 :]}"


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
