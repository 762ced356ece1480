"""The engine: plan → read → stage → publish → report, stream by stream, as a stream of events."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from mainstem.connections import Connection, ConnectionBook, ConnectionLike
from mainstem.endpoints import Source, Staging, Target, open_source, open_target
from mainstem.errors import ConnectError, EndpointError, MainstemError, NotSupportedYetError, StreamError
from mainstem.events import (
    BatchStaged,
    Event,
    ReplicationFinished,
    ReplicationStarted,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
    StreamStarted,
)
from mainstem.plan import StreamPlan, plan_stream, refuse_unsupported
from mainstem.replication import Replication, ReplicationLike, Stream, load_replication
from mainstem.report import ReportedColumn, StreamReport
from mainstem.strategies import STRATEGIES

__all__ = ["Settings", "run"]

Connections = Mapping[str, ConnectionLike] | Iterable[Connection] | ConnectionBook


@dataclass(frozen=True)
class Settings:
    """What Sling reads from the environment.

    Attributes:
        allow_empty: Publish a stream of no rows too. Without it such a stream leaves its target as it is
            (spec §3.1). ``SLING_ALLOW_EMPTY`` or ``SLING_ALLOW_EMPTY_TABLES``.
    """

    allow_empty: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the process environment, or from the one given."""
        environment = os.environ if environment is None else environment
        names = ("SLING_ALLOW_EMPTY", "SLING_ALLOW_EMPTY_TABLES")
        return cls(allow_empty=any(environment.get(name, "").lower() == "true" for name in names))


def run(
    config: ReplicationLike | Replication,
    connections: Connections = (),
    *,
    streams: Collection[str] | None = None,
    settings: Settings | None = None,
) -> Generator[Event, None, None]:
    """Run a replication, yielding what happens as it happens.

    A stream that fails is yielded as :class:`~mainstem.events.StreamFailed`, and the others go on; only a
    refused connection ends the run, with the remaining streams skipped. Closing the iterator breaks off:
    what is published stays, what is staged is dropped.

    Args:
        config: The replication: a path, a mapping, or one that is loaded.
        connections: What the replication's ``source`` and ``target`` may name; beyond them the process
            environment is looked at.
        streams: The names of the streams to run. ``None`` runs all that are not disabled.
        settings: ``None`` reads the process environment.

    Raises:
        ConfigError: The replication or a connection is wrong. Nothing was read or written.
    """
    replication = load_replication(config)
    book = connections if isinstance(connections, ConnectionBook) else ConnectionBook(connections)
    chosen = replication.selected(streams)
    refuse_unsupported(replication, chosen)
    _refuse_modes(replication, chosen)
    run_ = _Run(
        replication,
        book.find(replication.source),
        book.find(replication.target),
        settings or Settings.from_environment(),
    )
    return run_.events(chosen)


def _refuse_modes(replication: Replication, streams: Sequence[Stream]) -> None:
    for stream in streams:
        if stream.mode not in STRATEGIES:
            raise NotSupportedYetError(
                f"Stream {stream.name}: the mode {stream.mode.value} is not supported yet.",
                position=replication.document.position("streams", stream.name, "mode"),
                hint=f"Supported: {', '.join(mode.value for mode in STRATEGIES)}.",
            )


