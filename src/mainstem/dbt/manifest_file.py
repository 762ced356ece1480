"""A manifest that is parsed node by node: a large one opens in milliseconds, and takes its own size.

dbt writes its manifest as one line of JSON, in which each node stands under its unique id and repeats it.
So the nodes can be found without parsing them, and each is parsed when it is asked for. Any other JSON is
parsed as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mainstem.dbt.fastjson import loads

__all__ = ["ManifestFile"]

_UNIQUE_ID = b'"unique_id": "'
_THEN_VALUE = b": "
_HEAD = re.compile(r'\s*\{\s*"metadata": ')
_FQN = re.compile(rb'\[(?:"(?:[^"\\]|\\.)*"(?:, )?)*\]')
_EPHEMERAL = b'"materialized": "ephemeral"'
# Where dbt keeps what it gives a unique id, by the id's first word; all else is among the nodes.
_COLLECTIONS = {
    "source": "sources",
    "macro": "macros",
    "doc": "docs",
    "exposure": "exposures",
    "metric": "metrics",
    "group": "groups",
    "saved_query": "saved_queries",
    "semantic_model": "semantic_models",
    "unit_test": "unit_tests",
    "function": "functions",
}


class ManifestFile(Mapping[str, Any]):
    """The content of a ``manifest.json``: a mapping as dbt wrote it, and never changed.

    A node is parsed anew each time it is taken, and takes no memory afterwards.

    Args:
        content: The file's bytes.
        folder: The folder that it was read from.

    Raises:
        ValueError: It is not JSON.
    """

    def __init__(self, content: bytes, folder: Path | None = None) -> None:
        self.folder = folder
        self._content = content
        self._collections: dict[str, _Nodes] = {name: _Nodes(self, name) for name in _COLLECTIONS.values()}
        self._collections["nodes"] = _Nodes(self, "nodes")
        self._rest: dict[str, Any] = {}
        self._whole: dict[str, Any] | None = None
        # Of what looks different, we do not guess.
        if not self._find():
            self.whole(keep=True)

    def __getitem__(self, key: str) -> Any:
        if self._whole is not None:
            return self._whole[key]
        if key in self._collections:
            return self._collections[key]
        if key not in self._rest:
            self._rest[key] = self.whole()[key]
        return self._rest[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole())

    def __len__(self) -> int:
        return len(self.whole())

    @cached_property
    def ephemeral(self) -> frozenset[str]:
        """The unique ids of the models that dbt does not build."""
        if self._whole is None and self._content.find(_EPHEMERAL) < 0:
            return frozenset()
        nodes = self["nodes"].items()
        return frozenset(uid for uid, node in nodes if node["config"].get("materialized") == "ephemeral")

    def fqns(self, collection: str) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield each unique id of a collection with its path of names. The rest of a node is not parsed.

        Args:
            collection: Such as ``nodes``.
        """
        nodes = self[collection]
        if not isinstance(nodes, _Nodes):
            yield from ((unique_id, node["fqn"]) for unique_id, node in nodes.items())
            return
        for unique_id, (start, end) in nodes.places.items():
            # In this order dbt writes them.
            before = f'"unique_id": "{unique_id}", "fqn": '.encode()
            at = self._content.find(before, start, end)
            found = _FQN.match(self._content, at + len(before), end) if at >= 0 else None
            yield unique_id, loads(found[0]) if found else nodes[unique_id]["fqn"]

    def whole(self, *, keep: bool = False) -> dict[str, Any]:
        """Return the whole manifest, parsed.

        Args:
            keep: Whether all is answered from it from now on.

        Raises:
            ValueError: It is not JSON.
        """
        if self._whole is not None:
            return self._whole
        whole: dict[str, Any] = loads(self._content)
        if keep:
            self._whole = whole
        return whole

    def value(self, start: int, end: int) -> tuple[Any, int]:
        """Return the value that starts at a place of the file, and where it ends.

        Args:
            start: The value's first byte.
            end: Where the next node's key starts; what lies between belongs to neither.

        Raises:
            ValueError: There is no whole value.
        """
        piece = self._content[start:end].rstrip(b", ")
        try:
            return loads(piece), start + len(piece)
        except ValueError:
            # The last of its collection: the names of the next collections follow.
            value, length = json.JSONDecoder().raw_decode(piece.decode())
            return value, start + len(piece.decode()[:length].encode())

    def _find(self) -> bool:
        """Find where each node stands. Returns whether the file looks as dbt writes it."""
        places = list(_places(self._content))
        head = self._content[: places[0][1]].decode(errors="replace") if places else ""
        metadata = _HEAD.match(head)
        if metadata is None:
            return False
        self._rest["metadata"], _ = json.JSONDecoder().raw_decode(head, metadata.end())
        ends = [start - len(key) for key, start in places[1:]]
        for (key, start), end in zip(places, [*ends, len(self._content)], strict=True):
            unique_id: str = loads(key[: -len(_THEN_VALUE)])
            nodes = self._collections[_COLLECTIONS.get(unique_id.split(".", 1)[0], "nodes")]
            if unique_id in nodes.places or not self._is_value(start, end):
                return False
            nodes.places[unique_id] = (start, end)
        return True

    def _is_value(self, start: int, end: int) -> bool:
        """Whether there is a whole value, and what we took for the next node is no part of it."""
        content = self._content
        if content.count(b"{", start, end) == content.count(b"}", start, end):
            return True
        try:
            self.value(start, end)
        except ValueError:
            return False
        return True


class _Nodes(Mapping[str, Any]):
    """One of the manifest's collections: where each of its nodes stands, by unique id."""

    def __init__(self, file: ManifestFile, name: str) -> None:
        self._file = file
        self._name = name
        self.places: dict[str, tuple[int, int]] = {}

    def __getitem__(self, unique_id: str) -> Any:
        start, end = self.places[unique_id]
        try:
            node, exact_end = self._file.value(start, end)
        except ValueError:
            return self._file.whole(keep=True)[self._name][unique_id]
        self.places[unique_id] = (start, exact_end)
        return node

    def __contains__(self, unique_id: object) -> bool:
        return unique_id in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def _places(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the key under which each node stands, up to its value, and where that value starts."""
    before, hit = 0, content.find(_UNIQUE_ID)
    while hit >= 0:
        start = hit + len(_UNIQUE_ID)
        end = content.find(b'"', start)
        key = b'"' + content[start:end] + b'"' + _THEN_VALUE
        at = content.rfind(key + b"{", before, hit)
        # What is disabled repeats its unique id too, and stands in a list.
        if at >= 0:
            yield key, at + len(key)
            before = end
        hit = content.find(_UNIQUE_ID, end)
