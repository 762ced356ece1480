"""The engine: plan → read → transform → stage → publish → report, as a stream of events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from mainstem.connections import Connection, ConnectionBook, ConnectionLike
from mainstem.endpoints import Staging, open_source, open_target
from mainstem.errors import (
    ConnectError,
    EndpointError,
    MainstemError,
    NotSupportedYetError,
    ReplicationError,
    ReplicationFailedError,
    StreamError,
)
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
from mainstem.plan import (
    Plan,
    RunFacts,
    StreamPlan,
    expand_wildcards,
    is_wildcard,
    plan_stream,
    refuse_unsupported,
)
from mainstem.replication import Replication, ReplicationLike, Stream, load_replication, select_streams
from mainstem.report import ReportedColumn, StreamReport
from mainstem.settings import Settings
from mainstem.strategies import STRATEGIES
from mainstem.transform import transformed

__all__ = ["Connections", "plan", "run"]

Connections = Mapping[str, ConnectionLike] | Iterable[Connection] | ConnectionBook


def run(
    config: ReplicationLike | Replication,
    connections: Connections = (),
    *,
    streams: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
) -> Generator[Event, None, None]:
    """Run a replication, yielding what happens as it happens.

    A stream that fails is yielded as :class:`~mainstem.events.StreamFailed`, and the others go on; only a
    refused connection ends the run, with the remaining streams skipped. Closing the iterator breaks off:
    what is published stays, what is staged is dropped.

    Args:
        config: The replication: a path, text, a mapping, or one that is loaded.
        connections: What the replication's ``source`` and ``target`` may name; beyond them the process
            environment is looked at.
        streams: Which streams to run, by Sling's selection tokens. ``None`` runs all that are not disabled.
        overrides: Keys that win over every stream's own.
        settings: ``None`` reads the process environment.

    Raises:
        ConfigError: The replication or a connection is wrong. Nothing was read or written.
    """
    return _Run(config, connections, streams, overrides, settings).events()


def plan(
    config: ReplicationLike | Replication,
    connections: Connections = (),
    *,
    streams: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Plan a replication against its source's catalogue. Nothing is changed anywhere.

    Args:
        config: As in :func:`run`.
        connections: As in :func:`run`.
        streams: As in :func:`run`.
        overrides: As in :func:`run`.
        settings: As in :func:`run`.

    Raises:
        ConfigError: The replication or a connection is wrong.
        EndpointError: A connection is refused.
        ReplicationFailedError: Single streams cannot be planned; told are all of them.
    """
    return _Run(config, connections, streams, overrides, settings).plan()


