"""The columns of a whole graph, and what each is made of, across tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from mainstem.assets.column_graph import ColumnGraph, ColumnNode, GraphColumn, Impact, columns_of_specs

__all__ = ["ColumnGraph", "ColumnNode", "GraphColumn", "Impact", "column_graph"]


def column_graph(
    defs: dg.Definitions, latest: Callable[[dg.AssetKey], Mapping[str, Any]] | None = None
) -> ColumnGraph:
    """Put together what all tools know of their columns.

    Args:
        defs: The definitions, wired.
        latest: Gives the metadata of an asset's latest materialization: what a run has found out is better
            known than what was planned. ``None`` for no history.
    """
    checks = defs.resolve_asset_graph().asset_check_keys
    return columns_of_specs(defs.resolve_all_asset_specs(), checks, latest)
