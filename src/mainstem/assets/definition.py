"""How an adapter's decorator leaves its resource a note: which source or manifest the assets are made of.

Dagster hands a resource the context, and the context hands it the assets definition. The note travels as
metadata of each asset spec, so that it survives selection, attribute changes and merging of definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import dagster as dg

_KEY = "mainstem/definition"

T = TypeVar("T")


class _Note(str):
    """What is attached, as a text that names its class: Dagster refuses metadata of any other kind."""

    __slots__ = ("definition",)

    definition: object

    def __new__(cls, definition: object) -> _Note:
        note = super().__new__(cls, type(definition).__name__)
        note.definition = definition
        return note


def condition_of_policy(translator: object, subject: object) -> dg.AutomationCondition[Any] | None:
    """The condition of a translator's ``get_auto_materialize_policy``, which older projects override.

    Args:
        translator: The user's translator. ``None`` is returned where it has no such method.
        subject: What the method takes: the stream, the resource or the node.
    """
    method = getattr(translator, "get_auto_materialize_policy", None)
    policy: dg.AutoMaterializePolicy | None = method(subject) if method is not None else None
    return None if policy is None else policy.to_automation_condition()


def attach_definition(spec: dg.AssetSpec, definition: object) -> dg.AssetSpec:
    """Return ``spec`` carrying ``definition``.

    Args:
        spec: The asset's spec.
        definition: What the adapter's resource needs in order to run this asset. Never serialized.
    """
    return spec.merge_attributes(metadata=definition_metadata(definition))


def definition_metadata(definition: object) -> dict[str, Any]:
    """Return what ``attach_definition`` adds, for whoever is making a spec: adding it later makes another.

    Args:
        definition: What the adapter's resource needs in order to run this asset. Never serialized.
    """
    return {_KEY: _Note(definition)}


def definition_of(assets_def: dg.AssetsDefinition, kind: type[T]) -> T | None:
    """Return what the decorator attached, if it is of the adapter's own kind.

    Args:
        assets_def: The assets definition that is being run.
        kind: The adapter's class of notes.

    Returns:
        The note of the first asset that has one of that class, or ``None``: the assets were not made by
        this adapter's decorator.
    """
    for metadata in assets_def.metadata_by_key.values():
        note = note_of(metadata)
        if isinstance(note, kind):
            return note
    return None


def note_of(metadata: Mapping[str, Any]) -> object:
    """Return what was attached to a spec, by its metadata; ``None`` where nothing was."""
    note = metadata.get(_KEY)
    # Dagster may have made metadata of the text.
    return getattr(getattr(note, "value", note), "definition", None)
