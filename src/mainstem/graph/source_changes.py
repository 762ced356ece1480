"""Which columns of the sources are not what they were, asked of the sources themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from mainstem.assets import note_of
from mainstem.assets.source_changes import SourceChange, TellsSourceChanges

__all__ = ["SourceChange", "source_changes"]


def source_changes(
    defs: dg.Definitions, latest: Callable[[dg.AssetKey], Mapping[str, Any]]
) -> Sequence[SourceChange]:
    """Connect to the sources, and tell which of their columns are not what they were when last read.

    Args:
        defs: The definitions, wired.
        latest: Gives the metadata of an asset's latest materialization.

    Raises:
        MainstemError: A source cannot be looked at.
    """
    resources = dict(defs.resources or {})
    found: dict[SourceChange, None] = {}
    for each in defs.assets or ():
        if not isinstance(each, dg.AssetsDefinition) or not each.is_materializable:
            continue
        by_note: dict[int, tuple[TellsSourceChanges, list[dg.AssetSpec]]] = {}
        for spec in each.specs:
            note = note_of(spec.metadata)
            if isinstance(note, TellsSourceChanges):
                by_note.setdefault(id(note), (note, []))[1].append(spec)
        for note, specs in by_note.values():
            told = note.source_changes(specs, {**resources, **each.resource_defs}, latest)
            found.update(dict.fromkeys(told))
    return list(found)
