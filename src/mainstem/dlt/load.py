"""Load the selected resources, report those that arrived, then fail if one did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlt.extract.resource import DltResource

from mainstem.assets import ExecutionContext
from mainstem.dlt.definition import DltDefinition
from mainstem.dlt.failures import abort_command, failed_jobs, job_reason, pipeline_error, safe_cause
from mainstem.dlt.report import DltAssetReport, asset_report
from mainstem.dlt.run import PipelineRun, finish_pending, run_pipeline
from mainstem.dlt.secrets import Secrets
from mainstem.dlt.selection import Selection, select_resources
from mainstem.dlt.tables import resource_tables
from mainstem.errors import EndpointError, ReplicationFailedError, StreamError


def load_resources(
    context: ExecutionContext, definition: DltDefinition, options: Mapping[str, Any]
) -> Iterator[DltAssetReport]:
    """Run the pipeline for the selected assets and report each of them.

    Args:
        context: The context of the asset or op that runs.
        definition: What to run.
        options: More arguments of ``pipeline.run``.

    Raises:
        ConfigError: The source and the assets do not belong together.
        MainstemError: The run ended before its load, and nothing was loaded.
        ReplicationFailedError: Some tables could not be loaded. Raised after the others were reported.
    """
    selection = select_resources(context, definition)
    notes: list[str] = []
    pending = finish_pending(definition.pipeline, definition.source, options)
    if pending is not None:
        notes = [f"Loaded package {load_id} of an earlier run first." for load_id in pending.load.loads_ids]
        context.log.info(" ".join(notes))
        yield from _left_behind(pending, definition, selection)
    # A copy with its own selection and schema: dlt writes on the source that it runs.
    source = definition.source.with_resources(*(name for _, name in selection.chosen))
    run = run_pipeline(definition.pipeline, source, options)
    failures: list[StreamError] = []
    succeeded: list[str] = []
    for key, name in selection.chosen:
        failure = load_failure(run, source.resources[name])
        if failure is None:
            succeeded.append(name)
            yield asset_report(run, key, source.resources[name], notes)
        else:
            failures.append(failure)
    raise_failure(run, failures, succeeded)


def _left_behind(
    pending: PipelineRun, definition: DltDefinition, selection: Selection
) -> Iterator[DltAssetReport]:
    """Report on what an earlier run left pending of assets that are not selected now."""
    schema = pending.pipeline.schemas[pending.schema]
    for key, name in selection.others:
        resource = definition.source.resources[name]
        if any(pending.jobs(resource_tables(resource, schema).all)):
            yield asset_report(pending, key, resource, ["An earlier run had left this pending."])


def load_failure(run: PipelineRun, resource: DltResource) -> StreamError | None:
    """Tell why a resource did not arrive. ``None`` where all its tables are loaded.

    Args:
        run: The run.
        resource: The resource, as it was extracted.
    """
    tables = resource_tables(resource, run.pipeline.schemas[run.schema])
    jobs = list(run.jobs(tables.all))
    unfinished = [job for job in jobs if job.state != "completed_jobs"]
    reached = run.error is None or any(job.state == "completed_jobs" for job in run.jobs())
    # A resource without jobs yielded nothing, and is fine if the destination was there to take something.
    if not unfinished and (jobs or reached):
        return None
    reasons = [job_reason(job, run.load.dataset_name) for job in unfinished if job.failed_message]
    why = Secrets(run.pipeline).redact("; ".join(reasons)) or "it was not loaded before the run ended"
    if run.pipeline.has_pending_data:
        hint = f"The next run loads it first. To give it up: {abort_command(run.pipeline.pipeline_name)}."
    else:
        hint = "dlt was told not to try it again: these rows are not in the table."
    return StreamError(stream=resource.name, phase="load", cause=EndpointError(f"{why}.", hint=hint))


def raise_failure(run: PipelineRun, failures: Sequence[StreamError], succeeded: Sequence[str]) -> None:
    """Fail if the run, or a part of it, did.

    Args:
        run: The run.
        failures: The resources that did not arrive.
        succeeded: The names of those that did.

    Raises:
        MainstemError: The load failed as a whole: the destination was not reached, say.
        ReplicationFailedError: Single resources failed.
    """
    blamed = run.error is None or any(failed_jobs(run.load))
    if failures and blamed:
        raise ReplicationFailedError(failures, succeeded) from safe_cause(run.pipeline, run.error)
    if run.error is not None:
        told, cause = pipeline_error(run.pipeline, run.error)
        raise told from cause
