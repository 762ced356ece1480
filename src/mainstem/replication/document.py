"""A YAML file, a JSON file or a Python mapping, as plain values that know where they stood."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mainstem.errors import Position, ReplicationError
from mainstem.replication.syntax import Location, parse_text

__all__ = ["Document", "ReplicationLike", "read_document"]

ReplicationLike = Mapping[str, Any] | str | Path

_MAPPING = "<dict>"
_USER_INFO = re.compile(r"(://[^:/@\s]*:)\S*@")
_SECRET_VALUE = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase|code)?|pwd|token|secret|_key)[\"']?\s*[:=]\s*)\S.*"
)


@dataclass(frozen=True)
class Document:
    """A mapping, and where each of its keys stands.

    Attributes:
        values: The document as plain dictionaries, lists and scalars.
        source: The file's path as the user gave it, or ``"<dict>"``.
    """

    values: dict[str, Any]
    source: str
    _positions: Mapping[Location, Position] = field(default_factory=dict, repr=False)
    _lines: Sequence[str] = field(default=(), repr=False)
    flow: frozenset[Location] = field(default=frozenset(), repr=False)
    _written: Mapping[str, Any] | None = field(default=None, repr=False)

    def position(self, *location: str | int) -> Position:
        """Where the key stands that is reached by these keys and indexes; its parent if it is not there."""
        while location:
            if location in self._positions:
                return self._positions[location]
            location = location[:-1]
        return Position(self.source)

    @property
    def written(self) -> Mapping[str, Any]:
        """The values as they were written, before ``env`` was put in place: these may be shown."""
        return self.values if self._written is None else self._written

    def told(self, message: str, *location: str | int) -> str:
        """A message with its place, and the line with a caret under the place, if the document has lines.

        What looks like a secret in the line is masked.
        """
        position = self.position(*location)
        if position.line is None or position.column is None or position.line > len(self._lines):
            return f"{position}: {message}"
        line = self._lines[position.line - 1]
        # What is masked stands behind the caret, or in front of it only within one value.
        masked = _SECRET_VALUE.sub(r"\1***", _USER_INFO.sub(r"\1***@", line)).expandtabs(1)
        indent = " " * (position.column - 1)
        return f"{position}: {message}\n    {masked}\n    {indent}^"

    def with_values(self, values: dict[str, Any]) -> Document:
        """The same document with other values in the same places."""
        return Document(values, self.source, self._positions, self._lines, self.flow, self.written)

    def with_streams(self, streams: Mapping[str, Any], origins: Mapping[str, str]) -> Document:
        """The same document with other streams, each in the place of the one that it comes of.

        Args:
            streams: The streams' mappings, by name.
            origins: The name of the stream in this document that each comes of.
        """
        names, texts = list(self.values["streams"]), list(self.written["streams"].values())
        # A name may have been a variable: the two have the same order, unless two became one.
        written = dict(zip(names, texts, strict=True)) if len(names) == len(texts) else {}
        positions: dict[Location, Position] = {
            location: position
            for location, position in self._positions.items()
            if location[:1] != ("streams",) or len(location) == 1
        }
        by_origin: dict[str, list[tuple[Location, Position]]] = {}
        for location, position in self._positions.items():
            if location[:1] == ("streams",) and len(location) > 1:
                by_origin.setdefault(str(location[1]), []).append((location[2:], position))
        for name, origin in origins.items():
            for rest, position in by_origin.get(origin, ()):
                positions[("streams", name, *rest)] = position
        return replace(
            self,
            values={**self.values, "streams": dict(streams)},
            _positions=positions,
            _written={**self.written, "streams": {name: written.get(origins[name]) for name in streams}},
        )


def read_document(given: ReplicationLike | Document) -> Document:
    """Read a replication document.

    Args:
        given: A path (``str`` or ``Path``), a mapping, which is copied, or YAML or JSON text: a ``str`` of
            several lines, or one that begins with a brace. A document that is read already is returned.

    Raises:
        ReplicationError: The file cannot be read, is not UTF-8, is not YAML, has a key twice, or is not a
            mapping; with line and column where there are any.
    """
    if isinstance(given, Document):
        return given
    if isinstance(given, Mapping):
        return Document(_plain(given, set()), _MAPPING)
    is_text = isinstance(given, str) and ("\n" in given or given.lstrip().startswith("{"))
    source, text = ("<text>", str(given)) if is_text else (str(given), _text(Path(given)))
    parsed = parse_text(source, text)
    if not isinstance(parsed.value, dict):
        raise ReplicationError(
            "A replication is a mapping with the keys source, target and streams.", position=Position(source)
        )
    return Document(parsed.value, source, parsed.positions, text.splitlines(), parsed.flow)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReplicationError(
            f"The file is not UTF-8 (byte {error.start}).",
            position=Position(str(path)),
            hint="Save it as UTF-8.",
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ReplicationError(
            f"The file cannot be read: {reason}.", position=Position(str(path)), hint="Is the path right?"
        ) from error


def _plain(node: Any, above: set[int]) -> Any:
    """Copy a Python value as YAML would have it: keys are text, tuples are lists."""
    if isinstance(node, (Mapping, list, tuple)):
        if id(node) in above:
            raise ReplicationError("The mapping contains itself.", position=Position(_MAPPING))
        above = {*above, id(node)}
        if isinstance(node, Mapping):
            return {str(key): _plain(value, above) for key, value in node.items()}
        return [_plain(value, above) for value in node]
    if isinstance(node, Path):
        return str(node)
    return node
