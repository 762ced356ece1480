"""OpenTelemetry: a run is a trace, a stream a span. Only where the process itself has set it up."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

from mainstem.events import (
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

__all__ = ["traced"]


def traced(events: Generator[Event, None, None]) -> Generator[Event, None, None]:
    """Yield events, and make spans of them where OpenTelemetry's API is loaded.

    Whoever sets up its SDK has imported it: `opentelemetry-instrument mainstem run …`, or a program of the
    user's own. Where nobody has, nothing is imported and nothing happens.
    """
    if "opentelemetry.trace" not in sys.modules:
        return events
    return _traced(events)


def _traced(events: Generator[Event, None, None]) -> Generator[Event, None, None]:
    spans = _Spans()
    try:
        for event in events:
            spans.take(event)
            yield event
    finally:
        events.close()
        spans.end()


class _Spans:
    """The spans of one run."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace  # noqa: PLC0415 - it is loaded already

        self._trace: Any = trace
        self._tracer: Any = trace.get_tracer("mainstem")
        meter = metrics.get_meter("mainstem")
        self._rows = meter.create_counter("mainstem.rows", unit="{row}", description="Rows published.")
        self._bytes = meter.create_counter("mainstem.bytes", unit="By", description="Bytes that travelled.")
        self._ended = meter.create_counter(
            "mainstem.streams", unit="{stream}", description="Streams, by status."
        )
        self._retries = meter.create_counter("mainstem.retries", unit="{retry}", description="Retries.")
        self._broken = meter.create_counter(
            "mainstem.constraint_failures", unit="{value}", description="Values that broke a constraint."
        )
        self._seconds = meter.create_histogram("mainstem.stream.duration", unit="s")
        self._run: Any = None
        self._streams: dict[str, Any] = {}

    def take(self, event: Event) -> None:
        if isinstance(event, ReplicationStarted):
            about = {"mainstem.source": event.source, "mainstem.target": event.target}
            about["mainstem.streams"] = str(len(event.streams))
            self._run = self._tracer.start_span("mainstem.replication", attributes=about)
        elif isinstance(event, StreamStarted):
            # An attempt before this one has its span already.
            if event.stream not in self._streams:
                self._open(event.stream).set_attribute("mainstem.table", event.target)
        elif isinstance(event, StreamRetried):
            self._open(event.error.stream).add_event("retry", {"attempt": event.attempt})
            self._retries.add(1, {"mainstem.stream": event.error.stream})
        elif isinstance(event, HookFinished):
            self._hooked(event)
        elif isinstance(event, StreamPublished):
            self._published(event)
        elif isinstance(event, StreamFailed):
            span = self._open(event.error.stream)
            span.set_attribute("mainstem.phase", event.error.phase)
            self._failed(span, str(event.error))
            self._close(event.error.stream, "failed")
        elif isinstance(event, StreamSkipped):
            self._open(event.stream).set_attribute("mainstem.skipped", True)
            self._close(event.stream, "skipped")
        elif isinstance(event, ReplicationFinished) and self._run is not None and event.failures:
            self._failed(self._run, f"{len(event.failures)} streams failed")

    def end(self) -> None:
        """End what a run that was broken off left open."""
        for stream in list(self._streams):
            self._close(stream, "broken off")
        if self._run is not None:
            self._run.end()

    def _published(self, event: StreamPublished) -> None:
        report = event.report
        span = self._open(report.stream)
        about = {"mainstem.stream": report.stream}
        span.set_attribute("mainstem.rows", report.rows or 0)
        span.set_attribute("mainstem.bytes", report.bytes or 0)
        self._rows.add(report.rows or 0, about)
        self._bytes.add(report.bytes or 0, about)
        self._seconds.record(report.seconds or 0.0, about)
        for each in report.constraints:
            self._broken.add(each.failures, {**about, "mainstem.column": each.column})
        self._close(report.stream, "published")

    def _hooked(self, event: HookFinished) -> None:
        """Say that a hook ran. Not what it said, which may be rows."""
        span = self._run if event.stream is None else self._open(event.stream)
        if span is not None:
            about = {"hook": event.hook, "type": event.type, "stage": event.stage, "status": event.status}
            span.add_event("hook", about)

    def _open(self, stream: str) -> Any:
        if stream not in self._streams:
            context = self._trace.set_span_in_context(self._run) if self._run is not None else None
            self._streams[stream] = self._tracer.start_span(
                "mainstem.stream", context, attributes={"mainstem.stream": stream}
            )
        return self._streams[stream]

    def _close(self, stream: str, status: str) -> None:
        self._streams.pop(stream).end()
        self._ended.add(1, {"mainstem.stream": stream, "mainstem.status": status})

    def _failed(self, span: Any, why: str) -> None:
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, why))
