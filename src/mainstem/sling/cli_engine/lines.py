"""A line of Sling's output: its level and its text, and what the text says (spec §8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Began",
    "Fact",
    "Failed",
    "Line",
    "Mode",
    "Moved",
    "Nothing",
    "Phase",
    "Succeeded",
    "fact_of",
    "read_line",
]

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
# The counter of the rows so far may stand before a line, where there is no terminal to overwrite it on.
_CONSOLE = re.compile(
    r"(?:.*[rp]/s\b[^a-zA-Z]*(?:[kMGT]?B)?\s+)?"
    r"(?:\d{1,2}:\d{2}(?:AM|PM)|\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) (?P<level>[A-Z]{3}) (?P<text>.*)",
    re.DOTALL,
)
# By the first letter: `INF` and `info`, `WRN` and `warn`, `FTL` and `panic`.
_LEVELS = {"t": "debug", "d": "debug", "i": "info", "w": "warning", "e": "error", "f": "error", "p": "error"}


@dataclass(frozen=True)
class Line:
    """A line of the log.

    Attributes:
        level: ``debug``, ``info``, ``warning`` or ``error``; ``None`` for a line that is not of the log,
            as in the block of errors at the end.
        text: Its text, without time, level and colours.
    """

    level: str | None
    text: str


@dataclass(frozen=True)
class Began:
    """A stream begins."""

    stream: str


@dataclass(frozen=True)
class Mode:
    """The mode of the stream is known."""

    mode: str


@dataclass(frozen=True)
class Phase:
    """The stream does something else from here on, in the words of :class:`~mainstem.errors.StreamError`."""

    phase: str


@dataclass(frozen=True)
class Moved:
    """Rows are on their way, or have arrived.

    Attributes:
        rows: How many, in all.
        bytes: How much, as Sling rounds it. ``None`` where it does not say.
        target: Where they have arrived, as Sling writes it. ``None`` while they are on their way.
    """

    rows: int
    bytes: int | None = None
    target: str | None = None


@dataclass(frozen=True)
class Nothing:
    """The stream had no rows, so its target is left as it was."""


@dataclass(frozen=True)
class Succeeded:
    """The stream is done."""


@dataclass(frozen=True)
class Failed:
    """The stream is given up."""


Fact = Began | Mode | Phase | Moved | Nothing | Succeeded | Failed


def read_line(raw: str) -> Line:
    """Read a line, be it of the console or of ``SLING_LOGGING=JSON``.

    Example:
        >>> read_line("1:04PM INF execution succeeded")
        Line(level='info', text='execution succeeded')
        >>> read_line('{"lvl":"WRN","time":"1:04PM","msg":"no data"}')
        Line(level='warning', text='no data')
        >>> read_line("~ could not connect")
        Line(level=None, text='~ could not connect')
    """
    plain = _ANSI.sub("", raw).rstrip()
    # What a terminal would have overwritten.
    plain = plain.rpartition("\r")[2].strip("\n")
    said = _object(plain)
    if said is not None:
        return Line(
            _level(str(said.get("lvl") or said.get("level") or "")), _ANSI.sub("", str(said["msg"])).strip()
        )
    match = _CONSOLE.fullmatch(plain)
    return Line(_level(match["level"]), match["text"].strip()) if match else Line(None, plain.strip())


def fact_of(text: str) -> Fact | None:
    """What a line's text says of the stream; ``None`` where it says nothing that counts.

    Example:
        >>> fact_of("[2 / 3] running stream data.orders")
        Began(stream='data.orders')
        >>> fact_of('inserted 1200 rows into "main"."data_orders" in 4 secs [300 r/s] [87 kB]')
        Moved(rows=1200, bytes=87000, target='"main"."data_orders"')
    """
    for pattern, make in _FACTS:
        match = pattern.search(text)
        if match:
            return make(match)
    return None


def _object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "msg" in said else None


def _level(word: str) -> str | None:
    return _LEVELS.get(word[:1].lower())


def _number(text: str) -> int:
    return int(text.replace(",", ""))


_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE = re.compile(r"([\d.,]+)\s*([kKMGT]?B)\b")


def _bytes(text: str | None) -> int | None:
    match = _SIZE.search(text or "")
    return round(float(match[1].replace(",", "")) * _UNITS[match[2].lower()]) if match else None


# The first that fits. Names may hold any words: so each begins where the text begins.
_FACTS: Sequence[tuple[re.Pattern[str], Callable[[re.Match[str]], Fact]]] = (
    (re.compile(r"^\[\d+ / \d+\] running stream (.+)$"), lambda match: Began(match[1])),
    (re.compile(r"^Sling Replication \| .+? -> .+? \| (.+)$"), lambda match: Began(match[1])),
    (re.compile(r"^connecting to (?:source|target) "), lambda _: Phase("connect")),
    (re.compile(r"^(?:reading from source|getting checkpoint value) ?"), lambda _: Phase("read")),
    (re.compile(r"^writing to target \w+(?: \w+)? \[mode: ([\w-]+)\]"), lambda match: Mode(match[1])),
    (re.compile(r"^writing to target "), lambda _: Phase("stage")),
    (
        re.compile(r"^inserted ([\d,]+) rows? into (.+) in [\d.,]+ secs?\b(.*)$"),
        lambda match: Moved(_number(match[1]), _bytes(match[3]), match[2]),
    ),
    (
        re.compile(r"^wrote ([\d,]+) rows?((?: \[[^\]]*\])*)(?: to (.+))?$"),
        lambda match: Moved(_number(match[1]), _bytes(match[2]), match[3] or ""),
    ),
    (re.compile(r"^no (?:data or records found in stream|new files found)"), lambda _: Nothing()),
    (re.compile(r"^execution succeeded"), lambda _: Succeeded()),
    (re.compile(r"^execution failed"), lambda _: Failed()),
    (
        re.compile(r"^(?:.*\s)?(?:\d+[hms])+ ([\d,]+) (?:\?|[\d,.]+) [rp]/s((?: [\d.,]+ [kKMGT]?B)?)\s*$"),
        lambda match: Moved(_number(match[1]), _bytes(match[2])),
    ),
)
