"""YAML and JSON text as plain values that know where they stood.

The parser is libyaml's, by its events. What is made of a plain scalar follows YAML 1.2, as in Sling:
``yes`` and ``on`` are text, ``010`` is text, a date is text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from mainstem.errors import Position, ReplicationError

__all__ = ["Location", "Parsed", "parse_text", "plain_scalar"]

Location = tuple[str | int, ...]

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# No replication is written by hand to these sizes; a file beyond them is a mistake or an attack.
_MOST_BYTES = 32 * 2**20
_MOST_VALUES = 2_000_000
_MOST_DEPTH = 100
# Longer ones are numbers to nobody, and Python reads none of thousands of digits.
_MOST_DIGITS = 1000
_HALF_LETTER = re.compile("[\ud800-\udfff]")

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)"
)
_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class Parsed:
    """A document's value, and where each of its keys and items stands.

    Attributes:
        value: Plain dictionaries, lists and scalars.
        positions: By the keys and indexes that lead to a value; a key's own place, or an item's.
        flow: The mappings that were written in braces.
    """

    value: Any
    positions: Mapping[Location, Position]
    flow: frozenset[Location]


def plain_scalar(text: str) -> Any:
    """Read an unquoted scalar.

    Example:
        >>> [plain_scalar(text) for text in ("7", "1.5", "true", "~", "yes", "010", "2024-01-01")]
        [7, 1.5, True, None, 'yes', '010', '2024-01-01']
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MOST_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    # `010` is text: a leading zero is lost in a number, and it may be an account's.
    return float(text) if _FLOAT.fullmatch(text) else text


def parse_text(source: str, text: str) -> Parsed:
    """Parse a document.

    Args:
        source: What to call it in errors: its path.
        text: YAML or JSON.

    Raises:
        ReplicationError: It is malformed, has a key twice, or is larger than any replication.
    """
    if len(text) > _MOST_BYTES:
        raise ReplicationError(f"The file is larger than {_MOST_BYTES >> 20} MiB.", position=Position(source))
    half = _HALF_LETTER.search(text)
    if half:
        line = text.count("\n", 0, half.start()) + 1
        column = half.start() - text.rfind("\n", 0, half.start())
        raise ReplicationError(
            "The file holds half a letter, which is no text.", position=Position(source, line, column)
        )
    try:
        return _Builder(source).build(text)
    except yaml.YAMLError as error:
        # JSON may be indented with tabs, which YAML does not allow.
        as_json = _parse_json(text)
        if as_json is not None:
            return as_json
        raise _malformed(source, error) from error


def _parse_json(text: str) -> Parsed | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
        # Half a letter, as an escape.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return Parsed(value, {}, frozenset())


def _malformed(source: str, error: yaml.YAMLError) -> ReplicationError:
    mark = getattr(error, "problem_mark", None)
    position = Position(source, mark.line + 1, mark.column + 1) if mark else Position(source)
    problem = getattr(error, "problem", None) or str(error)
    what = str(problem).splitlines()[0]
    hint = "YAML is indented with spaces." if r"'\t'" in what or "\\t" in what else None
    return ReplicationError(f"The YAML is malformed: {what}.", position=position, hint=hint)


@dataclass
class _Open:
    """A mapping or a list that is being filled."""

    value: dict[str, Any] | list[Any]
    location: Location
    anchor: str | None
    key: str | None = None
    size: int = 1
    merged: list[Any] = field(default_factory=list)


class _Builder:
    """Builds plain values from parse events, without recursion."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._positions: dict[Location, Position] = {}
        self._flow: set[Location] = set()
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents: list[Any] = []
        self._size = 0

    def build(self, text: str) -> Parsed:
        for event in self._events(text):
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._begin(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._end()
            elif isinstance(event, yaml.DocumentStartEvent) and self._documents:
                raise self._error(event, "The file holds more than one YAML document.")
        return Parsed(self._documents[0] if self._documents else None, self._positions, frozenset(self._flow))

    def _events(self, text: str) -> Iterator[Any]:
        return iter(yaml.parse(text, Loader=_Loader))

    def _scalar(self, event: Any) -> None:
        if event.tag not in (None, "!"):
            raise self._error(event, f"The YAML tag {event.tag} means nothing here.")
        is_plain = event.implicit[0] and event.style in (None, "")
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(event, top)
            return
        self._add(event, plain_scalar(event.value) if is_plain else event.value, 1, event.anchor)

    def _key(self, event: Any, top: _Open) -> None:
        location = (*top.location, event.value)
        if event.value != "<<":
            if event.value in top.value:
                first = self._positions[location].line
                raise self._error(event, f"The key {event.value!r} is there twice; first in line {first}.")
            self._positions[location] = self._position(event)
        top.key = event.value

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._error(event, "There is no complete anchor of this name before this alias.")
        value, size = self._anchors[event.anchor]
        self._add(event, value, size, None)

    def _begin(self, event: Any) -> None:
        if event.tag not in (None, "!"):
            raise self._error(event, f"The YAML tag {event.tag} means nothing here.")
        if len(self._stack) >= _MOST_DEPTH:
            raise self._error(event, f"The document is nested deeper than {_MOST_DEPTH} levels.")
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            raise self._error(event, "A key must be text.")
        location = self._next_location()
        self._place(event, location)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if is_mapping and event.flow_style:
            self._flow.add(location)
        self._stack.append(_Open({} if is_mapping else [], location, event.anchor))

    def _end(self) -> None:
        done = self._stack.pop()
        if isinstance(done.value, dict):
            for merged in done.merged:
                for key, value in merged.items():
                    done.value.setdefault(key, value)
        self._attach(done.value, done.size, done.anchor)

    def _add(self, event: Any, value: Any, size: int, anchor: str | None) -> None:
        self._place(event, self._next_location())
        self._size += size
        if self._size > _MOST_VALUES:
            raise self._error(event, f"The document has more than {_MOST_VALUES:,} values, aliases followed.")
        self._attach(value, size, anchor, event)

    def _attach(self, value: Any, size: int, anchor: str | None, event: Any = None) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._stack:
            self._documents.append(value)
            return
        top = self._stack[-1]
        top.size += size
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key == "<<":
            parts = value if isinstance(value, list) else [value]
            if not all(isinstance(part, dict) for part in parts):
                raise ReplicationError(
                    "Only a mapping can be merged with <<.",
                    position=self._position(event) if event is not None else Position(self._source),
                )
            top.merged.extend(parts)
            top.key = None
        elif top.key is not None:
            top.value[top.key] = value
            top.key = None

    def _next_location(self) -> Location:
        if not self._stack:
            return ()
        top = self._stack[-1]
        step = len(top.value) if isinstance(top.value, list) else top.key
        return (*top.location, step) if step is not None else top.location

    def _place(self, event: Any, location: Location) -> None:
        # A key's own place is more telling than its value's, and is there already.
        self._positions.setdefault(location, self._position(event))

    def _position(self, event: Any) -> Position:
        return Position(self._source, event.start_mark.line + 1, event.start_mark.column + 1)

    def _error(self, event: Any, message: str) -> ReplicationError:
        return ReplicationError(message, position=self._position(event))
