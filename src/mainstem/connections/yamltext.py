"""YAML as text with positions. No error holds a word of the document: it holds secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from mainstem.errors import ConnectionConfigError, Position

__all__ = ["Value", "YamlDocument", "YamlNode"]

Value = str | bool | None | list["Value"] | dict[str, "Value"]

_TAG = "tag:yaml.org,2002:"
# More nodes than any file of connections has: aliases that multiply each other have billions.
_MOST_NODES = 100_000
_DEEPEST = 50


@dataclass(frozen=True, repr=False)
class YamlNode:
    """A value of the document, or a key.

    Attributes:
        raw: The parser's own node.
        position: Where it stands.
    """

    raw: Any
    position: Position

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys and values."""
        return isinstance(self.raw, MappingNode)

    @property
    def is_null(self) -> bool:
        """Whether it is empty or ``null``."""
        return isinstance(self.raw, ScalarNode) and self.raw.tag == f"{_TAG}null"

    def error(self, message: str, hint: str | None = None) -> ConnectionConfigError:
        """Return an error that stands at this node."""
        return ConnectionConfigError(f"{self.position}: {message}", hint=hint)


class YamlDocument:
    """A parsed document. Scalars keep the text that was written: ``0123`` is no number here.

    Args:
        text: The document.
        source: Its name in errors: a path, or the variable that holds it.

    Raises:
        ConnectionConfigError: It is malformed. The error has the position and nothing of the text.
    """

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._nodes = 0
        root, problem = _composed(text, source)
        if problem is not None:
            raise problem
        self.root = None if root is None else self._node(root)

    def pairs(self, node: YamlNode | None, depth: int = 0) -> Iterator[tuple[str, YamlNode, YamlNode]]:
        """Yield a mapping's keys, as text and as nodes, and its values, after those that it merges (``<<``).

        Args:
            node: The mapping; ``None`` or a null is an empty one.
            depth: How deep in merges we are.

        Raises:
            ConnectionConfigError: It is no mapping, or a key is no text.
        """
        if node is None or node.is_null:
            return
        if not node.is_mapping:
            raise node.error("This is not a mapping.", "Write 'name: value' lines.")
        own: list[tuple[str, YamlNode, YamlNode]] = []
        merged: list[YamlNode] = []
        for raw_key, raw_value in node.raw.value:
            key, value = self._spent(raw_key, depth), self._node(raw_value)
            if not isinstance(key.raw, ScalarNode):
                raise key.error("A key is not text.", "Put values that begin with { or [ in quotes.")
            if key.raw.tag == f"{_TAG}merge":
                listed = isinstance(raw_value, SequenceNode)
                merged += [self._node(item) for item in raw_value.value] if listed else [value]
            else:
                own.append((str(key.raw.value), key, value))
        seen = {name for name, _, _ in own}
        for other in merged:
            for name, key, value in self.pairs(other, depth + 1):
                if name not in seen:
                    seen.add(name)
                    yield name, key, value
        yield from own

    def items(self, node: YamlNode | None) -> dict[str, YamlNode]:
        """Return a mapping's values by key.

        Raises:
            ConnectionConfigError: It is no mapping, or a key is no text, or stands twice.
        """
        found: dict[str, YamlNode] = {}
        for name, key, value in self.pairs(node):
            if name in found:
                raise key.error("This key stands twice.")
            found[name] = value
        return found

    def scalar(self, node: YamlNode) -> str | None:
        """Return a single value as text; ``None`` for a null.

        Raises:
            ConnectionConfigError: It is a list or a mapping, or has a tag that is not YAML's own.
        """
        value = self.value(node)
        if isinstance(value, list | dict):
            raise node.error("This is not a single value.")
        return str(value).lower() if isinstance(value, bool) else value

    def said(self, node: YamlNode, key: str) -> str | None:
        """Return what a mapping has at a key; ``None`` where there is none, or anything is wrong."""
        try:
            found = self.items(node).get(key)
            return self.scalar(found) if found else None
        except ConnectionConfigError:
            return None

    def value(self, node: YamlNode, depth: int = 0) -> Value:
        """Return what a node holds.

        Raises:
            ConnectionConfigError: It has a tag that is not YAML's own, a key twice, or more in it than a
                connection can have.
        """
        self._spent(node.raw, depth)
        if not str(node.raw.tag).startswith(_TAG):
            raise node.error("A !tag cannot be read here.")
        if isinstance(node.raw, SequenceNode):
            return [self.value(self._node(item), depth + 1) for item in node.raw.value]
        if node.is_mapping:
            return {name: self.value(item, depth + 1) for name, item in self.items(node).items()}
        if node.is_null:
            return None
        text = str(node.raw.value)
        # YAML 1.1 takes `yes` and `on` for booleans; here they are text, as in a replication.
        is_flag = node.raw.tag == f"{_TAG}bool" and text.lower() in {"true", "false"}
        return text.lower() == "true" if is_flag else text

    def _node(self, raw: Any) -> YamlNode:
        mark = raw.start_mark
        return YamlNode(raw, Position(self._source, mark.line + 1, mark.column + 1))

    def _spent(self, raw: Any, depth: int) -> YamlNode:
        """Count a node, so that aliases cannot multiply without end."""
        self._nodes += 1
        node = self._node(raw)
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            raise node.error(
                "There is more in it than a connection can have.", "Does an alias repeat itself?"
            )
        return node


class _Loader(yaml.SafeLoader):
    """YAML's own rule that an anchor may be used again, for what follows."""

    # Not the loader in C: it would not survive a document that is nested without end.
    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call] # its stubs do not say
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(getattr(event, "anchor", None), None)
        return super().compose_node(parent, index)


def _composed(text: str, source: str) -> tuple[Any, ConnectionConfigError | None]:
    """Parse; the parser's exception ends here, for it quotes the text."""
    try:
        return yaml.compose(text, Loader=_Loader), None
    except RecursionError:
        return None, ConnectionConfigError(f"{source}: The YAML is nested too deeply.")
    except Exception as error:  # a fault of the parser itself would quote the text as well
        return None, _malformed(text, source, error)


def _malformed(text: str, source: str, error: Exception) -> ConnectionConfigError:
    mark = getattr(error, "problem_mark", None)
    index = mark.index if mark else getattr(error, "position", None)
    if not isinstance(index, int):
        return ConnectionConfigError(f"{source}: The YAML is malformed.")
    lines = text[:index].split("\n")
    position = Position(source, len(lines), len(lines[-1]) + 1)
    if mark is None:
        return ConnectionConfigError(f"{position}: A character that YAML does not allow.")
    tabbed = text[index : index + 1] == "\t"
    hint = "Indent with spaces, not tabs." if tabbed else "Put values with special characters in quotes."
    return ConnectionConfigError(f"{position}: The YAML is malformed.", hint=hint)
