"""A YAML file, a JSON file or a Python mapping, as plain values that know where they stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mainstem.errors import Position, ReplicationError

__all__ = ["Document", "ReplicationLike", "read_document"]

ReplicationLike = Mapping[str, Any] | str | Path

Location = tuple[str | int, ...]


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

    def position(self, *location: str | int) -> Position:
        """Where the key stands that is reached by these keys and indexes; its parent if it is not there."""
        while location and location not in self._positions:
            location = location[:-1]
        return self._positions.get(location, self._start)

    @cached_property
    def _start(self) -> Position:
        return Position(self.source)


def read_document(given: ReplicationLike) -> Document:
    """Read a replication document.

    Args:
        given: A path (``str`` or ``Path``), or a mapping, which is copied.

    Raises:
        ReplicationError: The file cannot be read, is not UTF-8, is not YAML, has a key twice, or is not a
            mapping; with line and column where there are any.
    """
    if isinstance(given, Mapping):
        return Document(_plain(given), "<dict>")
    path = Path(given)
    parsed = _parse(str(given), _text(path))
    if not isinstance(parsed, CommentedMap):
        raise ReplicationError(
            "A replication is a mapping with the keys source, target and streams.",
            position=Position(str(given)),
        )
    positions: dict[Location, Position] = {}
    _collect(parsed, (), str(given), positions)
    return Document(_plain(parsed), str(given), positions)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReplicationError(
            f"The file is not UTF-8 (byte {error.start}).",
            position=Position(str(path)),
            hint="Save it as UTF-8.",
        ) from error
    except OSError as error:
        raise ReplicationError(
            f"The file cannot be read: {error.strerror}.",
            position=Position(str(path)),
            hint="Is the path right?",
        ) from error


def _parse(source: str, text: str) -> Any:
    try:
        return YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        position = Position(source, mark.line + 1, mark.column + 1) if mark else Position(source)
        first_line = (error.problem or "malformed").splitlines()[0]
        raise ReplicationError(f"The YAML is malformed: {first_line}.", position=position) from error
    except YAMLError as error:
        raise ReplicationError("The YAML is malformed.", position=Position(source)) from error


def _collect(node: Any, location: Location, source: str, positions: dict[Location, Position]) -> None:
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            line, column = node.lc.key(key)
            positions[(*location, str(key))] = Position(source, line + 1, column + 1)
            _collect(value, (*location, str(key)), source, positions)
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            line, column = node.lc.item(index)
            positions[(*location, index)] = Position(source, line + 1, column + 1)
            _collect(value, (*location, index), source, positions)


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    # ruamel's round-trip scalars are subclasses of the plain ones.
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
