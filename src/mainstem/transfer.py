"""One planned stream: read → transform → stage → publish, as events. It leaves nothing half done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa

from mainstem.ahead import read_ahead
from mainstem.connections import is_secret
from mainstem.constraint import ConstraintCheck
from mainstem.endpoints import KeyProfile, Query, RawRows, Staging, Step, Target
from mainstem.errors import EndpointError, MainstemError, StreamError
from mainstem.events import BatchStaged, Event
from mainstem.faults import Point, reached
from mainstem.hooking import StreamHooks
from mainstem.plan import PlannedColumn, RunFacts, StreamPlan
from mainstem.quarantine import Quarantine
from mainstem.replication import Mode, Stream
from mainstem.report import ReportedConstraint
from mainstem.settings import Settings
from mainstem.state import State
from mainstem.strategies import STRATEGIES, missing_steps
from mainstem.transform import transformed
from mainstem.types import cast_values, value_text

__all__ = ["Transfer", "phase_of"]


@contextmanager
def phase_of(stream: Stream, phase: str) -> Iterator[None]:
    """Say of an error which stream it befell, and when."""
    try:
        yield
    except StreamError:
        raise
    except MainstemError as error:
        raise StreamError(stream=stream.name, phase=phase, cause=error) from error
    except Exception as error:
        # The other streams go on; the traceback stays behind the error.
        raise StreamError(stream=stream.name, phase=phase, cause=_unexpected(error)) from error


class Transfer:
    """Moves the rows of one stream.

    Attributes:
        rows: Rows that reached the staging table.
        bytes: The same, as Arrow buffers, or as the bytes that were piped.
        cursor: The update key's greatest value that was published, as text; ``None`` where none was.
        notes: What the user should know.
        published: Whether the target has the rows, whatever comes up afterwards.
    """

    def __init__(
        self,
        stream: Stream,
        plan: StreamPlan,
        facts: RunFacts,
        settings: Settings,
        state: State | None,
        *,
        hooks: StreamHooks,
    ) -> None:
        self._stream = stream
        self._plan = plan
        self._facts = facts
        self._settings = settings
        self._state = state
        self._hooks = hooks
        self.rows = 0
        self.bytes = 0
        self.cursor: str | None = None
        self.notes = list(plan.notes)
        self.published = False
        self._quarantine: Quarantine | None = None
        self._check: ConstraintCheck | None = None

    def run(self) -> Iterator[Event]:
        """Read, stage and publish."""
        plan = self._plan
        if plan.ignore_existing and self._facts.target.inspect(plan.target) is not None:
            self.notes.append(f"{plan.target} exists and was left as it was: `ignore_existing`.")
            return
        with ExitStack() as opened:
            self._check = self._checking(opened)
            with self._phase("stage"):
                staging = opened.enter_context(
                    self._facts.target.stage(plan.target, plan.schema, place=plan.staging)
                )
                opened.callback(self._cleaned)
                staging.prepare(plan.update_key, _origin(plan))
                reached(Point.STAGED)
            if plan.mode is not Mode.DEFINITION_ONLY:
                yield from self._staged(staging)
            with self._phase("stage"):
                _check_count(self.rows, staging.complete())
                reached(Point.COMPLETE)
            if self._check:
                self.notes += self._check.told
            self._hooks.staged(self.rows, self.bytes)
            try:
                self._published(opened, staging)
            finally:
                yield from self._hooks.tell()
        with self._phase("post_sql"):
            if plan.post_sql:
                self._facts.target.run_script(plan.post_sql)

    def _staged(self, staging: Staging) -> Iterator[Event]:
        # Left before the publish, so that the source keeps nothing open that the target may wait for.
        with ExitStack() as reading:
            with self._phase("read"):
                raw = self._read_raw(reading, staging)
            for rows, size in self._piped(raw, staging) if raw else self._moved(reading, staging):
                self.rows += rows
                self.bytes += size
                yield BatchStaged(self._stream.name, self.rows, self.bytes)

    def _moved(self, reading: ExitStack, staging: Staging) -> Iterator[tuple[int, int]]:
        """Stage what is read, batch by batch: so many rows, and bytes, each time."""
        with self._phase("read"):
            batches = self._read(reading, self._plan.query, self._plan.parts)
        for batch in self._batches(batches, staging, self._plan.columns):
            yield batch.num_rows, batch.nbytes

    def _piped(self, pieces: Iterator[RawRows], staging: Staging) -> Iterator[tuple[int, int]]:
        """Stage the bytes of rows as they come."""
        while True:
            with self._phase("read"):
                piece = next(pieces, None)
            if piece is None:
                return
            with self._phase("stage"):
                staging.write_raw(piece)
                reached(Point.MID_BATCH)
            yield piece.rows, len(piece.data)

    def _read(
        self, reading: ExitStack, query: Query, parts: Sequence[Query] = ()
    ) -> Iterator[pa.RecordBatch]:
        source = self._facts.source
        if parts:
            together = reading.enter_context(source.read_together(parts, self._facts.readers))
        else:
            together = [reading.enter_context(source.read(query))]
        return reading.enter_context(read_ahead(together, source.cancel))

    def _read_raw(self, reading: ExitStack, staging: Staging) -> Iterator[RawRows] | None:
        """The rows as the source itself writes them, where the target reads that and nobody else does."""
        form, source = staging.raw_form, self._facts.source
        opening = source.read_raw(self._plan.query, form) if form and self._plan.is_verbatim else None
        if opening is None:
            return None
        return reading.enter_context(read_ahead([reading.enter_context(opening)], source.cancel))

    def _batches(
        self, batches: Iterator[pa.RecordBatch], staging: Staging, columns: Sequence[PlannedColumn]
    ) -> Iterator[pa.RecordBatch]:
        """Transform and stage what is read."""
        while True:
            with self._phase("read"):
                batch = next(batches, None)
            if batch is None:
                return
            with self._phase("transform"):
                if self._plan.transforms and columns is self._plan.columns:
                    batch = self._plan.transforms.applied(batch, columns)
                metadata = self._plan.metadata_columns if columns is self._plan.columns else ()
                batch = transformed(batch, staging.schema, columns, metadata)
                if self._check and columns is self._plan.columns:
                    batch = self._check.passed(batch)
            with self._phase("stage"):
                for part in _parts(batch, self._plan.batch_limit):
                    staging.write(part)
                    reached(Point.MID_BATCH)
            yield batch

    def _published(self, opened: ExitStack, staging: Staging) -> None:
        plan, target = self._plan, self._facts.target
        with self._phase("pre_sql"):
            if plan.pre_sql:
                target.run_script(plan.pre_sql)
        with self._phase("publish"):
            rows, missing = self._row_steps(staging), self._missing_steps(opened)
            quarantined = self._quarantine_steps(opened)
            if not rows and not missing and not quarantined:
                return
            # Without rows, what is marked as missing still needs its column.
            changes = plan.changes if missing else []
            steps = [*(rows or changes), *missing, *quarantined]
            cursor, kind = self._cursor_of(staging)
            # A table without its rows of before is not where an older cursor was.
            state = self._state if cursor or self._is_replaced else None
            stream = (plan.stream, self._stream.object)
            kept = state.steps(target, *stream, cursor, kind) if state and _is_one(target, steps) else []
            if state and not kept:
                state.announce(*stream, cursor, kind)
            before, after = self._hooks.steps("pre_merge"), self._hooks.steps("post_merge")
            reached(Point.BEFORE_PUBLISH)
            target.publish(staging, plan.target, [*before, *steps, *kept, *after])
            self.published = True
            reached(Point.AFTER_PUBLISH)
            self.cursor = cursor
            if state and not kept:
                state.write(*stream, cursor, kind)
                state.settle(*stream)

    def _cleaned(self) -> None:
        with self._phase("cleanup"):
            reached(Point.CLEANUP)

    @property
    def _is_replaced(self) -> bool:
        """Whether the table afterwards holds what was staged, and nothing else."""
        is_new = self._plan.existing is None and self._plan.cursor is None
        return is_new or self._plan.mode is Mode.TRUNCATE

    def _checking(self, opened: ExitStack) -> ConstraintCheck | None:
        if self._plan.constraints is None:
            return None
        about = (self._plan.stream, self._facts.id, self._facts.started)
        policy = self._settings.on_constraint_failure
        if policy == "skip":
            # Whether there is a place for such rows is told before a row is read.
            with self._phase("plan"):
                Quarantine(self._facts.target, self._plan.target)
        return ConstraintCheck(self._plan.constraints, self._plan.columns, policy, about, opened)

    @property
    def constraints(self) -> Sequence[ReportedConstraint]:
        """What became of the constraints that the rows were checked for."""
        if self._check is None:
            return []
        return self._check.reported(self._quarantine.name if self._quarantine else None)

    def _quarantine_steps(self, opened: ExitStack) -> Sequence[Step]:
        """Put the rows that were kept apart beside the target, in the same transaction."""
        if not self._check or self._settings.on_constraint_failure != "skip":
            return []
        quarantine = Quarantine(self._facts.target, self._plan.target)
        if not self._check.skipped:
            quarantine.sweep()
            return []
        self.notes.append(f"The rows that were kept apart are in {quarantine.name}.")
        self._quarantine = quarantine
        with self._phase("stage"):
            return quarantine.steps(self._check, opened, _origin(self._plan) or self._plan.stream)

    def _row_steps(self, staging: Staging) -> Sequence[Step]:
        """How the staged rows become visible; nothing where there are none."""
        plan = self._plan
        if not (self.rows or self._settings.allow_empty or plan.mode is Mode.DEFINITION_ONLY):
            self.notes.append(_nothing_to_do(plan))
            return []
        merges = plan.merge_strategy is not None and self.rows
        profile = staging.profile(plan.primary_key) if merges else KeyProfile()
        if profile.repeated:
            self.notes.append(
                f"{profile.repeated} primary keys came in more than one row: the last one was taken"
                + (f", by {plan.update_key}." if plan.update_key else ".")
            )
        return STRATEGIES[plan.mode](plan, profile)

    def _missing_steps(self, opened: ExitStack) -> Sequence[Step]:
        """What becomes of rows that the source lost. The keys are read after the rows: none is missed."""
        plan, target = self._plan, self._facts.target
        if plan.missing is None or plan.existing is None:
            return []
        by_name = {column.name: column for column in plan.columns}
        columns = [by_name[name] for name in plan.primary_key]
        schema = pa.schema([column.field for column in columns])
        keys = opened.enter_context(target.stage(plan.target, schema, purpose="keys"))
        with ExitStack() as reading:
            with self._phase("read"):
                batches = self._read(reading, plan.missing.query)
            for _ in self._batches(batches, keys, columns):
                pass
        if not keys.complete() and not self._settings.allow_empty:
            self.notes.append(
                f"No keys in {plan.source}: no row of {plan.target} was taken for missing."
                " SLING_ALLOW_EMPTY=true lets an empty source empty its target."
            )
            return []
        return missing_steps(plan, keys.place, keys.profile(plan.primary_key), self._facts.started)

    def _cursor_of(self, staging: Staging) -> tuple[str | None, str]:
        """The greatest staged value of the update key, in the words of the source's type."""
        plan = self._plan
        column = next((column for column in plan.columns if column.name == plan.update_key), None)
        # A range may lie behind the rows that are there already.
        if column is None or (plan.range and not self._is_replaced) or not self.rows:
            return None, ""
        value = staging.maximum(column.name)
        if value is None:
            return None, ""
        repeat: Any = pa.repeat
        return value_text(
            cast_values(repeat(value, 1), column.source.arrow_type)[0]
        ), column.source.native_type

    def _phase(self, name: str) -> Any:
        return phase_of(self._stream, name)


