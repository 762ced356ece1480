"""The page: one HTML file, with its style, its script and its data in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from mainstem.graph.columns import ColumnGraph
from mainstem.graph.report.columns import columns_data
from mainstem.graph.report.drawing import STATES, anchor, drawn, state_of
from mainstem.graph.status import AssetStatus

__all__ = ["report_page"]


def report_page(title: str, statuses: Sequence[AssetStatus], columns: ColumnGraph, when: str) -> str:
    """Return the page.

    Args:
        title: Its title.
        statuses: The assets, what is upstream before what is downstream.
        columns: Their columns.
        when: The time that it tells of.
    """
    counts = Counter(map(state_of, statuses))
    told = ", ".join(
        f'<span class="count {name}">{counts[name]} {name}</span>' for name in STATES if counts[name]
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_part("page.css")}</style></head><body>'
        f"<h1>{escape(title)}</h1><p>{len(statuses)} assets: {told or 'none'}. {escape(when)}</p>"
        f'<div class="graph">{drawn(statuses)}</div>'
        '<div class="columns-of"><div><input id="search" type="search" placeholder="Look for a column"'
        ' aria-label="Look for a column"><ul id="found"></ul></div><div id="way"></div></div>'
        f'<div class="scroll">{_table(statuses)}</div>'
        f'<script type="application/json" id="columns">{columns_data(statuses, columns)}</script>'
        f"<script>{_part('page.js')}</script></body></html>\n"
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _table(statuses: Sequence[AssetStatus]) -> str:
    heads = ("Asset", "Group", "Last", "Rows", "Stale because", "Failing checks", "Next run")
    rows = []
    for each in statuses:
        upcoming = "; ".join(map(str, each.schedules)) or ("automated" if each.automated else "")
        cells = (each.group, _time(each), "; ".join(each.stale), ", ".join(each.failing), upcoming)
        group, at, stale, failing, following = (escape(cell or "") for cell in cells)
        name = f'<a href="{escape(anchor(each.key))}">{escape(each.name)}</a>'
        rows.append(
            f'<tr class="{state_of(each)}"><td>{name}</td><td>{group}</td><td>{at}</td><td class="number">'
            f"{'' if each.rows is None else f'{each.rows:,}'}</td><td>{stale}</td><td>{failing}</td>"
            f"<td>{following}</td></tr>"
        )
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _time(status: AssetStatus) -> str:
    if status.at is None:
        return "" if status.external else "never"
    return f"{status.at:%Y-%m-%d %H:%M:%S} UTC"
