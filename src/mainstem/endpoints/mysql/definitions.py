"""Texts of table definitions: the user's own, and those that the server gives."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlglot
from sqlglot.errors import SqlglotError

from mainstem.errors import EndpointError

__all__ = ["VARCHAR_ROOM", "redefined", "renamed", "without_long_varchars"]

# The bytes that the columns of a row share, less some for those that are no varchar.
VARCHAR_ROOM = 60_000
_CHARACTER_BYTES = 4

_TEXT_ATTRIBUTES = re.compile(r"\s+(?:CHARACTER SET|COLLATE)\s+\w+", re.IGNORECASE)
_JSON_CHECK = re.compile(r"\s+CHECK \(json_valid\(`(?:[^`]|``)+`\)\)", re.IGNORECASE)
_VARCHAR = re.compile(r"varchar\((\d+)\)")
_BEFORE_THE_NAME = frozenset({"IF", "NOT", "EXISTS"})


def renamed(definition: str, name: str) -> str:
    """Have a `create table` make a table of another name.

    Args:
        definition: The statement.
        name: The name, quoted and qualified.

    Raises:
        EndpointError: It is no `create table`.

    Example:
        >>> renamed("create table if not exists `a`.b (c int) engine=InnoDB", "`a`.`new`")
        'create table if not exists `a`.`new` (c int) engine=InnoDB'
    """
    try:
        tokens = sqlglot.tokenize(definition, "mysql")
    except SqlglotError as error:
        raise EndpointError(
            f"`table_ddl` is no SQL: {str(error).splitlines()[0]}", hint="Mend the statement."
        ) from error
    words = [token.text.upper() for token in tokens]
    if "TABLE" not in words[:4]:
        raise EndpointError("`table_ddl` is no `create table`.", hint="It begins with `create table`.")
    at = words.index("TABLE") + 1
    while at < len(tokens) and words[at] in _BEFORE_THE_NAME:
        at += 1
    last = at
    while last + 2 < len(tokens) and tokens[last + 1].text == ".":
        last += 2
    return f"{definition[: tokens[at].start]}{name}{definition[tokens[last].end + 1 :]}"


def redefined(create: str, column: str, has: str, gets: str) -> str:
    r"""A column's definition with another type, and all else as it was.

    Args:
        create: What `SHOW CREATE TABLE` gives.
        column: The column, quoted.
        has: Its type, in the catalogue's words.
        gets: The type that it gets, with its character set.

    Example:
        >>> create = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL DEFAULT 5 COMMENT 'x'\n)"
        >>> redefined(create, "`a`", "int(11)", "bigint")
        "`a` bigint NOT NULL DEFAULT 5 COMMENT 'x'"
    """
    start = create.find(f"\n  {column} ")
    if start < 0:
        return f"{column} {gets}"
    line = create[start + len(f"\n  {column} ") :].partition("\n")[0].rstrip(",")
    attributes = line[len(has) :] if line.lower().startswith(has.lower()) else ""
    attributes, comment, said = attributes.partition(" COMMENT '")
    for other in (_TEXT_ATTRIBUTES, _JSON_CHECK):
        attributes = other.sub("", attributes)
    return f"{column} {gets}{attributes}{comment}{said}"


def without_long_varchars(natives: Sequence[str]) -> list[str]:
    """The types of a table's columns, where its varchars fit into one row; else texts in their place.

    Example:
        >>> without_long_varchars(["varchar(10)", "int"]), without_long_varchars(["varchar(9000)"] * 2)
        (['varchar(10)', 'int'], ['mediumtext', 'mediumtext'])
    """
    sizes = [int(found.group(1)) for native in natives if (found := _VARCHAR.fullmatch(native))]
    if sum(sizes) * _CHARACTER_BYTES <= VARCHAR_ROOM:
        return list(natives)
    return ["mediumtext" if _VARCHAR.fullmatch(native) else native for native in natives]
