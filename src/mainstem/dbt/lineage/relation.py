"""A table or a subquery as a query sees it: its columns in their order, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from mainstem.dbt.lineage.tables import Origin, Origins, Table, UntracedError

__all__ = ["Output", "Relation", "relation_of", "together"]


@dataclass(frozen=True)
class Output:
    """A column of a relation.

    Attributes:
        name: Its name; ``None`` where the system gives it one.
        origins: What it is made of; ``None`` where that cannot be told.
    """

    name: str | None
    origins: Origins | None


@dataclass(frozen=True)
class Relation:
    """Columns in their order.

    Attributes:
        outputs: Those that are known.
        rest: For the name of any further column, what it is made of, ``None`` where that cannot be told.
            Without it there are no further columns.
        sure: There are as many columns as it seems.
    """

    outputs: Sequence[Output]
    rest: Callable[[str], Origins | None] | None = None
    sure: bool = True

    @cached_property
    def named(self) -> dict[str, Output]:
        """The columns by their names in lower case. Of two with one name, nothing can be told."""
        found: dict[str, Output] = {}
        for output in self.outputs:
            if output.name is not None:
                name = output.name.lower()
                found[name] = output if name not in found else Output(found[name].name, None)
        return found

    @property
    def positions(self) -> Sequence[Output]:
        """The columns, where what counts is their order.

        Raises:
            UntracedError: They are not all known.
        """
        if self.rest is not None or not self.sure:
            raise UntracedError("not all columns of a table are known whose order counts")
        return self.outputs

    def all_origins(self) -> Origins:
        """What all columns are made of.

        Raises:
            UntracedError: That cannot be told.
        """
        return together(output.origins for output in self.positions)

    def renamed(self, names: Sequence[str]) -> Relation:
        """The same with other names for the first columns.

        Raises:
            UntracedError: Not all columns are known.
        """
        if not names:
            return self
        outputs = self.positions
        if len(names) > len(outputs):
            raise UntracedError("a table has fewer columns than it is given names")
        first = [Output(name, output.origins) for name, output in zip(names, outputs, strict=False)]
        return Relation([*first, *outputs[len(names) :]])


@lru_cache(maxsize=1024)
def relation_of(table: Table) -> Relation:
    """A table as a query sees it.

    Args:
        table: The table.
    """
    uid = table.unique_id
    outputs = [Output(name, frozenset({Origin(uid, name)})) for name in table.columns or ()]
    if table.columns and table.complete:
        return Relation(outputs)
    return Relation(outputs, rest=lambda name: frozenset({Origin(uid, name.lower())}))


def together(origins: Iterable[Origins | None]) -> Origins:
    """Return all origins.

    Raises:
        UntracedError: Some of them cannot be told.
    """
    found: set[Origin] = set()
    for each in origins:
        if each is None:
            raise UntracedError("it is made of a column that is not traced")
        found |= each
    return frozenset(found)
