"""What became of a load: which resources failed, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from dlt import Pipeline
from dlt.common.exceptions import DltException
from dlt.extract.resource import DltResource

from mainstem.dlt.failures import (
    failed_jobs,
    how_to_drop,
    interruption,
    job_reason,
    pipeline_error,
    safe_cause,
)
from mainstem.dlt.run import PipelineRun
from mainstem.dlt.secrets import Secrets
from mainstem.dlt.tables import resource_tables
from mainstem.errors import EndpointError, ReplicationFailedError, StreamError


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
    reasons = [job_reason(job, run.dataset) for job in unfinished if job.failed_message]
    why = Secrets(run.pipeline).redact("; ".join(reasons)) or "it was not loaded before the run ended"
    if run.pipeline.has_pending_data:
        hint = f"The next run loads it first. To give it up: {how_to_drop(run.pipeline.pipeline_name)}."
    else:
        hint = "dlt was told not to try it again: these rows are not in the table."
    return StreamError(stream=resource.name, phase="load", cause=EndpointError(f"{why}.", hint=hint))


def raise_told(pipeline: Pipeline, error: DltException) -> NoReturn:
    """Raise an error of dlt as ours.

    Args:
        pipeline: The pipeline.
        error: What dlt raised.

    Raises:
        MainstemError: What happened, and what to do.
        KeyboardInterrupt: The process was told to stop.
    """
    if stop := interruption(error):
        raise stop
    told, cause = pipeline_error(pipeline, error)
    raise told from cause


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
    blamed = run.error is None or any(failed_jobs(run.packages))
    if failures and blamed:
        raise ReplicationFailedError(failures, succeeded) from safe_cause(run.pipeline, run.error)
    if run.error is not None:
        raise_told(run.pipeline, run.error)
