"""The user's own definition of a table, which makes a staging table first (`table_ddl`)."""

from __future__ import annotations

import sqlglot
from sqlglot.errors import SqlglotError

from mainstem.errors import EndpointError

__all__ = ["renamed"]

_BEFORE_THE_NAME = frozenset({"IF", "NOT", "EXISTS"})
# `create or replace transient table`, and the like.
_WORDS = 6


def renamed(definition: str, name: str, dialect: str) -> str:
    """Have a `create table` make a table of another name.

    Args:
        definition: The statement.
        name: The name, quoted and qualified.
        dialect: Whose SQL it is, by sqlglot's name.

    Raises:
        EndpointError: It is no `create table`.

    Example:
        >>> renamed("create table if not exists `a`.b (c int) engine=InnoDB", "`a`.`new`", "mysql")
        'create table if not exists `a`.`new` (c int) engine=InnoDB'
    """
    try:
        tokens = sqlglot.tokenize(definition, dialect)
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
    if at == len(tokens):
        raise EndpointError("`table_ddl` names no table.", hint="It begins with `create table NAME (`.")
    last = at
    while last + 2 < len(tokens) and tokens[last + 1].text == ".":
        last += 2
    return f"{definition[: tokens[at].start]}{name}{definition[tokens[last].end + 1 :]}"
