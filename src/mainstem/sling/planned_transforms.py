"""Of which columns `transforms` compute others, read from their expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mainstem.expressions import parse
from mainstem.expressions.functions import FUNCTIONS
from mainstem.expressions.syntax import Index, Literal, Name, Node, below
from mainstem.replication import Stream

__all__ = ["transformed_columns"]

Made = Mapping[str, frozenset[str]]


def transformed_columns(stream: Stream) -> Made:
    """Return the columns that a stream's transforms compute, each with those that `select` gives it.

    A function of the column itself, such as ``upper``, changes nothing of that.

    Args:
        stream: The stream.

    Raises:
        ReplicationError: An expression cannot be read.
    """
    given: Any = stream.transforms
    stages = [given] if isinstance(given, Mapping) else given
    made: dict[str, frozenset[str]] = {}
    for stage in stages or ():
        if isinstance(stage, Mapping):
            # Each sees what the one before it made.
            seen = dict(made)
            for column, value in stage.items():
                if isinstance(value, str) and value not in FUNCTIONS:
                    node = parse(value, stream.position).node
                    made[str(column).lower()] = _origins(node, str(column).lower(), seen)
    return made


def _origins(node: Node, own: str, seen: Made) -> frozenset[str]:
    return frozenset(origin for name in _names(node, own) for origin in seen.get(name, frozenset({name})))


def _names(node: Node, own: str) -> Iterator[str]:
    """The columns that an expression names, in lower case."""
    if isinstance(node, Name) and node.name == "value":
        yield own
    elif isinstance(node, Index) and isinstance(node.of, Name) and node.of.name == "record":
        if isinstance(node.key, Literal):
            yield str(node.key.value).lower()
    else:
        for part in below(node):
            yield from _names(part, own)
