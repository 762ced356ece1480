"""The assets of definitions, each with the tables that it states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import dagster as dg

from mainstem.assets import AssetTables, stated_tables
from mainstem.graph.python_assets import read_by, stated_in

__all__ = ["Node", "nodes_of"]


@dataclass(frozen=True)
class Node:
    """An asset.

    Attributes:
        spec: Its spec.
        tables: The tables that it states.
        makes: Whether it is materialized here: otherwise its table is there without us.
    """

    spec: dg.AssetSpec
    tables: AssetTables
    makes: bool

    @property
    def key(self) -> dg.AssetKey:
        """Its key."""
        return self.spec.key


def nodes_of(defs: dg.Definitions) -> Sequence[Node]:
    """Return the assets of definitions. Nothing is connected to.

    Args:
        defs: The definitions. An older ``SourceAsset`` in them is passed over.
    """
    resources = dict(defs.resources or {})
    nodes: list[Node] = []
    alone: list[dg.AssetSpec] = []
    for each in defs.assets or ():
        if isinstance(each, dg.AssetSpec):
            alone.append(each)
        elif isinstance(each, dg.AssetsDefinition):
            own = {**_required(each, resources), **each.resource_defs}
            nodes += _nodes(list(each.specs), own, resources, makes=each.is_materializable)
    return [*nodes, *_nodes(alone, resources, resources, makes=False)]


def _required(assets_def: dg.AssetsDefinition, resources: Mapping[str, object]) -> dict[str, object]:
    if not assets_def.is_executable:
        return dict(resources)
    needed = assets_def.required_resource_keys
    return {key: resource for key, resource in resources.items() if key in needed}


def _nodes(
    specs: Sequence[dg.AssetSpec],
    own: Mapping[str, object],
    resources: Mapping[str, object],
    *,
    makes: bool,
) -> Sequence[Node]:
    stated = stated_tables([spec for spec in specs if stated_in(spec.metadata) is None], own)
    return [Node(spec, _python(spec, resources, stated.get(spec.key)), makes) for spec in specs]


def _python(spec: dg.AssetSpec, resources: Mapping[str, object], tables: AssetTables | None) -> AssetTables:
    """What is stated in the way of Python assets, besides what a tool states.

    A Python asset may name any connection that is there: it needs no resource for it.
    """
    if tables is None:
        stated = stated_in(spec.metadata)
        tables = stated.tables_of([spec], resources)[spec.key] if stated else AssetTables()
    reads, unknown = read_by(spec, resources)
    if not reads and not unknown:
        return tables
    return replace(tables, reads=[*tables.reads, *reads], unknown=[*tables.unknown, *unknown])
