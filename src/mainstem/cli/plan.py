"""`mainstem plan`: what a run would do, with nothing changed anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rich.text import Text

from mainstem.api import plan
from mainstem.cli.exits import DONE, Stop
from mainstem.cli.options import Flags
from mainstem.cli.output import json_line, show, table_of
from mainstem.cli.request import request_of
from mainstem.plan import Plan, StreamPlan
from mainstem.types import type_name

__all__ = ["show_plan"]


def show_plan(flags: Flags, stop: Stop) -> int:  # noqa: ARG001 - what every command takes
    """Plan what the flags say, and return the exit code."""
    request = request_of(flags, os.environ)
    planned = plan(request.replication, streams=request.streams)
    if flags.json:
        json_line(planned.as_data())
    else:
        _show(planned)
    return DONE


def _show(planned: Plan) -> None:
    count = len(planned.streams)
    show(Text(f"{planned.source} → {planned.target}: {count} stream{'' if count == 1 else 's'}"))
    for stream in planned.streams:
        show(Text(f"\n{stream.stream}", style="bold"))
        for label, text in _facts(stream):
            show(Text.assemble((f"  {label + ':':<14}", "dim"), " ".join(text.split())))
        added = [(added.name, type_name(added.arrow_type), "", "") for added in stream.metadata_columns]
        columns = [
            (column.name, type_name(column.field.type), column.source.name, column.source.native_type)
            for column in stream.columns
        ]
        show(table_of(["column", "type", "from", "source type"], [*columns, *added]))
        for made in stream.columns:
            if made.transform is not None:
                show(Text.assemble((f"  {made.name} = ", "dim"), made.transform))
            if made.constraint is not None:
                show(Text.assemble((f"  {made.name}: ", "dim"), f"must satisfy {made.constraint.text}"))
        for statement in stream.ddl:
            show(Text(f"  {statement}"))
        for note in stream.notes:
            show(Text(f"  note: {note}", style="yellow"))


def _facts(stream: StreamPlan) -> Iterator[tuple[str, str]]:
    yield "mode", stream.mode.value
    yield "source", stream.source
    yield "target", str(stream.target)
    for condition in stream.query.where:
        yield "where", condition
    if stream.range:
        yield "range", f"{stream.range[0]} to {stream.range[1]}, both included"
    if stream.query.limit is not None:
        yield "limit", f"{stream.query.limit:,} rows"
    if stream.query.offset:
        yield "offset", f"{stream.query.offset:,} rows"
    if stream.primary_key:
        yield "primary key", ", ".join(stream.primary_key)
    if stream.update_key:
        yield "update key", stream.update_key
    if stream.cursor:
        yield "cursor", f"{stream.cursor.value}{', itself included' if stream.cursor.inclusive else ''}"
    if stream.merge_strategy:
        yield "merge", stream.merge_strategy
    if stream.missing:
        yield "missing rows", "marked" if stream.missing.soft else "deleted"
    if stream.estimated_rows is not None:
        yield "rows", f"about {stream.estimated_rows:,}"
