"""What an earlier run has published already, so that a re-execution from failure does only the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mainstem.assets import AssetReport, ExecutionContext
from mainstem.report import StreamReport
from mainstem.sling.definition import SlingDefinition

__all__ = ["Published", "published_before"]


@dataclass(frozen=True)
class Published:
    """A stream that need not run again.

    Attributes:
        stream: The stream's name.
        run_id: The run that published it.
        report: Its result, where another step of this run waits for it; ``None`` where none does.
    """

    stream: str
    run_id: str
    report: AssetReport | None


def published_before(
    context: ExecutionContext, definition: SlingDefinition, streams: Sequence[str]
) -> Sequence[Published]:
    """Return the streams that an earlier attempt at the same work has published.

    An earlier attempt is this very step, where Dagster retries it, or the runs that this one re-executes
    from failure. A re-execution of everything has none.

    Args:
        context: The context of assets that run.
        definition: The replication.
        streams: The streams that are selected.
    """
    attempts = _attempts(context)
    if not attempts:
        return []
    wanted = _awaited(context)
    found = []
    for stream in streams:
        key = definition.specs[stream].key
        records = [_latest(context, key, partition) for partition in _partitions(context)]
        published = [record for record in records if record is not None and record.run_id in attempts]
        if len(published) == len(records):
            materialization = published[-1].asset_materialization
            # An earlier attempt of this very step: its results count.
            again = key in wanted and published[-1].run_id != context.run.run_id
            report = _repeated(stream, key, published[-1].run_id, materialization) if again else None
            found.append(Published(stream, published[-1].run_id, report))
    return found


def _attempts(context: ExecutionContext) -> Collection[str]:
    """The runs whose results stand."""
    try:
        run = context.run
    except dg.DagsterError:  # the asset is called as a function, in no run
        return set()
    op = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    attempts = {run.run_id} if op.retry_number else set()
    plan = _plan(context)
    past = getattr(getattr(plan, "initial_known_state", None), "parent_state", None)
    # Whoever selects a step by hand, or one that has succeeded, wants it run.
    if past is not None and ("dagster/step_selection" in run.tags or _succeeded(context, plan, past.run_id)):
        past = None
    while past is not None:
        attempts.add(past.run_id)
        past = past.parent_state
    return attempts


def _succeeded(context: ExecutionContext, plan: Any, run_id: str) -> bool:
    """Whether this step has succeeded in another run."""
    ours = set(context.assets_def.keys)
    steps = {
        step.key
        for step in plan.steps
        for output in step.outputs
        if output.properties is not None and output.properties.asset_key in ours
    }
    records = context.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records
    return any(record.event_log_entry.step_key in steps for record in records)


def _plan(context: ExecutionContext) -> Any:
    """The plan of this run: its steps, and where it goes on from an earlier run. ``None`` for no plan."""
    plan_id = context.run.execution_plan_snapshot_id
    return context.instance.get_execution_plan_snapshot(plan_id) if plan_id else None


def _awaited(context: ExecutionContext) -> Collection[dg.AssetKey]:
    """The assets of this step whose results other steps of the run wait for, and are skipped without."""
    plan = _plan(context)
    names = {
        handle.output_name
        for step in (plan.steps if plan else ())
        if step.key in plan.step_keys_to_execute
        for given in step.inputs
        for handle in given.upstream_output_handles
    }
    return {key for name, key in context.assets_def.keys_by_output_name.items() if name in names}


def _partitions(context: ExecutionContext) -> Sequence[str | None]:
    partitioned = context.has_partition_key or context.has_partition_key_range
    return list(context.partition_keys) if partitioned else [None]


def _latest(context: ExecutionContext, key: dg.AssetKey, partition: str | None) -> dg.EventLogRecord | None:
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=None if partition is None else [partition])
    records = context.instance.fetch_materializations(wanted, limit=1).records
    return records[0] if records else None


def _repeated(
    stream: str, key: dg.AssetKey, run_id: str, materialization: dg.AssetMaterialization | None
) -> AssetReport:
    metadata: Mapping[str, Any] = materialization.metadata if materialization else {}
    note = dg.MetadataValue.md(f"- Published by run {run_id}, and not run again.")
    return AssetReport(key, StreamReport(stream, "sling"), metadata={**metadata, "notes": note})
