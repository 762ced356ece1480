"""The engine's events as plain data, for `mainstem run --json`. docs/cli.md lists the fields."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import singledispatch
from typing import Any

from mainstem.cli.output import json_line
from mainstem.events import (
    BatchStaged,
    Event,
    HookFinished,
    ReplicationFinished,
    ReplicationStarted,
    StreamFailed,
    StreamPublished,
    StreamRetried,
    StreamSkipped,
    StreamStarted,
)

__all__ = ["JsonLines", "event_as_data"]


class JsonLines:
    """Shows events to a program."""

    def show(self, event: Event) -> None:
        """Write one event as a line."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        name, *rest = event_as_data(event).items()
        json_line(dict([name, ("time", now), *rest]))


@singledispatch
def event_as_data(event: Event) -> dict[str, Any]:
    """Return an event's fields; the first one, ``event``, is its kind."""
    raise TypeError(f"Not an event: {event!r}")


@event_as_data.register
def _(event: ReplicationStarted) -> dict[str, Any]:
    return {
        "event": "replication_started",
        "source": event.source,
        "target": event.target,
        "streams": list(event.streams),
    }


@event_as_data.register
def _(event: StreamStarted) -> dict[str, Any]:
    return {
        "event": "stream_started",
        "stream": event.stream,
        "target": event.target,
        "estimated_rows": event.estimated_rows,
    }


@event_as_data.register
def _(event: BatchStaged) -> dict[str, Any]:
    return {"event": "batch_staged", "stream": event.stream, "rows": event.rows, "bytes": event.bytes}


@event_as_data.register
def _(event: StreamPublished) -> dict[str, Any]:
    report = event.report
    return {
        "event": "stream_published",
        "stream": report.stream,
        "target": report.target,
        "storage": report.storage,
        "mode": report.extra.get("mode"),
        "rows": report.rows,
        "row_count": report.row_count,
        "bytes": report.bytes,
        "seconds": report.seconds,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "sources": list(column.sources) if column.sources is not None else None,
            }
            for column in report.columns
        ],
        "constraints": [
            {
                "column": each.column,
                "constraint": each.text,
                "failures": each.failures,
                "policy": each.policy,
                "samples": list(each.samples),
                "quarantine": each.quarantine,
            }
            for each in report.constraints
        ],
        "notes": list(report.notes),
    }


@event_as_data.register
def _(event: StreamFailed) -> dict[str, Any]:
    error = event.error
    return {
        "event": "stream_failed",
        "stream": error.stream,
        "phase": error.phase,
        "error": type(error.cause).__name__,
        "message": str(error.cause),
    }


@event_as_data.register
def _(event: StreamRetried) -> dict[str, Any]:
    error = event.error
    return {
        "event": "stream_retried",
        "stream": error.stream,
        "phase": error.phase,
        "error": type(error.cause).__name__,
        "message": str(error.cause),
        "attempt": event.attempt,
        "attempts": event.attempts,
        "seconds": event.seconds,
    }


@event_as_data.register
def _(event: StreamSkipped) -> dict[str, Any]:
    return {"event": "stream_skipped", "stream": event.stream, "because": event.because.stream}


@event_as_data.register
def _(event: HookFinished) -> dict[str, Any]:
    return {
        "event": "hook_finished",
        "stage": event.stage,
        "hook": event.hook,
        "type": event.type,
        "status": event.status,
        "said": event.said,
        "level": event.level,
        "stream": event.stream,
    }


@event_as_data.register
def _(event: ReplicationFinished) -> dict[str, Any]:
    return {
        "event": "replication_finished",
        "published": [report.stream for report in event.reports],
        "failed": [error.stream for error in event.failures],
        "skipped": list(event.skipped),
        "rows": sum(report.rows or 0 for report in event.reports),
        "bytes": sum(report.bytes or 0 for report in event.reports),
        "seconds": event.seconds,
    }