class _Run:
    """One run of one replication."""

    def __init__(
        self, replication: Replication, source: Connection, target: Connection, settings: Settings
    ) -> None:
        self._replication = replication
        self._source = source
        self._target = target
        self._settings = settings
        self._started = datetime.now().astimezone()

    def events(self, streams: Sequence[Stream]) -> Generator[Event, None, None]:
        began = time.monotonic()
        reports: list[StreamReport] = []
        failures: list[StreamError] = []
        skipped: list[str] = []
        yield ReplicationStarted([stream.name for stream in streams], self._source.name, self._target.name)
        with ExitStack() as opened:
            source: Source | None = None
            target: Target | None = None
            for index, stream in enumerate(streams):
                try:
                    with _phase(stream, "connect"):
                        source = source or opened.enter_context(open_source(self._source))
                        target = target or opened.enter_context(open_target(self._target))
                    for event in self._stream(stream, source, target):
                        if isinstance(event, StreamPublished):
                            reports.append(event.report)
                        yield event
                except StreamError as error:
                    failures.append(error)
                    yield StreamFailed(error)
                    if isinstance(error.cause, ConnectError):
                        skipped = [other.name for other in streams[index + 1 :]]
                        yield from (StreamSkipped(name, error) for name in skipped)
                        break
        yield ReplicationFinished(reports, failures, skipped, time.monotonic() - began)

    def _stream(self, stream: Stream, source: Source, target: Target) -> Iterator[Event]:
        began = time.monotonic()
        with _phase(stream, "plan"):
            plan = plan_stream(stream, self._replication, source, target, self._started)
        yield StreamStarted(stream.name, str(plan.target), plan.estimated_rows)
        moved = _Moved()
        with ExitStack() as opened:
            with _phase(stream, "stage"):
                staging = opened.enter_context(target.stage(plan.target, plan.schema))
            with _phase(stream, "read"):
                columns = [column.source for column in plan.columns]
                batches = opened.enter_context(source.read(plan.source, columns))
            for batch in self._staged(stream, batches, staging, plan):
                moved.add(batch)
                yield BatchStaged(stream.name, moved.rows, moved.bytes)
            publishes = moved.rows > 0 or self._settings.allow_empty
            with _phase(stream, "stage"):
                _check_count(moved.rows, staging.complete())
            with _phase(stream, "publish"):
                if publishes:
                    STRATEGIES[plan.mode](plan, staging, target)
                found = target.inspect(plan.target)
        yield StreamPublished(
            StreamReport(
                stream=stream.name,
                tool="sling",
                target=str(plan.target),
                storage=target.connection.type,
                rows=moved.rows,
                row_count=found.row_count if found else None,
                bytes=moved.bytes,
                seconds=time.monotonic() - began,
                columns=_columns(plan, found.columns) if found else [],
                notes=[*plan.notes, *([] if publishes else [_nothing_to_do(plan)])],
                extra={"mode": plan.mode.value},
            )
        )

    def _staged(
        self, stream: Stream, batches: Iterator[pa.RecordBatch], staging: Staging, plan: StreamPlan
    ) -> Iterator[pa.RecordBatch]:
        names = [column.name for column in plan.columns]
        while True:
            with _phase(stream, "read"):
                batch = next(batches, None)
            if batch is None:
                return
            with _phase(stream, "stage"):
                staging.write(batch.rename_columns(names))
            yield batch


class _Moved:
    """What has reached the staging table so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.bytes += batch.nbytes


@contextmanager
def _phase(stream: Stream, phase: str) -> Iterator[None]:
    """Say of an error which stream it befell, and when."""
    try:
        yield
    except StreamError:
        raise
    except MainstemError as error:
        raise StreamError(stream=stream.name, phase=phase, cause=error) from error


def _check_count(sent: int, found: int) -> None:
    if sent != found:
        raise EndpointError(
            f"{sent} rows were sent, but the staging table holds {found}. Nothing was published.",
            hint="Please report this: it is a bug in mainstem or in the driver.",
        )


def _columns(plan: StreamPlan, found: Sequence[ReportedColumn]) -> Sequence[ReportedColumn]:
    """The target's columns, with where each comes from."""
    origin = {column.name.lower(): column.source for column in plan.columns}
    return [
        replace(column, description=column.description or source.comment, sources=[source.name])
        if (source := origin.get(column.name.lower()))
        else column
        for column in found
    ]


def _nothing_to_do(plan: StreamPlan) -> str:
    return (
        f"No rows in {plan.source}: {plan.target} was left as it was, as in Sling."
        " SLING_ALLOW_EMPTY=true publishes empty tables."
    )
