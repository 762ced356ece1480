"""What an adapter states of the physical tables of its assets, for whoever joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import dagster as dg

from mainstem.assets.definition import note_of
from mainstem.identity import PhysicalTable

__all__ = [
    "WIRED",
    "AssetTables",
    "ReadTable",
    "StatesTables",
    "WrittenTable",
    "stated_tables",
    "wired_keys",
    "wired_keys_of",
]

#: The metadata key under which `wire` says which dependencies of an asset it has joined, and why.
WIRED = "mainstem/wired"


@dataclass(frozen=True)
class WrittenTable:
    """A table that an asset writes.

    Attributes:
        table: The table.
        what: What writes it, in the tool's words, such as ``stream data.orders``.
        nested: How the names of further tables begin that it writes along with this one; empty for none.
    """

    table: PhysicalTable
    what: str
    nested: str = ""


@dataclass(frozen=True)
class ReadTable:
    """A table behind a dependency of an asset.

    Attributes:
        key: The key of the dependency.
        tables: The table. Where the tool looks for a name in several spellings, each of them, in its order.
        what: What is read, in the tool's words, such as ``source raw.orders``.
        explicit: The user named the asset: no other is looked for.
        usual: The key is the tool's own default, which nobody chose.
    """

    key: dg.AssetKey
    tables: Sequence[PhysicalTable]
    what: str
    explicit: bool = False
    usual: bool = True


@dataclass(frozen=True)
class AssetTables:
    """The tables of one asset.

    Attributes:
        writes: Those that it is: that it writes, or, where nobody materializes it, that it stands for.
        reads: Those behind its dependencies.
        unknown: Why a table is not known, in sentences.
    """

    writes: Sequence[WrittenTable] = ()
    reads: Sequence[ReadTable] = ()
    unknown: Sequence[str] = ()


@runtime_checkable
class StatesTables(Protocol):
    """A note on asset specs that knows their tables."""

    def tables_of(
        self, specs: Sequence[dg.AssetSpec], resources: Mapping[str, object]
    ) -> Mapping[dg.AssetKey, AssetTables]:
        """Return the tables of assets, as far as they are known without connecting to anything.

        Args:
            specs: The specs that carry the note, of one assets definition.
            resources: The resources of the definitions, by key: those of the assets definition first.
        """


def stated_tables(
    specs: Sequence[dg.AssetSpec], resources: Mapping[str, object]
) -> Mapping[dg.AssetKey, AssetTables]:
    """Return the tables of assets whose specs carry a note that knows them.

    Args:
        specs: The specs of one assets definition.
        resources: The resources of the definitions, by key.
    """
    by_note: dict[int, tuple[StatesTables, list[dg.AssetSpec]]] = {}
    for spec in specs:
        note = note_of(spec.metadata)
        if isinstance(note, StatesTables):
            by_note.setdefault(id(note), (note, []))[1].append(spec)
    found: dict[dg.AssetKey, AssetTables] = {}
    for note, own in by_note.values():
        found.update(note.tables_of(own, resources))
    return found


def wired_keys(metadata: Mapping[str, Any]) -> Mapping[dg.AssetKey, dg.AssetKey]:
    """Return which dependencies of an asset were joined, by their own keys: to which assets.

    A key behind which several tables turned out to be is not among them.

    Args:
        metadata: The asset's.
    """
    said: Any = metadata.get(WIRED)
    said = getattr(said, "data", said) or {}
    return {
        dg.AssetKey.from_user_string(key): dg.AssetKey.from_user_string(joints[0]["asset"])
        for key, joints in said.items()
        if len(joints) == 1
    }


def wired_keys_of(assets_def: dg.AssetsDefinition | None) -> Mapping[dg.AssetKey, dg.AssetKey]:
    """Return which dependencies of an assets definition were joined, by what its tool calls them.

    A key that is another asset for another of its assets is not among them.

    Args:
        assets_def: The definition; ``None`` for none.
    """
    found: dict[dg.AssetKey, set[dg.AssetKey]] = {}
    for spec in assets_def.specs if assets_def is not None else ():
        wired = wired_keys(spec.metadata)
        for key in {*(dep.asset_key for dep in spec.deps), *wired}:
            found.setdefault(key, set()).add(wired.get(key, key))
    return {key: keys.pop() for key, keys in found.items() if len(keys) == 1}
