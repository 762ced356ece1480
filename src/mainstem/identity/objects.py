"""The keys of files, folders and patterns in a store, and which of them may be one and the same file."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["may_meet", "normal_key"]

# What is another value for each row or run: any.
_VARIABLE = re.compile(r"\{[^{}/]*\}")
_WILD = re.compile(r"[*?]")
# Any folders, and what is in them.
_DEEP = "**"


def normal_key(key: str) -> str:
    """Return a key in the one spelling that it has here.

    A name without an extension is a folder's, and a folder is all that is below it.

    Example:
        >>> normal_key("raw//orders/"), normal_key("raw/orders"), normal_key("out/{part_year}/*.csv")
        ('raw/orders/**', 'raw/orders/**', 'out/*/*.csv')
    """
    plain = _VARIABLE.sub("*", key)
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if plain.endswith("/") or not parts or not (_WILD.search(parts[-1]) or "." in parts[-1].strip(".")):
        parts.append(_DEEP)
    return ("/" if plain.startswith("/") else "") + "/".join(parts)


def may_meet(one: str, other: str) -> bool:
    """Whether one file may be behind both of two keys.

    Args:
        one: A key as `normal_key` gives it: a file's, a folder's, or a pattern.
        other: Another.

    Example:
        >>> may_meet("raw/**", "raw/orders/*.csv"), may_meet("raw/*.csv", "raw/orders/1.csv")
        (True, False)
        >>> may_meet("raw/*.csv", "raw/*.parquet"), may_meet("raw/o*.csv", "raw/*s.csv")
        (False, True)
    """
    if one == other:
        return True
    # Most differ before the first wildcard; `raw/**` is `raw` itself as well.
    fixed, wanted = (_WILD.split(key, maxsplit=1)[0].rstrip("/") for key in (one, other))
    if not (fixed.startswith(wanted) or wanted.startswith(fixed)):
        return False
    return _paths_meet(tuple(one.split("/")), tuple(other.split("/")))


@cache
def _paths_meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return all(part == _DEEP for part in (*one, *other))
    for left, right in ((one, other), (other, one)):
        if left[0] == _DEEP:
            return _paths_meet(left[1:], right) or _paths_meet(left, right[1:])
    return _names_meet(one[0], other[0]) and _paths_meet(one[1:], other[1:])


@cache
def _names_meet(one: str, other: str) -> bool:
    """Whether there is a name that two patterns of one segment both match."""
    if not one or not other:
        return set(one + other) <= {"*"}
    for left, right in ((one, other), (other, one)):
        if left[0] == "*":
            return _names_meet(left[1:], right) or _names_meet(left, right[1:])
    same = one[0] == other[0] or "?" in (one[0], other[0])
    return same and _names_meet(one[1:], other[1:])
