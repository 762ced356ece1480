"""`mainstem refresh`: make what has changed, and say what was skipped."""

from __future__ import annotations

from rich.text import Text

from mainstem.cli.exits import DONE, FAILED
from mainstem.cli.output import json_line, show
from mainstem.graph import refresh as refreshing
from mainstem.graph import wire
from mainstem.graph.history import the_instance
from mainstem.graph.load import load_definitions

__all__ = ["refresh_graph"]

_STYLES = {refreshing.MADE: "green", refreshing.FAILED: "red", refreshing.SKIPPED: "dim"}


def refresh_graph(module: str | None, file: str | None, *, as_json: bool) -> int:
    """Make what has changed."""
    defs = wire(load_definitions(module, file))
    with the_instance() as instance:
        told = refreshing.refresh(defs, instance) if instance is not None else []
    failed = any(each.outcome == refreshing.FAILED for each in told)
    if as_json:
        json_line(
            {
                "assets": [
                    {"asset": each.status.name, "outcome": each.outcome, "why": each.why} for each in told
                ]
            }
        )
        return FAILED if failed else DONE
    widest = max((len(each.status.name) for each in told), default=0)
    for each in told:
        show(
            Text.assemble(
                f"{each.status.name:<{widest}}  ",
                (f"{each.outcome:<7}", _STYLES[each.outcome]),
                f"  {each.why}",
            )
        )
    counts = ((name, sum(each.outcome == name for each in told)) for name in _STYLES)
    show(Text(", ".join(f"{count} {name}" for name, count in counts if count) or "There are no assets."))
    return FAILED if failed else DONE