def _is_one(target: Target, steps: Sequence[Step]) -> bool:
    """Whether a statement beside these steps is one with them: it happens as they do, or not at all."""
    return target.capabilities.transactional_ddl or not any(step.changes_definition for step in steps)


def _origin(plan: StreamPlan) -> str | None:
    """Where the stream goes on; so does the next run, where this one is killed before its cursor is kept."""
    return f"{plan.stream} {plan.cursor.value}" if plan.cursor else None


def _unexpected(error: Exception) -> MainstemError:
    said = str(error).strip().partition("\n")[0]
    shown = "" if is_secret("", said) else f": {said.rstrip('.')}"
    return MainstemError(
        f"Nobody expected {type(error).__name__}{shown}.",
        hint="Please report this with its traceback: it is a bug in mainstem or in the driver.",
    )


def _parts(batch: pa.RecordBatch, limit: int | None) -> Iterator[pa.RecordBatch]:
    """A batch in parts of at most so many rows (`batch_limit`)."""
    if limit is None or batch.num_rows <= limit:
        yield batch
        return
    for start in range(0, batch.num_rows, limit):
        yield batch.slice(start, limit)


def _check_count(sent: int, found: int) -> None:
    if sent != found:
        raise EndpointError(
            f"{sent} rows were sent, but the staging table holds {found}. Nothing was published.",
            hint="Please report this: it is a bug in mainstem or in the driver.",
        )


def _nothing_to_do(plan: StreamPlan) -> str:
    since = f" beyond {plan.cursor.value}" if plan.cursor else ""
    if plan.range:
        since = f" from {plan.range[0]} to {plan.range[1]}"
    return (
        f"No rows in {plan.source}{since}: {plan.target} was left as it was, as in Sling."
        " SLING_ALLOW_EMPTY=true publishes empty tables."
    )
