"""The graph of columns around an asset that runs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import dagster as dg

from mainstem.assets.column_graph import ColumnGraph, columns_of_specs
from mainstem.assets.events import ExecutionContext
from mainstem.assets.history import latest_metadata

__all__ = ["columns_around"]


def columns_around(context: ExecutionContext) -> ColumnGraph:
    """Return the columns of all assets of the code location; where that is not loaded, of those of the job.

    Args:
        context: The context of the asset or op that runs.
    """
    graph: Any = context.job_def.asset_layer.asset_graph
    with suppress(Exception):  # an assertion of Dagster's own, where assets run without a code location
        graph = context.repository_def.asset_graph
    specs: list[dg.AssetSpec] = [spec for each in graph.assets_defs for spec in each.specs]
    return columns_of_specs(specs, graph.asset_check_keys, latest_metadata(context.instance))
