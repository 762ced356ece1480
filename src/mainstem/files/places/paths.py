"""Paths within a place: which are refused, and which a pattern matches."""

from __future__ import annotations

import re

from mainstem.errors import EndpointError

__all__ = ["TEMPORARY", "checked", "fixed_folder", "glob", "is_hidden", "is_pattern", "is_temporary"]

# Part of the name of a file that is being written; such files are never listed.
TEMPORARY = ".mainstem-writing"

_WILD = re.compile(r"[*?]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def checked(path: str, *, rooted: bool = True) -> str:
    """Return a path as a place wants it, relative to its root, or refuse it.

    Args:
        path: With ``/`` between its parts; a trailing one says that it is a folder.
        rooted: Whether a leading ``/`` means the place's root. Otherwise it is kept.

    Raises:
        EndpointError: It would lead out of the root, or holds what no name may hold.

    Example:
        >>> checked("./in//a.csv"), checked("/in/"), checked("/in", rooted=False)
        ('in/a.csv', 'in/', '/in')
    """
    if _CONTROL.search(path):
        raise _refused(path, "it holds a control character")
    if "\\" in path:
        raise _refused(path, "it holds a backslash", "Separate folders with /.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(
            path, "it goes up with ..", "Give the path from the connection's root, or an absolute one."
        )
    joined = "/".join(parts)
    if joined and path.endswith("/"):
        joined += "/"
    return f"/{joined}" if path.startswith("/") and not rooted else joined


def is_pattern(path: str) -> bool:
    """Whether a path holds a wildcard."""
    return bool(_WILD.search(path))


def is_temporary(path: str) -> bool:
    """Whether a file is one that is being written, or that a killed run left behind."""
    return TEMPORARY in path.rsplit("/", 1)[-1]


def is_hidden(path: str) -> bool:
    """Whether a part of a path marks what is no data, such as ``_SUCCESS`` or ``.git/config``.

    Example:
        >>> is_hidden("day=1/_SUCCESS"), is_hidden("day=1/a_b.csv")
        (True, False)
    """
    return any(part.startswith((".", "_")) for part in path.split("/"))


def fixed_folder(pattern: str) -> str:
    """The folder in front of a pattern's first wildcard, with its slash; empty for the root.

    Example:
        >>> fixed_folder("in/2024/*.csv"), fixed_folder("*.csv")
        ('in/2024/', '')
    """
    found = _WILD.search(pattern)
    end = found.start() if found else len(pattern)
    return pattern[: pattern.rfind("/", 0, end) + 1]


def glob(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression for whole paths: ``*`` and ``?`` stay within a folder.

    ``**`` takes folders too. A wildcard at the start of a name takes no name that begins with a dot.

    Example:
        >>> bool(glob("a/*.csv").fullmatch("a/b/c.csv")), bool(glob("a/**/*.csv").fullmatch("a/c.csv"))
        (False, True)
    """
    written, index = "", 0
    while index < len(pattern):
        begins = index == 0 or pattern[index - 1] == "/"
        not_hidden = r"(?!\.)" if begins else ""
        if begins and pattern.startswith("**/", index):
            written += r"(?:(?!\.)[^/]+/)*"
            index += 3
        elif pattern.startswith("**", index):
            written += not_hidden + ".*"
            index += 2
        else:
            character = pattern[index]
            wild = {"*": "[^/]*", "?": "[^/]"}.get(character)
            written += not_hidden + wild if wild else re.escape(character)
            index += 1
    return re.compile(written, re.DOTALL)


def _refused(path: str, why: str, hint: str | None = None) -> EndpointError:
    return EndpointError(f"The path {path!r} is refused: {why}.", hint=hint)
