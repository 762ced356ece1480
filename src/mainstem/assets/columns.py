"""What an adapter states of the columns of its assets before any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import dagster as dg

from mainstem.assets.definition import note_of

__all__ = ["AssetColumns", "StatesColumns", "reported_columns", "rows_metadata", "stated_columns"]

Lineage = Mapping[str, Sequence[dg.TableColumnDep]]
_LINEAGE = "dagster/column_lineage"
# What Dagster has no key for: the columns that choose the rows, and why not all is traced.
_ROWS, _UNTRACED = "mainstem/rows_chosen_by", "mainstem/columns_untraced"


@dataclass(frozen=True)
class AssetColumns:
    """The columns of one asset.

    Attributes:
        lineage: For a column's name, the upstream columns that it is made of.
        copies: The dependency whose columns an asset has one by one; ``None`` where it is made otherwise.
        renamed: By the name of such a column, the one that it has upstream, where that is another.
        added: How the names of columns begin that come of none.
        rows: The upstream columns that choose its rows, group them or put them in order.
        untraced: Why not all of this is known, in a part of a sentence: the asset then counts as made of all
            columns of what it reads. ``None`` where all is known.
    """

    lineage: Lineage = field(default_factory=dict)
    copies: dg.AssetKey | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    added: str | None = None
    rows: Sequence[dg.TableColumnDep] = ()
    untraced: str | None = None

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


def rows_metadata(rows: Sequence[dg.TableColumnDep], untraced: str | None) -> Mapping[str, Any]:
    """Return what a run tells of an asset's columns besides Dagster's column lineage.

    Args:
        rows: As in `AssetColumns`.
        untraced: As in `AssetColumns`.
    """
    found: dict[str, Any] = {}
    if rows:
        by_asset: dict[str, list[str]] = {}
        for dep in rows:
            by_asset.setdefault(dep.asset_key.to_user_string(), []).append(dep.column_name)
        found[_ROWS] = dg.MetadataValue.json(by_asset)
    if untraced:
        found[_UNTRACED] = dg.MetadataValue.text(untraced)
    return found


def reported_columns(metadata: Mapping[str, Any]) -> AssetColumns:
    """Return what the metadata of a spec or of a run tells of an asset's columns.

    Args:
        metadata: The metadata.
    """
    lineage = _value(metadata, _LINEAGE)
    by_asset = _value(metadata, _ROWS)
    rows = [
        dg.TableColumnDep(dg.AssetKey.from_user_string(key), str(name))
        for key, names in (by_asset.items() if isinstance(by_asset, Mapping) else ())
        for name in names
    ]
    untraced = _value(metadata, _UNTRACED)
    return AssetColumns(
        lineage.deps_by_column if isinstance(lineage, dg.TableColumnLineage) else {},
        rows=rows,
        untraced=str(untraced) if untraced else None,
    )


def _value(metadata: Mapping[str, Any], key: str) -> Any:
    found = metadata.get(key)
    return found.value if isinstance(found, dg.MetadataValue) else found
