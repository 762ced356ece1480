"""A graph of assets as SVG: what is upstream to the left of what is downstream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

import dagster as dg

from mainstem.graph.status import AssetStatus

__all__ = ["STATES", "anchor", "drawn", "state_of"]

#: How an asset may be.
STATES = ("fresh", "stale", "failing", "external")
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 210, 52, 70, 16, 20
# How wide a text may be, in the width of a usual letter; those of East Asia take two.
_LONGEST, _MORE, _WIDE = 27, 32, 0x1100
_TURNS = 4


def state_of(status: AssetStatus) -> str:
    """In one word, how an asset is."""
    if status.failing:
        return "failing"
    if status.external:
        return "external"
    return "stale" if status.stale else "fresh"


def anchor(asset: dg.AssetKey) -> str:
    """How the page's address ends where an asset is chosen."""
    return f"#{quote('.'.join(asset.path), safe='')}"


def drawn(statuses: Sequence[AssetStatus]) -> str:
    """Return the picture.

    Args:
        statuses: The assets, what is upstream before what is downstream.
    """
    places = _places(statuses)
    numbers = {each.key: number for number, each in enumerate(statuses)}
    edges, nodes = [], []
    for number, each in enumerate(statuses):
        for key in each.upstream:
            if key in places and key != each.key:
                edges.append(_edge(places[key], places[each.key], numbers[key], number))
        nodes.append(_box(each, *places[each.key], number))
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
    height = max((y for _, y in places.values()), default=0) + _HEIGHT + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img"'
        f' aria-label="{len(nodes)} assets and what each is made of">{"".join(edges)}{"".join(nodes)}</svg>'
    )


def _edge(start: tuple[int, int], end: tuple[int, int], source: int, target: int) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    middle = (x1 + x2) // 2
    way = f"M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"
    return f'<path class="edge" data-edge="{source}-{target}" d="{way}"/>'


def _box(status: AssetStatus, x: int, y: int, number: int) -> str:
    rows = "" if status.rows is None else f"{status.rows:,} rows"
    more = " · ".join(part for part in (", ".join(status.kinds), rows) if part)
    name, more = _short(status.name, _LONGEST), _short(more[::-1], _MORE)[::-1]
    why = "; ".join([*status.stale, *(f"{check} failed" for check in status.failing)])
    return (
        f'<a href="{escape(anchor(status.key))}"><g class="node {state_of(status)}" data-node="{number}">'
        f"<title>{escape(status.name)}{escape(f': {why}' if why else '')}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + 10}" y="{y + 22}">{escape(name)}</text>'
        f'<text class="more" x="{x + 10}" y="{y + 40}">{escape(more)}</text></g></a>'
    )


def _short(text: str, room: int) -> str:
    """The end of a text, which tells most of a name, as far as it fits."""
    for taken, letter in enumerate(reversed(text)):
        room -= 2 if ord(letter) >= _WIDE else 1
        if room < 0:
            return f"…{text[len(text) - taken + 1 :]}"
    return text


def _places(statuses: Sequence[AssetStatus]) -> Mapping[dg.AssetKey, tuple[int, int]]:
    """Where each asset stands: to the right of all that it reads, as near to its neighbours as can be."""
    layer: dict[dg.AssetKey, int] = {}
    for each in statuses:
        layer[each.key] = max((layer[key] + 1 for key in each.upstream if key in layer), default=0)
    up = {each.key: [key for key in each.upstream if key in layer] for each in statuses}
    down: dict[dg.AssetKey, list[dg.AssetKey]] = defaultdict(list)
    for key, others in up.items():
        for other in others:
            down[other].append(key)
    # What others begin with stands right before the first of them.
    for key in layer:
        if not up[key] and down[key]:
            layer[key] = min(layer[other] for other in down[key]) - 1
    layers: dict[int, list[dg.AssetKey]] = defaultdict(list)
    for key, number in layer.items():
        layers[number].append(key)
    rank = {key: float(index) for keys in layers.values() for index, key in enumerate(keys)}
    for turn in range(_TURNS):
        near = down if turn % 2 else up
        for number in sorted(layers, reverse=bool(turn % 2)):
            middle = {key: _mean([rank[other] for other in near[key]], rank[key]) for key in layers[number]}
            layers[number].sort(key=lambda key, middle=middle: middle[key])  # type: ignore[misc]
            rank.update({key: float(index) for index, key in enumerate(layers[number])})
    return {
        key: (_MARGIN + number * (_WIDTH + _GAP_X), _MARGIN + index * (_HEIGHT + _GAP_Y))
        for number, keys in layers.items()
        for index, key in enumerate(keys)
    }


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
