"""What an expression is made of, once it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "Binary",
    "Call",
    "Index",
    "ListOf",
    "Literal",
    "Name",
    "Node",
    "Slice",
    "Ternary",
    "Unary",
    "below",
]


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        at: The index of the character that an error about it points at.
        depth: How many levels it has.
    """

    at: int
    depth: int


@dataclass(frozen=True)
class Literal(Node):
    """A value that stands in the text: text, a number, ``true``, ``false`` or ``null``."""

    value: str | int | Decimal | float | bool | None


@dataclass(frozen=True)
class Name(Node):
    """A bare word, such as ``value`` or ``record``."""

    name: str


@dataclass(frozen=True)
class Index(Node):
    """``of[key]``; ``of.name`` is the same with a text."""

    of: Node
    key: Node


@dataclass(frozen=True)
class Slice(Node):
    """``of[start:stop]``, counted from 0, without ``stop``."""

    of: Node
    start: Node | None
    stop: Node | None


@dataclass(frozen=True)
class Call(Node):
    """``name(arguments)``."""

    name: str
    arguments: Sequence[Node]


@dataclass(frozen=True)
class Unary(Node):
    """``-of`` or ``!of``."""

    operator: str
    of: Node


@dataclass(frozen=True)
class Binary(Node):
    """``left operator right``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Ternary(Node):
    """``condition ? then : otherwise``."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True)
class ListOf(Node):
    """``[a, b, c]``."""

    items: Sequence[Node]


def below(node: Node) -> Iterator[Node]:
    """The parts that a part is directly made of."""
    for value in vars(node).values():
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from value
