"""A check for each constraint of `columns`: it holds where every row of a load satisfies it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from mainstem.assets import CheckReport
from mainstem.connections import Connection
from mainstem.constraint import ConstraintCheck
from mainstem.endpoints import Query, Source, Target, open_source, open_target
from mainstem.errors import ConfigError, ConstraintError, MainstemError, StreamError
from mainstem.plan import StreamPlan
from mainstem.reconcile.stream import plan_of_everything
from mainstem.replication import Replication
from mainstem.replication.columns import EVERY_COLUMN, ColumnSpec, parse_columns
from mainstem.report import ReportedConstraint, StreamReport
from mainstem.settings import Settings
from mainstem.sling.definition import SlingDefinition
from mainstem.types import cast_values

__all__ = ["ConstraintChecks", "constraint_specs"]

_SEVERITIES: Mapping[str, dg.AssetCheckSeverity] = {"abort": dg.AssetCheckSeverity.ERROR}
_OTHER = re.compile(r"[^A-Za-z0-9_]+")


def constraint_specs(definition: SlingDefinition) -> Sequence[dg.AssetCheckSpec]:
    """A check for each column with a constraint: ``constraint_<column>``.

    Args:
        definition: The replication.
    """
    return [
        dg.AssetCheckSpec(
            check,
            asset=definition.specs[name].key,
            description=f"{_named(spec)} satisfies `{spec.constraint.text if spec.constraint else ''}`.",
        )
        for name in definition.streams
        for check, spec in _constrained(definition, name).items()
    ]


class ConstraintChecks:
    """The checks of constraints in one run.

    A load counts what breaks them. What no load of this run has counted, such as a check that is run alone,
    is looked for among the target's rows.

    Args:
        definition: The replication.
        ends: The connections of the source and of the target; ``None`` where one cannot be opened here.
    """

    def __init__(
        self, definition: SlingDefinition, ends: tuple[Connection | None, Connection | None]
    ) -> None:
        self._definition = definition
        self._ends = ends
        self._told: set[tuple[str, str]] = set()

    def published(self, report: StreamReport) -> Iterator[CheckReport]:
        """What a load has counted."""
        for check, spec in _constrained(self._definition, report.stream).items():
            counted = [each for each in report.constraints if each.declared.lower() == spec.name.lower()]
            if counted:
                yield self._report(report.stream, check, counted, report.rows)
            elif report.rows == 0:
                yield self._outcome(report.stream, check, passed=True, told="No row was loaded.")

    def failed(self, error: StreamError) -> Iterator[CheckReport]:
        """What a constraint says that has failed its stream."""
        cause = error.cause
        if not isinstance(cause, ConstraintError):
            return
        found = ReportedConstraint(cause.column, cause.declared, cause.constraint, 1, "abort", [cause.value])
        for check, spec in _constrained(self._definition, error.stream).items():
            if spec.name.lower() == cause.declared.lower():
                yield self._report(error.stream, check, [found], None)

    def others(
        self, streams: Collection[str], lost: Collection[str], selected: Collection[dg.AssetCheckKey]
    ) -> Iterator[CheckReport]:
        """Look for what no load has counted among the target's rows.

        Args:
            streams: The streams that were published in this run.
            lost: Those that were not.
            selected: The checks that this step is to give results for.
        """
        for name in self._definition.streams:
            if name in lost:
                continue
            key = self._definition.specs[name].key
            left = {
                check: spec
                for check, spec in _constrained(self._definition, name).items()
                if (name, check) not in self._told
                and (name in streams or dg.AssetCheckKey(key, check) in selected)
            }
            if left:
                yield from self._of_target(name, left)

    def _of_target(self, name: str, left: Mapping[str, ColumnSpec]) -> Iterator[CheckReport]:
        try:
            with ExitStack() as opened:
                source = opened.enter_context(open_source(self._end(0)))
                target = opened.enter_context(open_target(self._end(1)))
                found, rows = _counted(self._definition.replication, name, source, target)
                policy = _policy(self._definition.replication)
        except MainstemError as error:
            for check in left:
                yield self._outcome(name, check, passed=False, told=f"It could not be checked: {error}")
            return
        for check, spec in left.items():
            counted = [each for each in found if each.declared.lower() == spec.name.lower()]
            if counted:
                yield self._report(name, check, counted, rows, policy)
            else:
                told = f"The stream brings no column {spec.name}: nothing was checked."
                yield self._outcome(name, check, passed=False, told=told)

    def _report(
        self,
        stream: str,
        check: str,
        counted: Sequence[ReportedConstraint],
        rows: int | None,
        policy: str | None = None,
    ) -> CheckReport:
        first = counted[0]
        failures = sum(each.failures for each in counted)
        samples = [{"column": each.column, "value": value} for each in counted for value in each.samples]
        quarantine = next((each.quarantine for each in counted if each.quarantine), None)
        metadata = {
            "constraint": first.text,
            "policy": policy or first.policy,
            "failures": failures,
            "rows": rows,
            "samples": dg.MetadataValue.json(samples) if samples else None,
            "quarantine": quarantine,
        }
        return self._outcome(
            stream,
            check,
            passed=not failures,
            told=_sentence(first, failures, quarantine),
            severity=_SEVERITIES.get(policy or first.policy, dg.AssetCheckSeverity.WARN),
            metadata={key: value for key, value in metadata.items() if value is not None},
        )

    def _outcome(
        self,
        stream: str,
        check: str,
        *,
        passed: bool,
        told: str,
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
        metadata: Mapping[str, Any] | None = None,
    ) -> CheckReport:
        self._told.add((stream, check))
        key = self._definition.specs[stream].key
        return CheckReport(key, check, passed, severity, metadata or {}, told)

    def _end(self, end: int) -> Connection:
        connection = self._ends[end]
        if connection is None:
            replication = self._definition.replication
            name = (replication.source, replication.target)[end]
            raise ConfigError(f"The connection {name} is known to Sling's own program alone.")
        return connection


def _constrained(definition: SlingDefinition, stream: str) -> Mapping[str, ColumnSpec]:
    """The columns of a stream that have a constraint, by the name of their check."""
    found = definition.streams[stream]
    # Most streams declare no columns.
    if not found.columns:
        return {}
    try:
        specs = parse_columns(found.columns, lambda _: found.position)
    except MainstemError:  # the plan of a run tells it, with its place
        return {}
    checks: dict[str, ColumnSpec] = {}
    for spec in specs:
        if spec.constraint is None:
            continue
        name = "constraint_all" if spec.name == EVERY_COLUMN else f"constraint_{_OTHER.sub('_', spec.name)}"
        number = 2
        while name in checks:
            name, number = f"{name.rstrip('0123456789').rstrip('_')}_{number}", number + 1
        checks[name] = spec
    return checks


def _named(spec: ColumnSpec) -> str:
    return "Each column" if spec.name == EVERY_COLUMN else f"The column `{spec.name}`"


def _sentence(first: ReportedConstraint, failures: int, quarantine: str | None) -> str:
    if not failures:
        return f"`{first.text}` holds."
    value = "value does" if failures == 1 else "values do"
    after = {
        "warn": "they are in the target",
        "skip": f"their rows are in {quarantine or 'the quarantine'}",
        "abort": "nothing was published",
    }
    many = "At least 1" if first.policy == "abort" else f"{failures:,}"
    return f"{many} {value} not satisfy `{first.text}`; {after[first.policy]}."


def _counted(
    replication: Replication, name: str, source: Source, target: Target
) -> tuple[Sequence[ReportedConstraint], int]:
    """Count what breaks the constraints of a stream among the target's rows, and these."""
    if not isinstance(target, Source):
        raise ConfigError(f"{target.connection.name} ({target.connection.type}) cannot be read.")
    stream = next(each for each in replication.streams if each.name == name)
    plan = plan_of_everything(replication, stream, source, target)
    if plan.constraints is None:
        return [], 0
    query, rows = _query(plan, target), 0
    with ExitStack() as opened:
        about = (name, "", datetime.now().astimezone())
        check = ConstraintCheck(plan.constraints, plan.columns, "warn", about, opened)
        for batch in opened.enter_context(target.read(query)):
            check.passed(_planned(batch, plan))
            rows += batch.num_rows
        return check.reported(), rows


def _query(plan: StreamPlan, target: Source) -> Query:
    """All rows of the target, with the planned columns."""
    there = target.describe(plan.target)
    by_name = {column.name.lower(): column for column in there.columns}
    lost = [column.name for column in plan.columns if column.name.lower() not in by_name]
    if lost:
        raise ConfigError(f"{plan.target} has no column {lost[0]}.", hint="Load the stream first.")
    return Query([by_name[column.name.lower()] for column in plan.columns], relation=there.relation)


def _planned(batch: pa.RecordBatch, plan: StreamPlan) -> pa.RecordBatch:
    fields = [column.field for column in plan.columns]
    arrays = [cast_values(values, field.type) for values, field in zip(batch.columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _policy(replication: Replication) -> str:
    return Settings.from_environment({**os.environ, **replication.variables}).on_constraint_failure
