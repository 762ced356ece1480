"""The items that a `select` is made of (spec §1.6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from mainstem.errors import Position, ReplicationError
from mainstem.replication.scanner import complaint

__all__ = [
    "EVERYTHING",
    "Declared",
    "Item",
    "Named",
    "Pattern",
    "Place",
    "SelectExpression",
    "is_everything",
    "is_excluded",
    "is_wildcard",
]

EVERYTHING = "*"


@dataclass(frozen=True)
class Place:
    """Where an item stands.

    Attributes:
        text: The text that it is a part of.
        at: The index of its first character.
        position: Where the text stands in the document.
    """

    text: str
    at: int
    position: Position

    def error(self, problem: str, *, at: int | None = None, hint: str | None = None) -> ReplicationError:
        """Make an error that points at the item, or at one of its characters."""
        where = self.at if at is None else at
        return complaint(f"`select`: {problem}", text=self.text, at=where, position=self.position, hint=hint)


@dataclass(frozen=True)
class Named:
    """A column by its name.

    Attributes:
        name: The name, without quotes.
        alias: Its new name, if it has one.
        excluded: Whether the column is left out.
    """

    place: Place = field(compare=False, repr=False)
    name: str
    alias: str | None = None
    excluded: bool = False


@dataclass(frozen=True)
class Pattern:
    """The columns whose names match a pattern, in any case.

    Attributes:
        pattern: A name in which ``*`` stands for any text.
        excluded: Whether the columns are left out.
    """

    place: Place = field(compare=False, repr=False)
    pattern: str
    excluded: bool = False

    def matches(self, name: str) -> bool:
        """Tell whether a column of this name is meant."""
        first, *between = self.pattern.lower().split("*")
        name, last = name.lower(), between.pop()
        at, end = len(first), len(name) - len(last)
        if at > end or not name.startswith(first) or not name.endswith(last):
            return False
        for part in between:
            found = name.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


@dataclass(frozen=True)
class Declared:
    """``@columns``: the columns that are declared under `columns`."""

    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True)
class SelectExpression:
    """An SQL expression, for the ``{fields}`` of custom SQL.

    Attributes:
        text: The expression, as it was written.
        alias: The name of its column.
    """

    text: str
    alias: str
    place: Place = field(compare=False, repr=False)


Item = Named | Pattern | Declared | SelectExpression


def is_excluded(item: Item) -> bool:
    """Tell whether the item leaves columns out."""
    return isinstance(item, (Named, Pattern)) and item.excluded


def is_wildcard(item: Item) -> bool:
    """Tell whether the item selects however many columns there are."""
    return isinstance(item, Declared) or (isinstance(item, Pattern) and not item.excluded)


def is_everything(item: Item) -> bool:
    """Tell whether the item is ``*``."""
    return isinstance(item, Pattern) and not item.excluded and item.pattern == EVERYTHING
