"""The engine: plan → read → transform → stage → publish → report, as a stream of events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mainstem.breaking import Breaker, Deadline
from mainstem.connections import Connection, ConnectionBook, ConnectionLike
from mainstem.endpoints import open_source, open_target, target_capabilities, tells_sizes
from mainstem.errors import EndpointError, HookError, HookStageError, ReplicationFailedError, StreamError
from mainstem.events import (
    Event,
    ReplicationFinished,
    ReplicationStarted,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
)
from mainstem.hooking import RunHooks
from mainstem.hooks import Routines, Services, Verdict, check_hooks
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
from mainstem.replication import (
    Replication,
    ReplicationLike,
    Stream,
    load_replication,
    read_document,
    select_streams,
)
from mainstem.report import StreamReport
from mainstem.session import Opened, Session, Writers
from mainstem.settings import Settings
from mainstem.state import State, open_state
from mainstem.strategies import STRATEGIES
from mainstem.telemetry import traced
from mainstem.transfer import phase_of

__all__ = ["Connections", "plan", "run", "run_nested"]

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
    return traced(_Run(config, connections, streams, overrides, settings).events(after or {}))


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
        *,
        depth: int = 0,
        within: Breaker | None = None,
    ) -> None:
        book = connections if isinstance(connections, ConnectionBook) else ConnectionBook(connections)
        self._replication = load_replication(config, book.variables, overrides)
        self._source = book.find(self._replication.source)
        self._target = book.find(self._replication.target)
        self._settings = settings or Settings.from_environment(
            {**book.variables, **self._replication.variables}
        )
        self._within = within
        self._routines = Routines(self._settings.routines)
        self._tokens = streams
        self._book = book
        self._expands = any(is_wildcard(stream.name) for stream in self._replication.streams)
        self._readers = 1
        self._started = datetime.now().astimezone()
        self._id = uuid.uuid4().hex
        self._hooks = RunHooks(self._replication, self._services(depth), self._started, self._id)
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
                for event in self._hooked(streams, after):
                    outcome.take(event)
                    yield event
        yield ReplicationFinished(
            outcome.reports, outcome.failures, outcome.skipped, time.monotonic() - began
        )

    def _hooked(
        self, streams: Sequence[Stream], after: Mapping[str, Collection[str]]
    ) -> Generator[Event, None, None]:
        """The streams, between the hooks at the start and those at the end."""
        hooks, deadline = self._hooks, self._deadline()
        try:
            verdict = yield from hooks.start(streams, deadline)
        except HookStageError as error:
            yield StreamFailed(error)
            yield from (StreamSkipped(stream.name, error) for stream in streams)
            return
        if verdict is Verdict.SKIP:
            because = HookStageError(stage="start", cause=HookError("Its `on_failure` is `skip`."))
            yield from (StreamSkipped(stream.name, because) for stream in streams)
        elif streams:
            for event in self._each(streams, after, deadline):
                hooks.took(event)
                yield event
        try:
            yield from hooks.end(deadline)
        except HookStageError as error:
            yield StreamFailed(error)

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

    def _services(self, depth: int) -> Services:
        """What hooks may use."""
        return Services(
            book=self._book,
            source=self._source,
            target=self._target,
            allow_commands=self._settings.allow_commands,
            replicate=lambda config, keys, deeper, breaker: run_nested(
                config, keys, self._book, self._settings, depth=deeper, within=breaker
            ),
            retry_delay=self._settings.hook_retry_delay,
            routines=self._routines,
            depth=depth,
        )

    def _chosen(self, replication: Replication) -> Sequence[Stream]:
        chosen = select_streams(replication, self._tokens)
        refuse_unsupported(replication, chosen)
        hooks = [*replication.hooks, *(hook for stream in chosen for hook in stream.hooks)]
        check_hooks(hooks, allow_commands=self._settings.allow_commands, routines=self._routines)
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
            readers=self._readers,
        )
        return Opened(facts, state)

    def _each(
        self,
        streams: Sequence[Stream],
        after: Mapping[str, Collection[str]],
        deadline: Deadline | None,
    ) -> Generator[Event, None, None]:
        threads = self._threads(len(streams))
        waiting = StreamQueue(streams, after, self._sizes(streams) if 1 < threads < len(streams) else None)
        # What is left of the threads reads the parts of a stream.
        self._readers = self._allowed(self._settings.threads // threads, self._source, among=threads)
        sessions = [
            Session(self._open, self._settings, writers, self._hooks, deadline)
            for writers in [Writers()]
            for _ in range(threads)
        ]
        with self._stopped_from_above(sessions):
            # What needs no thread has none: a debugger and Ctrl-C find the work where it was started.
            yield from side_by_side(sessions, waiting) if len(sessions) > 1 else in_turn(sessions[0], waiting)

    @contextmanager
    def _stopped_from_above(self, sessions: Sequence[Session]) -> Iterator[None]:
        """A replication that a hook runs is broken off with the hook."""
        within = self._within or Breaker()
        with ExitStack() as watched:
            for session in sessions:
                watched.enter_context(within.watching(session.stop))
            yield

    def _deadline(self) -> Deadline | None:
        """When the time of the run is over, or that of the hook that runs it."""
        minutes = (self._settings.timeout or 0) / 60
        own = Deadline.after(self._settings.timeout, f"SLING_TIMEOUT = {minutes:g} mins reached.")
        return Deadline.first(own, self._within.deadline if self._within else None)

    def _sizes(self, streams: Sequence[Stream]) -> Mapping[str, int]:
        """How large the streams are about, where the source's catalogue knows."""
        found: dict[str, int] = {}
        if not tells_sizes(self._source):
            return found
        # Of a source that cannot be reached the streams tell.
        with suppress(EndpointError), open_source(self._source) as source:
            sizes = source.sizes()
            for stream in streams:
                with suppress(EndpointError):
                    known = sizes.get(source.relation(stream.name))
                    found |= {} if known is None or stream.sql else {stream.name: known}
        return found

    @staticmethod
    def _allowed(wanted: int, connection: Connection, *, among: int) -> int:
        """So many connections as are wanted, of those that each of several sessions may open."""
        most = connection.whole_number("max_conns")
        return max(1, min(wanted, most // among) if most else wanted)

    def _threads(self, streams: int) -> int:
        """How many streams run at once: as many as is asked for, and as connections may be open."""
        allowed = [connection.whole_number("max_conns") for connection in (self._source, self._target)]
        threads = min(self._settings.threads, streams, *(most for most in allowed if most))
        return max(1, threads) if threads > 1 and target_capabilities(self._target).parallel_streams else 1


def run_nested(
    config: Any,
    keys: Mapping[str, Any],
    book: ConnectionBook,
    settings: Settings,
    *,
    depth: int,
    within: Breaker,
) -> Mapping[str, Any]:
    """Run a replication for a hook, or a step of a pipeline, and tell what became of it.

    Args:
        config: A path, text, or a mapping.
        keys: ``mode``, ``range``, ``streams`` or ``select_streams``, and ``env``, over its own.
        book: The connections.
        settings: Those of whoever runs it; its own `env` and the environment have the others.
        depth: How many replications it is within.
        within: Breaks off the hook or the step, and this with it.
    """
    document = read_document(config)
    if keys.get("env"):
        env = {**(document.values.get("env") or {}), **keys["env"]}
        document = document.with_values({**document.values, "env": env})
    named = keys.get("select_streams") or keys.get("streams")
    streams = [part.strip() for part in named.split(",")] if isinstance(named, str) else named
    overrides = {"mode": keys["mode"]} if keys.get("mode") else {}
    if keys.get("range"):
        overrides["source_options"] = {"range": keys["range"]}
    replication = load_replication(document, book.variables, overrides)
    # Its own `env` has its settings; whether commands may run is no document's to say.
    own = Settings.from_environment({**book.variables, **replication.variables})
    own = replace(own, allow_commands=settings.allow_commands, hook_retry_delay=settings.hook_retry_delay)
    finished = None
    nested = _Run(replication, book, streams, None, own, depth=depth, within=within)
    for event in traced(nested.events({})):
        if isinstance(event, ReplicationFinished):
            finished = event
    if finished is None:
        raise AssertionError("The engine ended without saying so.")
    return {
        "status": "error" if finished.failures else "success",
        "error": str(finished.failures[0]) if finished.failures else None,
        "total_rows": sum(report.rows or 0 for report in finished.reports),
        "total_bytes": sum(report.bytes or 0 for report in finished.reports),
        "streams": [report.stream for report in finished.reports],
        "failed": [failure.stream for failure in finished.failures],
        "duration": finished.seconds,
    }


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
