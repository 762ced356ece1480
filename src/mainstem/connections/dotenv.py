"""``.env.sling``: lines of ``NAME=value`` that fill in the environment and override nothing (spec §5)."""

from __future__ import annotations

import re
from pathlib import Path

from mainstem.connections.contents import Contents
from mainstem.connections.text import read_text
from mainstem.errors import ConnectionConfigError

__all__ = ["read_dotenv"]

_LINE = re.compile(
    r"""
    [ \t]* (?:export[ \t]+)? (?P<name>[A-Za-z_][\w.]*) [ \t]* = [ \t]*
    (?: '(?P<literal>[^']*)' | "(?P<escaped>(?:[^"\\]|\\.)*)" | (?P<bare>(?!['"])[^\n]*?) )
    (?: [ \t]+\#[^\n]* | [ \t]* ) (?:\n|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_dotenv(path: Path) -> Contents:
    r"""Read the file's variables. A quoted value may span lines; ``"…"`` knows ``\n`` and ``\"``.

    Nothing is expanded: a dollar is a dollar. A line that cannot be read is passed over, and told as a
    problem.
    """
    try:
        text = read_text(path)
    except ConnectionConfigError as error:
        return Contents(str(path), problems=[str(error)])
    if text is None:
        return Contents(str(path), absent="not there")
    variables: dict[str, str] = {}
    problems: list[str] = []
    place = 0
    while place < len(text):
        match = _BLANK.match(text, place) or _LINE.match(text, place)
        if match is None:
            line = text.count("\n", 0, place) + 1
            problems.append(f"{path}:{line}:1: The line is not NAME=value, or a quote is not closed.")
            place = text.find("\n", place) + 1 or len(text)
            continue
        place = match.end()
        if match.lastgroup:
            variables[match["name"]] = _value(match)
    return Contents(str(path), variables=variables, problems=problems)


def _value(match: re.Match[str]) -> str:
    if match["escaped"] is not None:
        return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), match["escaped"])
    return str(match["bare"] if match["literal"] is None else match["literal"])
