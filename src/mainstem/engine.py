"""The engine: plan → read → transform → stage → publish → report, as a stream of events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mainstem.connections import Connection, ConnectionBook, ConnectionLike
from mainstem.endpoints import SourceTable, open_source, open_target
from mainstem.errors import (
    ConnectError,
    ReplicationError,
    ReplicationFailedError,
    StreamError,
)
from mainstem.events import (
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
    StreamPlanner,
    check_requirements,
    expand_wildcards,
    is_wildcard,
    plan_stream,
    refuse_unsupported,
)
from mainstem.replication import Replication, ReplicationLike, Stream, load_replication, select_streams
from mainstem.report import ReportedColumn, StreamReport
from mainstem.settings import Settings
from mainstem.state import State, open_state
from mainstem.strategies import STRATEGIES
from mainstem.transfer import Transfer, phase_of

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
        self._book = book
        self._state: State | None = None
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
                    with phase_of(stream, "plan"):
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
        check_requirements(replication, chosen, list(STRATEGIES))
        return chosen

    def _concrete(self, opened: ExitStack) -> Sequence[Stream]:
        """The streams that will run, with wildcards expanded by the source's catalogue."""
        if not self._expands:
            return self._chosen(self._replication)
        first = next(stream for stream in self._replication.streams if is_wildcard(stream.name))
        with phase_of(first, "connect"):
            source = opened.enter_context(open_source(self._source))
        with phase_of(first, "plan"):
            expanded = expand_wildcards(self._replication, self._replication.streams, source)
        return self._chosen(replace(self._replication, streams=expanded))

    def _facts(self, opened: ExitStack) -> RunFacts:
        """What the streams share. The target is not touched: a plan changes nothing anywhere."""
        source = opened.enter_context(open_source(self._source))
        target = opened.enter_context(open_target(self._target))
        if self._settings.state:
            names = (self._source.name, self._target.name)
            self._state = open_state(self._settings.state, self._book, names, target, opened)
        return RunFacts(
            self._replication,
            source,
            target,
            self._started,
            metadata=lambda stream: self._settings.metadata_columns(self._started, self._id, stream),
            state=self._state,
            inclusive=self._settings.inclusive,
            id=self._id,
        )

    def _each(self, streams: Sequence[Stream], opened: ExitStack, outcome: _Outcome) -> Iterator[Event]:
        facts: RunFacts | None = None
        writers: dict[str, str] = {}
        for index, stream in enumerate(streams):
            try:
                if facts is None:
                    with phase_of(stream, "connect"):
                        facts = self._facts(opened)
                        facts.target.connect_to_write()
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
        with ExitStack() as locks:
            with phase_of(stream, "plan"):
                planner = StreamPlanner(stream, facts)
                # Where the stream goes on must not change between the plan and the publish.
                locks.enter_context(facts.target.locked(planner.target))
                plan = planner.plan()
                _refuse_second_writer(plan, stream, writers)
            yield StreamStarted(stream.name, str(plan.target), plan.estimated_rows)
            transfer = Transfer(stream, plan, facts, self._settings, self._state)
            yield from transfer.run()
            with phase_of(stream, "publish"):
                report = _report(plan, transfer, facts, time.monotonic() - began)
        yield StreamPublished(report)


@dataclass
class _Outcome:
    """What became of the streams so far."""

    reports: list[StreamReport] = field(default_factory=list)
    failures: list[StreamError] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def failed(self, error: StreamError) -> StreamFailed:
        self.failures.append(error)
        return StreamFailed(error)


def _refuse_second_writer(plan: StreamPlan, stream: Stream, writers: dict[str, str]) -> None:
    """Two streams of a run that write one table would leave the rows of the second alone."""
    first = writers.setdefault(str(plan.target).lower(), stream.name)
    if first != stream.name:
        raise ReplicationError(
            f"The streams {first} and {stream.name} would both be written to {plan.target}.",
            position=stream.position,
            hint="Give one of them an `object` of its own.",
        )


def _report(plan: StreamPlan, transfer: Transfer, facts: RunFacts, seconds: float) -> StreamReport:
    """What the stream did, with the table as its readers see it now."""
    found = facts.target.inspect(plan.target)
    extra: dict[str, Any] = {"mode": plan.mode.value}
    if plan.merge_strategy:
        extra["merge_strategy"] = plan.merge_strategy
    if plan.update_key:
        extra["cursor_before"] = plan.cursor.value if plan.cursor else None
        extra["cursor_after"] = transfer.cursor or extra["cursor_before"]
    return StreamReport(
        stream=plan.stream,
        tool="sling",
        target=str(plan.target),
        storage=facts.target.connection.type,
        rows=transfer.rows,
        row_count=facts.target.count(found.relation) if found and found.relation else None,
        bytes=transfer.bytes,
        seconds=seconds,
        columns=_columns(plan, found) if found else [],
        notes=transfer.notes,
        extra={key: value for key, value in extra.items() if value is not None},
    )


def _columns(plan: StreamPlan, found: SourceTable) -> Sequence[ReportedColumn]:
    """The target's columns, with where each comes from."""
    origin = {column.name.lower(): column for column in plan.columns}
    reported = []
    for column in found.columns:
        planned = origin.get(column.name.lower())
        reported.append(
            ReportedColumn(
                name=column.name,
                type=column.native_type,
                nullable=column.nullable,
                description=column.comment or (planned.description if planned else None),
                sources=[planned.source.name] if planned else None,
            )
        )
    return reported
