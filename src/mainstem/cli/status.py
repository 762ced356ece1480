"""`mainstem status` and `mainstem report`: how the whole graph is, from the Dagster instance."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from rich.text import Text

from mainstem.cli.exits import DONE
from mainstem.cli.output import json_line, show
from mainstem.graph import wire
from mainstem.graph.columns import column_graph
from mainstem.graph.history import latest_metadata, the_instance
from mainstem.graph.load import load_definitions
from mainstem.graph.report import report_page
from mainstem.graph.status import AssetStatus, graph_status

__all__ = ["show_status", "write_report"]


def show_status(module: str | None, file: str | None, *, as_json: bool) -> int:
    """Show the status of each asset."""
    statuses = _statuses(module, file)
    if as_json:
        json_line({"assets": [_data(each) for each in statuses]})
        return DONE
    widest = max((len(each.name) for each in statuses), default=0)
    for each in statuses:
        at = f"{each.at:%Y-%m-%d %H:%M}" if each.at else "never"
        rows = "" if each.rows is None else f"{each.rows:,} rows"
        told = "; ".join(map(str, each.schedules)) or ("automated" if each.automated else "")
        show(Text(f"{each.name:<{widest}}  {at:<16}  {rows:>16}  {told}".rstrip()))
        for why, style in (("stale: ", "yellow"), ("failing: ", "red")):
            causes = each.stale if style == "yellow" else each.failing
            if causes:
                show(Text(f"{'':<{widest}}  {why}{'; '.join(causes)}", style=style))
    return DONE


def write_report(module: str | None, file: str | None, output: str) -> int:
    """Write the status as one HTML file."""
    defs = wire(load_definitions(module, file))
    with the_instance() as instance:
        statuses = graph_status(defs, instance) if instance is not None else []
        columns = column_graph(defs, latest_metadata(instance))
    now = datetime.now(timezone.utc)
    page = report_page(Path.cwd().name, statuses, columns, f"As of {now:%Y-%m-%d %H:%M} UTC.")
    Path(output).write_text(page, encoding="utf-8")
    show(Text(f"Wrote {output}."))
    return DONE


def _statuses(module: str | None, file: str | None) -> list[AssetStatus]:
    defs = wire(load_definitions(module, file))
    with the_instance() as instance:
        return list(graph_status(defs, instance)) if instance is not None else []


def _data(status: AssetStatus) -> dict[str, object]:
    return {
        "asset": status.name,
        "group": status.group,
        "external": status.external,
        "materialized": status.at,
        "rows": status.rows,
        "stale": list(status.stale),
        "failing_checks": list(status.failing),
        "schedules": [asdict(schedule) for schedule in status.schedules],
        "automated": status.automated,
    }
