"""What an adapter states of the columns of its assets before any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import dagster as dg

from mainstem.assets.definition import note_of

__all__ = ["AssetColumns", "StatesColumns", "stated_columns"]

Lineage = Mapping[str, Sequence[dg.TableColumnDep]]


@dataclass(frozen=True)
class AssetColumns:
    """The columns of one asset.

    Attributes:
        lineage: For a column's name, the upstream columns that it is made of.
        copies: The dependency whose columns an asset has one by one; ``None`` where it is made otherwise.
        renamed: By the name of such a column, the one that it has upstream, where that is another.
        added: How the names of columns begin that come of none.
    """

    lineage: Lineage = field(default_factory=dict)
    copies: dg.AssetKey | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    added: str | None = None

    def upstream(self, column: str) -> str | None:
        """The column that a copied one comes of; ``None`` where it is none of them."""
        if self.copies is None or (self.added and column.lower().startswith(self.added)):
            return None
        if column in self.renamed:
            return self.renamed[column]
        return None if column.lower() in {name.lower() for name in self.renamed.values()} else column

    def downstream(self, column: str) -> str:
        """What a column of the copied table is called in this one."""
        names = {origin.lower(): name for name, origin in self.renamed.items()}
        return names.get(column.lower(), column)


@runtime_checkable
class StatesColumns(Protocol):
    """A note on asset specs that knows their columns."""

    def columns_of(self, specs: Sequence[dg.AssetSpec]) -> Mapping[dg.AssetKey, AssetColumns]:
        """Return the columns of assets, as far as they are known without connecting to anything.

        Args:
            specs: The specs that carry the note.
        """


def stated_columns(specs: Sequence[dg.AssetSpec]) -> Mapping[dg.AssetKey, AssetColumns]:
    """Return the columns of assets whose specs carry a note that knows them.

    Args:
        specs: The specs.
    """
    by_note: dict[int, tuple[StatesColumns, list[dg.AssetSpec]]] = {}
    for spec in specs:
        note = note_of(spec.metadata)
        if isinstance(note, StatesColumns):
            by_note.setdefault(id(note), (note, []))[1].append(spec)
    found: dict[dg.AssetKey, AssetColumns] = {}
    for note, own in by_note.values():
        found.update(note.columns_of(own))
    return found
