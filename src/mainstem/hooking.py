"""The hooks of a replication at their stages: what each stage knows, and what its failure means."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mainstem.breaking import Breaker, Deadline
from mainstem.endpoints import Call, SqlTarget, Step
from mainstem.errors import HookError, HookStageError, MainstemError, StreamError
from mainstem.events import Event, HookFinished, StreamFailed, StreamPublished, StreamSkipped
from mainstem.hooks import Scope, Services, Verdict, nested, run_hooks
from mainstem.plan import StreamPlan
from mainstem.replication import Replication, Stream, Variables
from mainstem.replication.variables import StreamNames, run_name
from mainstem.report import StreamReport

__all__ = ["GRACE", "RunHooks", "SkippedStreamError", "StreamHooks"]

# Seconds that what comes behind a stream or a run has when the time is over: to tell somebody.
GRACE = 60.0

_COUNTS = ("count", "success", "running", "skipped", "cancelled", "warning", "error")
Hooked = Generator[HookFinished, None, None]


class SkippedStreamError(StreamError):
    """A hook says that its stream is not to run."""


class RunHooks:
    """The hooks of one run.

    Args:
        replication: The document.
        services: What they may use, with the source's and the target's connection.
        started: When the run began.
        run_id: The execution's id.
    """

    def __init__(self, replication: Replication, services: Services, started: datetime, run_id: str) -> None:
        self._replication = replication
        self._services = services
        self._started = started
        self.scope = Scope({**self._names(run_id), "runs": {}})

    def start(
        self, streams: Sequence[Stream], deadline: Deadline | None = None
    ) -> Generator[HookFinished, None, Verdict]:
        """Run the hooks at the start, in time.

        Raises:
            HookStageError: One failed.
        """
        with self.scope.changing("execution") as execution:
            execution["status"] = {**execution["status"], "count": len(streams)}
        return (yield from self._stage("start", deadline))

    def end(self, deadline: Deadline | None = None) -> Generator[HookFinished, None, Verdict]:
        """Run the hooks at the end. Where the time is over, they have a little more to tell it.

        Raises:
            HookStageError: One failed.
        """
        now = datetime.now().astimezone()
        with self.scope.changing("execution") as execution:
            execution["end_time"] = now.isoformat()
            execution["duration"] = (now - self._started).total_seconds()
        return (yield from self._stage("end", deadline and deadline.no_sooner_than(GRACE)))

    def of(self, stream: Stream, breaker: Breaker | None = None) -> StreamHooks:
        """The hooks of a stream.

        Args:
            stream: The stream.
            breaker: Breaks the stream off.
        """
        return StreamHooks(stream, self.scope, replace(self._services, breaker=breaker or Breaker()))

    def took(self, event: Event) -> None:
        """Count an event of a stream."""
        status = {StreamPublished: "success", StreamFailed: "error", StreamSkipped: "skipped"}.get(
            type(event)
        )
        if status is None:
            return
        with self.scope.changing("execution") as execution:
            counts = execution["status"]
            execution["status"] = {**counts, status: counts[status] + 1}
            if isinstance(event, StreamPublished):
                execution["total_rows"] += event.report.rows or 0
                execution["total_bytes"] += event.report.bytes or 0
            if isinstance(event, StreamFailed):
                execution["error"] = str(event.error)

    def _stage(self, stage: str, deadline: Deadline | None) -> Generator[HookFinished, None, Verdict]:
        hooks = [hook for hook in self._replication.hooks if hook.stage == stage]
        services = replace(self._services, breaker=Breaker(deadline))
        try:
            with services.breaker.in_time():
                return (yield from run_hooks(hooks, self.scope, services))
        except MainstemError as error:
            raise HookStageError(stage=stage, cause=error) from error

    def _names(self, run_id: str) -> dict[str, Any]:
        source, target = self._services.source, self._services.target
        document = self._replication.document.source
        names = StreamNames(
            stream="",
            schema="",
            table="",
            full_name="",
            source=(source.name, source.type) if source else ("", ""),
            target=(target.name, target.type) if target else ("", ""),
            target_schema="",
            started=self._started,
            run_id=run_id,
            file=None if document.startswith("<") else document,
            environment=self._replication.variables,
        ).variables()
        own = ("stream", "run_id", "run_stream", "target_schema")
        found = nested({name: value for name, value in names.values.items() if not name.startswith(own)})
        counts: dict[str, Any] = dict.fromkeys(_COUNTS, 0)
        found["execution"] = {**found["execution"], "status": counts, "total_rows": 0, "total_bytes": 0}
        found["execution"] |= {"error": None, "end_time": None, "duration": None}
        found.setdefault("env", {})
        return found


class StreamHooks:
    """The hooks of one stream. One thread uses it.

    Attributes:
        happened: What hooks within the publishing transaction did, to be told when it is over.
    """

    def __init__(self, stream: Stream, above: Scope, services: Services) -> None:
        self._stream = stream
        self._services = services
        self._above = above
        self._id = stream.id or run_name(stream.name)
        self._run: dict[str, Any] = {
            "id": self._id,
            "stream": stream.name,
            "object": stream.object,
            "status": "running",
            "total_rows": 0,
            "total_bytes": 0,
            "start_time": datetime.now().astimezone().isoformat(),
            "end_time": None,
            "duration": None,
            "error": None,
            "incremental_value": None,
            "config": {"mode": stream.mode.value},
        }
        self._scope = above.below({"run": self._run})
        self._began = False
        self.happened: list[HookFinished] = []

    def pre(self, variables: Variables) -> Hooked:
        """Run the hooks before the stream, once, however often it is tried.

        Raises:
            SkippedStreamError: The stream is not to run.
            StreamError: A hook failed.
        """
        if self._began:
            return
        self._began = True
        self._know(variables)
        try:
            verdict = yield from self._hooks("pre")
        except MainstemError as error:
            raise StreamError(stream=self._stream.name, phase="pre", cause=error) from error
        if verdict is Verdict.SKIP:
            raise self._skipped("pre")

    def planned(self, plan: StreamPlan, variables: Variables) -> None:
        """The stream is planned: its object is known."""
        self._know(variables)
        self._changed(object=str(plan.target), range=list(plan.range) if plan.range else None)
        self._changed(incremental_value=plan.cursor.value if plan.cursor else None)

    def staged(self, rows: int, size: int) -> None:
        """So many rows are about to be published."""
        self._changed(total_rows=rows, total_bytes=size)

    def steps(self, stage: str) -> Sequence[Step]:
        """The hooks within the publishing transaction, as steps of it."""
        if not any(hook.stage == stage for hook in self._stream.hooks):
            return []

        def action(target: Any) -> None:
            within = replace(self._services, open_target=target if isinstance(target, SqlTarget) else None)
            self._within(stage, within)

        return [Call(action)]

    def _within(self, stage: str, services: Services) -> None:
        """Run the hooks of a stage now. What is raised here rolls the publish back."""
        hooks = self._hooks(stage, services)
        while True:
            try:
                self.happened.append(next(hooks))
            except StopIteration as over:
                if over.value is Verdict.SKIP:
                    raise self._skipped(stage) from None
                return

    def _skipped(self, stage: str) -> SkippedStreamError:
        why = HookError("A hook failed, and its `on_failure` is `skip`.")
        return SkippedStreamError(stream=self._stream.name, phase=stage, cause=why)

    def tell(self) -> Hooked:
        """What happened within the transaction."""
        happened, self.happened = self.happened, []
        yield from happened

    def ended(self, outcome: StreamReport | StreamError) -> None:
        """The stream is published, or has failed for good."""
        self._changed(end_time=datetime.now().astimezone().isoformat())
        if isinstance(outcome, StreamError):
            self._changed(status="skipped" if isinstance(outcome, SkippedStreamError) else "error")
            self._changed(error=str(outcome))
            return
        warned = bool(outcome.extra.get("constraint_failures"))
        self._changed(status="warning" if warned else "success", total_rows=outcome.rows or 0)
        self._changed(total_bytes=outcome.bytes or 0, duration=outcome.seconds)
        self._changed(object=outcome.target, incremental_value=outcome.extra.get("cursor_after"))

    def post(self, breaker: Breaker) -> Hooked:
        """Run the hooks behind the stream, whatever became of it.

        Args:
            breaker: Breaks them off: that of the stream may have been used.

        Raises:
            StreamError: A hook failed.
        """
        try:
            yield from self._hooks("post", replace(self._services, breaker=breaker))
        except MainstemError as error:
            raise StreamError(stream=self._stream.name, phase="post", cause=error) from error

    def _hooks(self, stage: str, services: Services | None = None) -> Generator[HookFinished, None, Verdict]:
        hooks = [hook for hook in self._stream.hooks if hook.stage == stage]
        return (
            yield from run_hooks(hooks, self._scope, services or self._services, stream=self._stream.name)
        )

    def _know(self, variables: Variables) -> None:
        names = nested(variables.values)
        for name in ("run", "execution", "env"):
            names.pop(name, None)
        for name, value in names.items():
            self._scope.set(name, value)
        self._changed()

    def _changed(self, **values: Any) -> None:
        self._run = {**self._run, **values}
        self._scope.set("run", self._run)
        with self._above.changing("runs") as runs:
            runs[self._id] = self._run
