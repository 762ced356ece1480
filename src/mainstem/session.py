"""An open source and an open target, through which streams go one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mainstem.breaking import Breaker, Deadline
from mainstem.endpoints import SourceTable
from mainstem.errors import ReplicationError, RunTimeoutError, StreamError, ValueBreaksTypeError
from mainstem.events import BatchStaged, Event, StreamPublished, StreamRetried, StreamSkipped, StreamStarted
from mainstem.faults import Point, reached
from mainstem.hooking import GRACE, RunHooks, SkippedStreamError, StreamHooks
from mainstem.plan import PlannedColumn, RunFacts, StreamPlan, StreamPlanner
from mainstem.replication import Stream
from mainstem.report import ReportedColumn, StreamReport
from mainstem.settings import Settings
from mainstem.state import State
from mainstem.transfer import Transfer, phase_of
from mainstem.widening import with_wider_columns

__all__ = ["Opened", "Session", "Writers"]


@dataclass(frozen=True)
class Opened:
    """What a session works with.

    Attributes:
        facts: The open source and target, and what all streams share.
        state: Where cursors are kept; ``None``: they are derived from the target.
    """

    facts: RunFacts
    state: State | None = None


@dataclass
class Writers:
    """Which stream of a run writes which table. Sessions of several threads share it."""

    _first: dict[str, str] = field(default_factory=dict)

    def refuse_second(self, plan: StreamPlan, stream: Stream) -> None:
        """Refuse a stream whose table another one writes: that would leave the rows of the second alone.

        Raises:
            ReplicationError: With both streams.
        """
        first = self._first.setdefault(str(plan.target).lower(), stream.name)
        if first != stream.name:
            raise ReplicationError(
                f"The streams {first} and {stream.name} would both be written to {plan.target}.",
                position=stream.position,
                hint="Give one of them an `object` of its own.",
            )


class Session:
    """Runs streams, each to its end, with as many attempts as it may take.

    It opens its source and target with its first stream, and again after an error that broke them. One
    thread uses it; any may :meth:`stop` it.

    Args:
        opening: Opens source and target; what is to be closed goes into the stack.
        settings: How often a stream is tried, among others.
        writers: What the run's other sessions write.
        hooks: The run's hooks.
        deadline: When the run's time is over; ``None``: never.
    """

    def __init__(
        self,
        opening: Callable[[ExitStack], Opened],
        settings: Settings,
        writers: Writers,
        hooks: RunHooks,
        deadline: Deadline | None = None,
    ) -> None:
        self._opening = opening
        self._settings = settings
        self._writers = writers
        self._hooks = hooks
        self._deadline = deadline
        self._breaker = Breaker()
        self._stack = ExitStack()
        self._opened: Opened | None = None
        self._stopped = threading.Event()

    def run(self, stream: Stream) -> Iterator[Event]:
        """Run one stream, with its hooks.

        Raises:
            StreamError: It failed for good; its target is as it was. Or a hook behind it failed.
        """
        own = Deadline.after(stream.timeout, f"The stream's `timeout`, {stream.timeout or 0:g} s, is over.")
        breaker = self._broken_by(Breaker(self._deadline, own))
        hooks = self._hooks.of(stream, breaker)
        try:
            with breaker.watching(self._cancel), breaker.in_time():
                yield from self._attempts(stream, hooks)
        except SkippedStreamError as skipped:
            hooks.ended(skipped)
            yield StreamSkipped(stream.name, skipped)
            return
        except StreamError as error:
            hooks.ended(error)
            # What the hooks say of it is told; the stream's own error stays the first one.
            with suppress(StreamError):
                yield from self._post(hooks, breaker)
            raise
        yield from self._post(hooks, breaker)

    def _post(self, hooks: StreamHooks, breaker: Breaker) -> Iterator[Event]:
        """What comes behind the stream, in time; where that is over, in a little more."""
        deadline = breaker.deadline and breaker.deadline.no_sooner_than(GRACE)
        behind = self._broken_by(Breaker(deadline))
        with behind.in_time():
            yield from hooks.post(behind)

    def _broken_by(self, breaker: Breaker) -> Breaker:
        """Have :meth:`stop` break this off."""
        self._breaker = breaker
        if self._stopped.is_set():
            breaker.off()
        return breaker

    def _attempts(self, stream: Stream, hooks: StreamHooks) -> Iterator[Event]:
        settings, breaker = self._settings.of(stream), self._breaker
        attempts = settings.retries + 1
        for attempt in range(1, attempts + 1):
            self._refuse_overdue(stream, "start")
            try:
                trying = with_wider_columns(
                    lambda: self._attempt(stream, hooks), partial(self._widen, stream)
                )
                with closing(trying) as events:
                    for event in events:
                        yield event
                        if isinstance(event, BatchStaged):
                            self._refuse_overdue(stream, "read")
                return
            except StreamError as error:
                # What was broken off when the time was over fails because of it.
                if breaker.broken or error.transient:
                    # Whatever broke, the next attempt begins with connections of its own.
                    self.close()
                self._refuse_overdue(stream, error.phase)
                if not error.transient or attempt == attempts or breaker.broken:
                    raise
                wait = settings.retry_delay * 2 ** (attempt - 1)
                yield StreamRetried(error, attempt + 1, attempts, wait)
                breaker.wait(wait)

    def stop(self) -> None:
        """Break off what it does. Any thread may call this, and more than once."""
        self._stopped.set()
        self._breaker.off()

    def _cancel(self) -> None:
        opened = self._opened
        if opened is not None:
            opened.facts.source.cancel()
            opened.facts.target.cancel()

    def _refuse_overdue(self, stream: Stream, phase: str) -> None:
        deadline = self._breaker.deadline
        if deadline is not None and deadline.is_over:
            over = RunTimeoutError(deadline.told, hint="Its target is as it was. Give it more time.")
            raise StreamError(stream=stream.name, phase=phase, cause=over)

    def close(self) -> None:
        """Let go of source and target. Another stream opens them again."""
        self._opened = None
        stack, self._stack = self._stack, ExitStack()
        stack.close()

    def _widen(self, stream: Stream, error: ValueBreaksTypeError) -> bool:
        opened = self._opened
        return opened is not None and opened.facts.for_stream(stream).source.widen(error)

    def _attempt(self, stream: Stream, hooks: StreamHooks) -> Generator[Event, None, None]:
        began = time.monotonic()
        with phase_of(stream, "connect"):
            if self._opened is None:
                self._opened = self._opening(self._stack)
                self._opened.facts.target.connect_to_write()
            opened = self._opened
            reached(Point.CONNECTED)
        with phase_of(stream, "plan"):
            facts = opened.facts.for_stream(stream)
            planner = StreamPlanner(stream, facts)
            known = planner.variables()
        yield from hooks.pre(known)
        # What comes up while the stream is left belongs to it too: the other streams go on.
        with phase_of(stream, "cleanup"), ExitStack() as locks:
            with phase_of(stream, "plan"):
                # Where the stream goes on must not change between the plan and the publish.
                locks.enter_context(facts.target.locked(planner.target))
                plan = planner.plan()
                self._writers.refuse_second(plan, stream)
                if plan.staging is not None:
                    # A place that the user has named may be another stream's as well.
                    locks.enter_context(facts.target.locked(plan.staging))
                hooks.planned(plan, planner.variables(plan))
                reached(Point.PLANNED)
            yield StreamStarted(stream.name, facts.target.address(plan.target), plan.estimated_rows)
            transfer = Transfer(stream, plan, facts, self._settings, opened.state, hooks=hooks)
            report = yield from _moved(stream, plan, facts, transfer, began)
        hooks.ended(report)
        yield StreamPublished(report)


def _moved(
    stream: Stream, plan: StreamPlan, facts: RunFacts, transfer: Transfer, began: float
) -> Generator[Event, None, StreamReport]:
    """Move the rows, and tell what came of it."""
    try:
        with phase_of(stream, "cleanup"):
            yield from transfer.run()
        with phase_of(stream, "publish"):
            return _report(plan, transfer, facts, time.monotonic() - began)
    except StreamError as error:
        if transfer.published:
            error.after_publish()
        raise


def _report(plan: StreamPlan, transfer: Transfer, facts: RunFacts, seconds: float) -> StreamReport:
    """What the stream did, with the table as its readers see it now."""
    found = facts.target.inspect(plan.target)
    extra: dict[str, Any] = {"mode": plan.mode.value}
    constraints = transfer.constraints
    if constraints:
        extra["constraint_failures"] = sum(each.failures for each in constraints)
    if plan.merge_strategy:
        extra["merge_strategy"] = plan.merge_strategy
    if plan.update_key:
        extra["cursor_before"] = plan.cursor.value if plan.cursor else None
        extra["cursor_after"] = transfer.cursor or extra["cursor_before"]
    return StreamReport(
        stream=plan.stream,
        tool="sling",
        target=facts.target.address(plan.target),
        storage=facts.target.connection.type,
        rows=transfer.rows,
        row_count=facts.target.count(found.relation) if found and found.relation else None,
        bytes=transfer.bytes,
        seconds=seconds,
        columns=_columns(plan, found) if found else [],
        notes=transfer.notes,
        constraints=constraints,
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
                sources=_sources(planned) if planned else None,
            )
        )
    return reported


def _sources(planned: PlannedColumn) -> Sequence[str]:
    return [planned.source.name] if planned.sources is None else planned.sources
