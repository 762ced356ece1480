"""Rows that break a constraint: counted, told, and kept apart until they are published with the others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import ConstraintError, shortened
from mainstem.expressions import json_rows
from mainstem.plan import ConstraintPlan, PlannedColumn
from mainstem.report import ReportedConstraint
from mainstem.types import cast_values

__all__ = ["QUARANTINE", "QUARANTINE_SUFFIX", "ConstraintCheck"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_TOLD = 20

QUARANTINE_SUFFIX = "__quarantine"
_FIELDS: list[tuple[str, pa.DataType]] = [
    ("run_id", pa.string()),
    ("stream", pa.string()),
    ("checked_at", pa.timestamp("us", "UTC")),
    ("failed", pa.string()),
    ("row_data", pa.string()),
]
QUARANTINE = pa.schema(_FIELDS)


class ConstraintCheck:
    """Looks at the batches of one stream.

    Args:
        plan: The constraints.
        columns: The columns, as they are staged.
        policy: ``warn``: the rows pass. ``abort``: the first one fails the stream. ``skip``: they are kept
            apart.
        stream: The stream's name, and the run's id and start, for what is kept apart.
        opened: Closes what is kept apart.

    Attributes:
        skipped: So many rows were kept apart.
    """

    def __init__(
        self,
        plan: ConstraintPlan,
        columns: Sequence[PlannedColumn],
        policy: str,
        stream: tuple[str, str, datetime],
        opened: ExitStack,
    ) -> None:
        self._plan = plan
        self._columns = columns
        self._policy = policy
        self._stream = stream
        self._opened = opened
        self._kept: Any = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._counts = [0] * len(plan.checks)
        self._samples: list[list[str | None]] = [[] for _ in plan.checks]
        self._notes: list[str] = []
        self.skipped = 0

    @property
    def failures(self) -> int:
        """So many values broke a constraint."""
        return sum(self._counts)

    def passed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Check a batch as it will be staged, and return its rows that are to be staged.

        Raises:
            ConstraintError: A row breaks a constraint, and the policy is ``abort``.
            LossyTypeError: A constraint cannot be computed for a value.
        """
        held = self._plan.program.run(batch.columns[: len(self._columns)])
        broken: Any = None
        for number, truth in enumerate(held):
            fails = pc.invert(pc.fill_null(truth, True))
            count = int(pc.sum(fails, min_count=0).as_py())
            if count:
                self._tell(number, batch, fails)
                self._counts[number] += count
            broken = fails if broken is None else pc.or_(broken, fails)
        if self._policy != "skip" or not pc.any(broken, min_count=0).as_py():
            return batch
        self._keep(batch.filter(broken), [pc.filter(truth, broken) for truth in held])
        passed: pa.RecordBatch = batch.filter(pc.invert(broken))
        return passed

    def kept(self) -> Iterator[pa.RecordBatch]:
        """The rows that were kept apart, in :data:`QUARANTINE`'s schema."""
        if self._writer is None:
            return
        self._writer.close()
        self._kept.seek(0)
        yield from pa.ipc.open_stream(self._kept)

    @property
    def told(self) -> list[str]:
        """The notes of the report."""
        if not self.failures:
            return []
        more = [f"Further failures are not told: the first {_TOLD} are."] if self.failures > _TOLD else []
        what = {"skip": f"{self.skipped} rows were kept apart", "warn": "the rows were written all the same"}
        return [f"{self.failures} values broke a constraint; {what[self._policy]}.", *self._notes, *more]

    def reported(self, quarantine: str | None = None) -> list[ReportedConstraint]:
        """What became of each constraint.

        Args:
            quarantine: The table that holds what was kept apart.
        """
        return [
            ReportedConstraint(
                column,
                constraint.column,
                constraint.text,
                count,
                self._policy,
                samples,
                quarantine if count else None,
            )
            for (column, constraint), count, samples in zip(
                self._plan.checks, self._counts, self._samples, strict=True
            )
        ]

    def _tell(self, number: int, batch: pa.RecordBatch, fails: pa.Array[Any]) -> None:
        column, constraint = self._plan.checks[number]
        room = 1 if self._policy == "abort" else _TOLD - len(self._notes)
        if room <= 0:
            return
        shown = pc.filter(batch.column(column), fails).slice(0, room)
        for value in cast_values(shown, pa.string()).to_pylist():
            if self._policy == "abort":
                raise ConstraintError(
                    column=column, declared=constraint.column, constraint=constraint.text, value=value
                )
            self._samples[number].append(None if value is None else shortened(value))
            self._notes.append(f"{column}: `{constraint.text}` does not hold for {shortened(value)}")

    def _keep(self, rows: pa.RecordBatch, held: Sequence[pa.Array[Any]]) -> None:
        self.skipped += rows.num_rows
        name, run_id, started = self._stream
        repeat: Any = pa.repeat
        reasons = [
            pc.if_else(
                pc.fill_null(truth, True), pa.scalar(None, pa.string()), f"{column}: {constraint.text}"
            )
            for (column, constraint), truth in zip(self._plan.checks, held, strict=True)
        ]
        failed = pc.binary_join_element_wise(*reasons, "; ", null_handling="skip")
        columns = [cast_values(values, pa.string()) for values in rows.columns]
        batch = pa.RecordBatch.from_arrays(
            [
                repeat(pa.scalar(run_id, pa.string()), rows.num_rows),
                repeat(pa.scalar(name, pa.string()), rows.num_rows),
                repeat(pa.scalar(started, pa.timestamp("us", "UTC")), rows.num_rows),
                failed,
                json_rows(rows.schema.names, columns),
            ],
            schema=QUARANTINE,
        )
        if self._writer is None:
            # On disk, since nobody knows how many there will be; without a name: nothing is left of it.
            self._kept = self._opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            self._writer = pa.ipc.new_stream(self._kept, QUARANTINE)
        self._writer.write_batch(batch)