class _Run:
    """One run of one replication."""

    def __init__(
        self,
        config: ReplicationLike | Replication,
        connections: Connections,
        streams: Sequence[str] | None,
        overrides: Mapping[str, Any] | None,
        settings: Settings | None,
    ) -> None:
        book = connections if isinstance(connections, ConnectionBook) else ConnectionBook(connections)
        self._replication = load_replication(config, book.variables, overrides)
        self._source = book.find(self._replication.source)
        self._target = book.find(self._replication.target)
        self._settings = settings or Settings.from_environment(
            {**book.variables, **self._replication.variables}
        )
        self._tokens = streams
        self._expands = any(is_wildcard(stream.name) for stream in self._replication.streams)
        self._started = datetime.now().astimezone()
        self._id = uuid.uuid4().hex
        if not (self._expands and streams):
            # What is wrong with the document is told before anything is opened.
            self._chosen(self._replication)

    def events(self) -> Generator[Event, None, None]:
        began = time.monotonic()
        outcome = _Outcome()
        with ExitStack() as opened:
            try:
                streams = self._concrete(opened)
            except StreamError as error:
                yield ReplicationStarted([error.stream], self._source.name, self._target.name)
                yield outcome.failed(error)
            else:
                yield ReplicationStarted(
                    [stream.name for stream in streams], self._source.name, self._target.name
                )
                yield from self._each(streams, opened, outcome)
        yield ReplicationFinished(
            outcome.reports, outcome.failures, outcome.skipped, time.monotonic() - began
        )

    def plan(self) -> Plan:
        failures: list[StreamError] = []
        plans: list[StreamPlan] = []
        with ExitStack() as opened:
            streams = self._concrete(opened)
            if not streams:
                return Plan(self._source.name, self._target.name, [])
            facts = self._facts(opened)
            writers: dict[str, str] = {}
            for stream in streams:
                try:
                    with _phase(stream, "plan"):
                        planned = plan_stream(stream, facts)
                        _refuse_second_writer(planned, stream, writers)
                        plans.append(planned)
                except StreamError as error:
                    failures.append(error)
        if failures:
            raise ReplicationFailedError(failures, [])
        return Plan(self._source.name, self._target.name, plans)

    def _chosen(self, replication: Replication) -> Sequence[Stream]:
        chosen = select_streams(replication, self._tokens)
        refuse_unsupported(replication, chosen)
        for stream in chosen:
            if stream.mode not in STRATEGIES:
                raise NotSupportedYetError(
                    f"Stream {stream.name}: the mode {stream.mode.value} is not supported yet.",
                    position=replication.document.position("streams", stream.name, "mode"),
                    hint=f"Supported: {', '.join(mode.value for mode in STRATEGIES)}.",
                )
        return chosen

    def _concrete(self, opened: ExitStack) -> Sequence[Stream]:
        """The streams that will run, with wildcards expanded by the source's catalogue."""
        if not self._expands:
            return self._chosen(self._replication)
        first = next(stream for stream in self._replication.streams if is_wildcard(stream.name))
        with _phase(first, "connect"):
            source = opened.enter_context(open_source(self._source))
        with _phase(first, "plan"):
            expanded = expand_wildcards(self._replication, self._replication.streams, source)
        return self._chosen(replace(self._replication, streams=expanded))

    def _facts(self, opened: ExitStack) -> RunFacts:
        """What the streams share. The target is not touched: a plan changes nothing anywhere."""
        metadata = self._settings.metadata_columns(self._started, self._id)
        source = opened.enter_context(open_source(self._source))
        target = opened.enter_context(open_target(self._target))
        return RunFacts(self._replication, source, target, self._started, metadata, self._id)

    def _each(self, streams: Sequence[Stream], opened: ExitStack, outcome: _Outcome) -> Iterator[Event]:
        facts: RunFacts | None = None
        writers: dict[str, str] = {}
        for index, stream in enumerate(streams):
            try:
                if facts is None:
                    with _phase(stream, "connect"):
                        facts = self._facts(opened)
                        facts.target.connect()
                for event in self._stream(stream, facts, writers):
                    if isinstance(event, StreamPublished):
                        outcome.reports.append(event.report)
                    yield event
            except StreamError as error:
                yield outcome.failed(error)
                # What keeps one stream out keeps the others out.
                if error.phase == "connect" or isinstance(error.cause, ConnectError):
                    outcome.skipped += [other.name for other in streams[index + 1 :]]
                    yield from (StreamSkipped(name, error) for name in outcome.skipped)
                    return

    def _stream(self, stream: Stream, facts: RunFacts, writers: dict[str, str]) -> Iterator[Event]:
        began = time.monotonic()
        with _phase(stream, "plan"):
            plan = plan_stream(stream, facts)
            _refuse_second_writer(plan, stream, writers)
            found = facts.target.inspect(plan.target) if plan.ignore_existing else None
        yield StreamStarted(stream.name, str(plan.target), plan.estimated_rows)
        moved = _Moved()
        notes = list(plan.notes)
        if found is not None:
            notes.append(f"{plan.target} exists and was left as it was: `ignore_existing`.")
        else:
            yield from self._moved(stream, plan, facts, moved, notes)
            with _phase(stream, "publish"):
                found = facts.target.inspect(plan.target)
        yield StreamPublished(
            StreamReport(
                stream=stream.name,
                tool="sling",
                target=str(plan.target),
                storage=facts.target.connection.type,
                rows=moved.rows,
                row_count=found.row_count if found else None,
                bytes=moved.bytes,
                seconds=time.monotonic() - began,
                columns=_columns(plan, found.columns) if found else [],
                notes=notes,
                extra={"mode": plan.mode.value},
            )
        )

    def _moved(
        self, stream: Stream, plan: StreamPlan, facts: RunFacts, moved: _Moved, notes: list[str]
    ) -> Iterator[Event]:
        """Read, stage and publish."""
        with ExitStack() as opened:
            with _phase(stream, "stage"):
                staging = opened.enter_context(facts.target.stage(plan.target, plan.schema))
            with _phase(stream, "read"):
                batches = opened.enter_context(facts.source.read(plan.query))
            for batch in _staged(stream, batches, staging, plan):
                moved.add(batch)
                yield BatchStaged(stream.name, moved.rows, moved.bytes)
            with _phase(stream, "stage"):
                _check_count(moved.rows, staging.complete())
            with _phase(stream, "publish"):
                if moved.rows or self._settings.allow_empty:
                    STRATEGIES[plan.mode](plan, staging, facts.target)
                else:
                    notes.append(_nothing_to_do(plan))


def _staged(
    stream: Stream, batches: Iterator[pa.RecordBatch], staging: Staging, plan: StreamPlan
) -> Iterator[pa.RecordBatch]:
    while True:
        with _phase(stream, "read"):
            batch = next(batches, None)
        if batch is None:
            return
        with _phase(stream, "transform"):
            batch = transformed(batch, plan)
        with _phase(stream, "stage"):
            staging.write(batch)
        yield batch


@dataclass
class _Outcome:
    """What became of the streams so far."""

    reports: list[StreamReport] = field(default_factory=list)
    failures: list[StreamError] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def failed(self, error: StreamError) -> StreamFailed:
        self.failures.append(error)
        return StreamFailed(error)


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


def _refuse_second_writer(plan: StreamPlan, stream: Stream, writers: dict[str, str]) -> None:
    """Two streams of a run that write one table would leave the rows of the second alone."""
    first = writers.setdefault(str(plan.target).lower(), stream.name)
    if first != stream.name:
        raise ReplicationError(
            f"The streams {first} and {stream.name} would both be written to {plan.target}.",
            position=stream.position,
            hint="Give one of them an `object` of its own.",
        )


def _check_count(sent: int, found: int) -> None:
    if sent != found:
        raise EndpointError(
            f"{sent} rows were sent, but the staging table holds {found}. Nothing was published.",
            hint="Please report this: it is a bug in mainstem or in the driver.",
        )


def _columns(plan: StreamPlan, found: Sequence[ReportedColumn]) -> Sequence[ReportedColumn]:
    """The target's columns, with where each comes from."""
    origin = {column.name.lower(): column for column in plan.columns}
    return [
        replace(column, description=column.description or planned.description, sources=[planned.source.name])
        if (planned := origin.get(column.name.lower()))
        else column
        for column in found
    ]


def _nothing_to_do(plan: StreamPlan) -> str:
    return (
        f"No rows in {plan.source}: {plan.target} was left as it was, as in Sling."
        " SLING_ALLOW_EMPTY=true publishes empty tables."
    )
