"""The engine: plan → read → transform → stage → publish → report, as a stream of events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mainstem.connections import Connection, ConnectionBook, ConnectionLike
from mainstem.endpoints import open_source, open_target, target_capabilities
from mainstem.errors import ReplicationFailedError, StreamError
from mainstem.events import (
    Event,
    ReplicationFinished,
    ReplicationStarted,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
)
from mainstem.parallel import in_turn, side_by_side
from mainstem.plan import (
    Plan,
    RunFacts,
    StreamPlan,
    check_requirements,
    expand_wildcards,
    is_wildcard,
    plan_stream,
    refuse_unsupported,
)
from mainstem.queueing import StreamQueue
from mainstem.replication import Replication, ReplicationLike, Stream, load_replication, select_streams
from mainstem.report import StreamReport
from mainstem.session import Opened, Session, Writers
from mainstem.settings import Settings
from mainstem.state import State, open_state
from mainstem.strategies import STRATEGIES
from mainstem.transfer import phase_of

__all__ = ["Connections", "plan", "run"]

Connections = Mapping[str, ConnectionLike] | Iterable[Connection] | ConnectionBook


def run(
    config: ReplicationLike | Replication,
    connections: Connections = (),
    *,
    streams: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    after: Mapping[str, Collection[str]] | None = None,
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
        after: By a stream's name, the names of streams that must be published before it begins. Without it
            streams are independent: they run in the document's order, or several at once (``threads``).

    Raises:
        ConfigError: The replication or a connection is wrong. Nothing was read or written.
    """
    return _Run(config, connections, streams, overrides, settings).events(after or {})


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
        self._expands = any(is_wildcard(stream.name) for stream in self._replication.streams)
        self._started = datetime.now().astimezone()
        self._id = uuid.uuid4().hex
        if not (self._expands and streams):
            # What is wrong with the document is told before anything is opened.
            self._chosen(self._replication)

    def events(self, after: Mapping[str, Collection[str]]) -> Generator[Event, None, None]:
        began = time.monotonic()
        outcome = _Outcome()
        with ExitStack() as opened:
            try:
                streams = self._concrete(opened)
            except StreamError as error:
                yield ReplicationStarted([error.stream], self._source.name, self._target.name)
                yield outcome.take(StreamFailed(error))
            else:
                yield ReplicationStarted(
                    [stream.name for stream in streams], self._source.name, self._target.name
                )
                opened.close()
                for event in self._each(streams, after):
                    outcome.take(event)
                    yield event
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
            facts = self._open(opened).facts
            writers = Writers()
            for stream in streams:
                try:
                    with phase_of(stream, "plan"):
                        planned = plan_stream(stream, facts)
                        writers.refuse_second(planned, stream)
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

    def _open(self, opened: ExitStack) -> Opened:
        """Open source and target. The target is not touched: a plan changes nothing anywhere."""
        source = opened.enter_context(open_source(self._source))
        target = opened.enter_context(open_target(self._target))
        state: State | None = None
        if self._settings.state:
            names = (self._source.name, self._target.name)
            state = open_state(self._settings.state, self._book, names, target, opened)
        stamped = source.stamped and target.capabilities.remembers
        facts = RunFacts(
            self._replication,
            source,
            target,
            self._started,
            metadata=lambda stream: self._settings.metadata_columns(
                self._started, self._id, stream, stamped=stamped
            ),
            state=state,
            inclusive=self._settings.inclusive,
            id=self._id,
        )
        return Opened(facts, state)

    def _each(
        self, streams: Sequence[Stream], after: Mapping[str, Collection[str]]
    ) -> Generator[Event, None, None]:
        waiting = StreamQueue(streams, after)
        sessions = [
            Session(self._open, self._settings, writers)
            for writers in [Writers()]
            for _ in range(self._threads(len(streams)))
        ]
        # What needs no thread has none: a debugger and Ctrl-C find the work where it was started.
        return side_by_side(sessions, waiting) if len(sessions) > 1 else in_turn(sessions[0], waiting)

    def _threads(self, streams: int) -> int:
        """How many streams run at once: as many as is asked for, and as connections may be open."""
        allowed = [connection.whole_number("max_conns") for connection in (self._source, self._target)]
        threads = min(self._settings.threads, streams, *(most for most in allowed if most))
        return max(1, threads) if threads > 1 and target_capabilities(self._target).parallel_streams else 1


@dataclass
class _Outcome:
    """What became of the streams so far."""

    reports: list[StreamReport] = field(default_factory=list)
    failures: list[StreamError] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def take(self, event: Event) -> Event:
        if isinstance(event, StreamPublished):
            self.reports.append(event.report)
        elif isinstance(event, StreamFailed):
            self.failures.append(event.error)
        elif isinstance(event, StreamSkipped):
            self.skipped.append(event.stream)
        return event
