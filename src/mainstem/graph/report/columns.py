"""The columns of a graph for the page's script: what each is made of."""

from __future__ import annotations

import json
from collections.abc import Sequence

import dagster as dg

from mainstem.graph.columns import ColumnGraph, GraphColumn
from mainstem.graph.status import AssetStatus

__all__ = ["columns_data"]


def columns_data(statuses: Sequence[AssetStatus], columns: ColumnGraph) -> str:
    """Return the columns as JSON that may stand within a page.

    Of each asset its name and its columns, and of each column its name and, by the numbers of an asset and
    a column, those that it is made of.

    Args:
        statuses: The assets, as they are drawn.
        columns: Their columns.
    """
    names = {each.key: ".".join(each.key.path) for each in statuses}
    known: dict[dg.AssetKey, list[GraphColumn]] = {key: [] for key in names}
    for column in sorted(columns.all, key=lambda column: column.name):
        names.setdefault(column.asset, ".".join(column.asset.path))
        known.setdefault(column.asset, []).append(column)
    places = {
        column.same: (number, index)
        for number, key in enumerate(names)
        for index, column in enumerate(known[key])
    }
    data = [
        [
            name,
            [
                [column.name, [places[other.same] for other in columns.made_of(column)]]
                for column in known[key]
            ],
        ]
        for key, name in names.items()
    ]
    # Nothing in it can end the element that it stands in.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
