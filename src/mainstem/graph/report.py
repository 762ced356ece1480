"""The status of a graph as one HTML file with the graph drawn: it needs no server, script or network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape

import dagster as dg

from mainstem.graph.status import AssetStatus

__all__ = ["report_page"]

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 210, 52, 70, 16, 20
_LONGEST = 28
_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 24px; background: #fff; color: #1f2430; }
h1 { font-size: 20px; margin: 0 0 4px; } p { margin: 0 0 16px; color: #5c6270; }
.graph { overflow-x: auto; border: 1px solid #dfe2e8; border-radius: 8px; margin-bottom: 24px; }
.node rect { fill: #f4f6fa; stroke: #b6bcc8; } .node text { fill: #1f2430; font-size: 12px; }
.node .more { fill: #5c6270; font-size: 11px; } .edge { fill: none; stroke: #a9b0bd; stroke-width: 1.3; }
.fresh rect { fill: #e9f7ee; stroke: #4ca36b; } .stale rect { fill: #fff5dd; stroke: #d19a1c; }
.failing rect { fill: #fde8e7; stroke: #cc4b43; } .external rect { stroke-dasharray: 4 3; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid #e4e7ec; vertical-align: top; }
th { font-weight: 600; color: #5c6270; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) {
  body { background: #16181d; color: #e4e7ec; } p, th, .node .more { color: #9aa1af; fill: #9aa1af; }
  .node text { fill: #e4e7ec; } .node rect { fill: #20242c; } th, td, .graph { border-color: #333945; }
  .fresh rect { fill: #17301f; } .stale rect { fill: #33290f; } .failing rect { fill: #3a1c1a; }
}
"""


def report_page(title: str, statuses: Sequence[AssetStatus], when: str) -> str:
    """Return the page.

    Args:
        title: Its title.
        statuses: The assets, what is upstream before what is downstream.
        when: The time that it tells of.
    """
    counts = {name: sum(_state(each) == name for each in statuses) for name in ("fresh", "stale", "failing")}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1><p>{len(statuses)} assets: {told}. {escape(when)}</p>"
        f'<div class="graph">{_drawn(statuses)}</div>{_table(statuses)}</body></html>\n'
    )


def _state(status: AssetStatus) -> str:
    if status.failing:
        return "failing"
    if status.external:
        return "external"
    return "stale" if status.stale else "fresh"


def _table(statuses: Sequence[AssetStatus]) -> str:
    heads = ("Asset", "Group", "Last", "Rows", "Stale because", "Failing checks", "Schedules")
    rows = []
    for each in statuses:
        cells = (each.group, _time(each), None, "; ".join(each.stale), ", ".join(each.failing))
        group, at, _, stale, failing = (escape(cell or "") for cell in cells)
        rows.append(
            f"<tr><td>{escape(each.name)}</td><td>{group}</td><td>{at}</td><td class='number'>"
            f"{'' if each.rows is None else f'{each.rows:,}'}</td><td>{stale}</td><td>{failing}</td>"
            f"<td>{escape(', '.join(each.schedules))}</td></tr>"
        )
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _time(status: AssetStatus) -> str:
    if status.at is None:
        return "" if status.external else "never"
    return f"{status.at:%Y-%m-%d %H:%M:%S} UTC"


def _drawn(statuses: Sequence[AssetStatus]) -> str:
    places = _places(statuses)
    edges, nodes = [], []
    for each in statuses:
        x, y = places[each.key]
        for key in each.upstream:
            if key in places:
                edges.append(_edge(places[key], (x, y)))
        nodes.append(_box(each, x, y))
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
    height = max((y for _, y in places.values()), default=0) + _HEIGHT + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">'
        f"{''.join(edges)}{''.join(nodes)}</svg>"
    )


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<path class="edge" d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"/>'


def _box(status: AssetStatus, x: int, y: int) -> str:
    name = status.name if len(status.name) <= _LONGEST else f"…{status.name[1 - _LONGEST :]}"
    rows = "" if status.rows is None else f"{status.rows:,} rows"
    more = " · ".join(part for part in (", ".join(status.kinds), rows) if part)
    why = "; ".join([*status.stale, *(f"{check} failed" for check in status.failing)])
    return (
        f'<g class="node {_state(status)}"><title>{escape(status.name)}{escape(f": {why}" if why else "")}'
        f'</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + 10}" y="{y + 22}">{escape(name)}</text>'
        f'<text class="more" x="{x + 10}" y="{y + 40}">{escape(more)}</text></g>'
    )


def _places(statuses: Sequence[AssetStatus]) -> Mapping[dg.AssetKey, tuple[int, int]]:
    """Where each asset stands: a column to the right of all that it reads, near the middle of these."""
    column: dict[dg.AssetKey, int] = {}
    for each in statuses:
        column[each.key] = max((column[key] + 1 for key in each.upstream if key in column), default=0)
    upstream = {each.key: [key for key in each.upstream if key in column] for each in statuses}
    rank: dict[dg.AssetKey, float] = {}
    by_column: dict[int, list[dg.AssetKey]] = defaultdict(list)
    for key, number in column.items():
        by_column[number].append(key)
    places = {}
    for number, keys in sorted(by_column.items()):
        wanted = {
            key: sum(rank[up] for up in upstream[key]) / len(upstream[key]) if upstream[key] else float(index)
            for index, key in enumerate(keys)
        }
        for index, key in enumerate(sorted(keys, key=lambda key: wanted[key])):
            rank[key] = index
            places[key] = (_MARGIN + number * (_WIDTH + _GAP_X), _MARGIN + index * (_HEIGHT + _GAP_Y))
    return places
