"""Texts of table definitions that the server gives, and of those that it gets."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["VARCHAR_ROOM", "redefined", "without_long_varchars"]

# The bytes that the columns of a row share, less some for those that are no varchar.
VARCHAR_ROOM = 60_000
_CHARACTER_BYTES = 4

_TEXT_ATTRIBUTES = re.compile(r"\s+(?:CHARACTER SET|COLLATE)\s+\w+", re.IGNORECASE)
_JSON_CHECK = re.compile(r"\s+CHECK \(json_valid\(`(?:[^`]|``)+`\)\)", re.IGNORECASE)
_VARCHAR = re.compile(r"varchar\((\d+)\)")


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
