"""`mainstem graph`, `lineage` and `impact`: what the tables and columns of a project are made of."""

from __future__ import annotations

from typing import Any

from rich.text import Text
from rich.tree import Tree

from mainstem.cli.exits import DONE
from mainstem.cli.output import json_line, show
from mainstem.graph import explained, wire
from mainstem.graph.columns import ColumnGraph, ColumnNode, GraphColumn, Impact, column_graph
from mainstem.graph.history import latest_metadata, the_instance
from mainstem.graph.load import load_definitions
from mainstem.graph.source_changes import source_changes

__all__ = ["explain_graph", "show_changes", "show_impact", "show_lineage"]


def explain_graph(module: str | None, file: str | None, *, as_json: bool) -> int:
    """Tell each joint of the graph and why, and what is not known."""
    wiring = explained(load_definitions(module, file))
    joints = sorted(wiring.joints, key=lambda joint: (str(joint.consumer), str(joint.dependency)))
    unknown = {key.to_user_string(): list(why) for key, why in sorted(wiring.unknown.items())}
    if as_json:
        told = [
            {
                "asset": joint.consumer.to_user_string(),
                "dependency": joint.dependency.to_user_string(),
                "is": joint.producer.to_user_string(),
                "table": str(joint.table),
                "because": joint.because,
            }
            for joint in joints
        ]
        json_line({"joints": told, "unknown": unknown})
        return DONE
    for joint in joints:
        show(
            Text.assemble(
                (joint.consumer.to_user_string(), "bold"),
                f" reads {joint.dependency.to_user_string()}, which is ",
                (joint.producer.to_user_string(), "bold"),
                f"\n  {joint.because}",
            )
        )
    show(Text(f"{len(joints)} joints"))
    for key, why in unknown.items():
        show(Text(f"{key}: its tables are not known\n  " + "\n  ".join(why), style="yellow"))
    return DONE


def show_lineage(column: str, module: str | None, file: str | None, *, down: bool, as_json: bool) -> int:
    """Show what a column is made of, or what is made of it, as a tree; and where that is not all known."""
    graph = _graph(module, file)
    found = graph.find(column)
    node = graph.downstream(found) if down else graph.upstream(found)
    shown = {found.asset, *(each.asset for each in node.columns())}
    untraced = graph.untraced([*shown, *graph.readers(found)] if down else shown)
    if as_json:
        reasons = {key.to_user_string(): why for key, why in untraced.items()}
        json_line({**_data(node), "untraced": reasons})
        return DONE
    show(_tree(node))
    for key, why in untraced.items():
        told = "may depend on it" if key not in shown else "may be made of all columns that it reads"
        show(Text(f"{key.to_user_string()}: {told}, for {why}", style="yellow"))
    return DONE


def show_impact(column: str, module: str | None, file: str | None, *, as_json: bool) -> int:
    """List what depends on a column: columns, assets, checks."""
    graph = _graph(module, file)
    impact = graph.impact(graph.find(column))
    if as_json:
        json_line(_impact_data(impact))
        return DONE
    _show_impact(graph, impact)
    return DONE


def show_changes(module: str | None, file: str | None, *, as_json: bool) -> int:
    """List the columns of the sources that are not what they were, and what depends on each."""
    defs = wire(load_definitions(module, file))
    with the_instance(needed=False) as instance:
        latest = latest_metadata(instance)
        graph = column_graph(defs, latest)
        changes = source_changes(defs, latest)
    found = [(change, graph.impact(GraphColumn(change.asset, change.column))) for change in changes]
    if as_json:
        told = [
            {**_impact_data(impact), "what": change.what, "type": change.type, "since": change.since}
            for change, impact in found
        ]
        json_line({"changes": told})
        return DONE
    for change, impact in found:
        show(
            Text(f"{change.what}: {impact.column} ({change.type}) since {change.since}", style="bold yellow")
        )
        _show_impact(graph, impact, indent="  ")
    show(Text(f"{len(found)} changes"))
    return DONE


def _impact_data(impact: Impact) -> dict[str, Any]:
    return {
        "column": str(impact.column),
        "columns": [str(each) for each in impact.columns],
        "assets": [key.to_user_string() for key in impact.assets],
        "checks": list(impact.checks),
    }


def _show_impact(graph: ColumnGraph, impact: Impact, indent: str = "") -> None:
    assets = [Text.assemble(key.to_user_string(), (_kinds(graph, key), "dim")) for key in impact.assets]
    columns, checks = ([Text(str(each)) for each in listed] for listed in (impact.columns, impact.checks))
    for title, listed in (("columns", columns), ("assets", assets), ("checks", checks)):
        show(Text(f"{indent}{len(listed)} {title}", style="bold"))
        for each in listed:
            show(Text.assemble(f"{indent}  ", each))


def _kinds(graph: ColumnGraph, key: Any) -> str:
    kinds = sorted(graph.specs[key].kinds) if key in graph.specs else []
    return f" ({', '.join(kinds)})" if kinds else ""


def _graph(module: str | None, file: str | None) -> ColumnGraph:
    defs = wire(load_definitions(module, file))
    with the_instance(needed=False) as instance:
        return column_graph(defs, latest_metadata(instance))


def _data(node: ColumnNode) -> dict[str, Any]:
    own: dict[str, Any] = {"asset": node.column.asset.to_user_string(), "column": node.column.name}
    if node.seen:
        own["seen"] = True
    return {**own, "columns": [_data(other) for other in node.others]}


def _tree(node: ColumnNode, under: Tree | None = None) -> Tree:
    told = Text(f"{node.column}{' …' if node.seen else ''}")
    tree = under.add(told) if under is not None else Tree(told, guide_style="dim")
    for other in node.others:
        _tree(other, tree)
    return tree
