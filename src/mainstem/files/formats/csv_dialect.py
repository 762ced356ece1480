"""How a CSV file is written: its delimiter, and its columns' names, found at its start."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mainstem.errors import ConfigError, EndpointError
from mainstem.files.formats.base import ReadOptions

__all__ = ["Dialect", "clean_names", "escape_of", "find_dialect", "records"]

_DELIMITERS = (",", "\t", ";", "|", ":")
# A field longer than the standard library's own limit is a field all the same.
csv.field_size_limit(2**31 - 1)
_LOOKED_AT = 50


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: What stands between fields.
        names: The columns' names, cleaned.
        lines: So many lines come before the first row.
    """

    delimiter: str
    names: Sequence[str]
    lines: int


def find_dialect(head: str, options: ReadOptions, *, whole: bool) -> Dialect:
    """Find out how a file is written.

    Args:
        head: Its start.
        options: What the user says of it.
        whole: Whether the start is all of it.

    Raises:
        ConfigError: An option makes no sense.
        EndpointError: The header does not end within the start.
    """
    _check(options)
    lines = head.splitlines(keepends=True)
    skipped = "".join(lines[: options.skip_lines])
    rest = head[len(skipped) :]
    blank = len(rest) - len(rest.lstrip("\r\n"))
    leading = rest[:blank].count("\n") or (1 if blank else 0)
    rest = rest[blank:]
    delimiter = options.delimiter or _delimiter(rest, options)
    reader = _reader(io.StringIO(rest, newline=""), delimiter, options)
    try:
        first: list[str] = next(reader, [])
    except csv.Error as error:
        raise EndpointError(
            f"The header is no CSV: {error}.", hint="Check `quote` and `delimiter`."
        ) from error
    if options.header and not whole and reader.line_num >= rest.count("\n") + 1:
        raise EndpointError(
            "The header is longer than can be looked at.", hint="Check `quote` and `delimiter`."
        )
    before = options.skip_lines + leading
    if not options.header:
        return Dialect(delimiter, [f"col_{index:03}" for index in range(1, len(first) + 1)], before)
    return Dialect(delimiter, clean_names(first), before + reader.line_num)


def escape_of(options: ReadOptions) -> str | None:
    """What stands before a quote that is meant; ``None`` where that is the quote itself."""
    return options.escape if options.escape and options.escape != options.quote else None


def records(text: str, delimiter: str, options: ReadOptions) -> list[list[str]]:
    """Take a text apart into rows of fields.

    Raises:
        csv.Error: A quote is never closed.
    """
    return list(_reader(io.StringIO(text, newline=""), delimiter, options, strict=True))


def clean_names(header: Iterable[str]) -> Sequence[str]:
    """Make a header's names fit for columns, as the reference does (spec §4.1).

    Example:
        >>> clean_names(["Größe (m)", "1st", "", "a", "A"])
        ['grosse__m_', '_1st', 'col', 'a', 'a_1']
    """
    names: dict[str, None] = {}
    for given in header:
        plain = unicodedata.normalize("NFKD", given.strip().replace("ß", "ss"))
        letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
        clean = "".join(_clean(letter) for letter in letters).lower() or "col"
        name = f"_{clean}" if clean[0].isdigit() else clean
        names[_unused(name, names)] = None
    return list(names)


def _clean(letter: str) -> str:
    return letter if letter.isalnum() or letter == "_" else "_"


def _unused(name: str, names: Iterable[str]) -> str:
    known, free, number = set(names), name, 0
    while free in known:
        number += 1
        free = f"{name}_{number}"
    return free


def _check(options: ReadOptions) -> None:
    said = {key: getattr(options, key) for key in ("delimiter", "quote", "escape")}
    for key, given in said.items():
        if given and (len(given) != 1 or not given.isascii() or (given != "\t" and not given.isprintable())):
            raise ConfigError(
                f"`{key}` is {given!r}.",
                hint="It is one ASCII character, such as , or ; or a tab in double quotes.",
            )
    marks = [given for given in (said["delimiter"], said["quote"]) if given]
    if len(set(marks)) < len(marks) or said["escape"] in marks[: 1 if said["delimiter"] else 0]:
        raise ConfigError(
            "`delimiter`, `quote` and `escape` are the same character.", hint="Nothing would tell them apart."
        )


def _delimiter(text: str, options: ReadOptions) -> str:
    """The delimiter that takes most rows apart into the same number of fields, the more the better."""
    best, found = (0.0, 0), ","
    for delimiter in _DELIMITERS:
        rows = list(_some(_reader(io.StringIO(text, newline=""), delimiter, options)))
        # The last one may be cut off.
        widths = [len(row) for row in (rows[:-1] or rows)]
        if not widths or widths[0] < 2:  # noqa: PLR2004 - one field is no sign of a delimiter
            continue
        score = (round(widths.count(widths[0]) / len(widths), 1), widths[0])
        if score > best:
            best, found = score, delimiter
    return found


def _some(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        for _, row in zip(range(_LOOKED_AT), reader, strict=False):
            if row:
                yield row
    except csv.Error:
        return


def _reader(text: io.StringIO, delimiter: str, options: ReadOptions, *, strict: bool = False) -> Any:
    return csv.reader(
        text,
        delimiter=delimiter,
        quotechar=options.quote or None,
        quoting=csv.QUOTE_MINIMAL if options.quote else csv.QUOTE_NONE,
        escapechar=escape_of(options),
        doublequote=True,
        strict=strict,
    )
