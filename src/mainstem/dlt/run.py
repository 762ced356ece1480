"""One run of a dlt pipeline: what earlier runs left unfinished first, then this run's data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlt import Pipeline
from dlt.common.destination import Destination
from dlt.common.exceptions import DltException
from dlt.common.pipeline import LoadInfo
from dlt.common.storages.load_package import LoadJobInfo
from dlt.extract.source import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from mainstem.dlt.failures import failed_jobs, interruption, pending_error, pipeline_error
from mainstem.dlt.secrets import kept_from_the_log


@dataclass(frozen=True)
class PipelineRun:
    """What a load did.

    Attributes:
        pipeline: The pipeline.
        schema: The name of the dlt schema that the source is loaded under.
        load: dlt's report on the load, of which some or all may have failed.
        error: What ended the load. ``None`` where dlt called it a success.
    """

    pipeline: Pipeline
    schema: str
    load: LoadInfo
    error: PipelineStepFailed | None = None

    def jobs(self, tables: Sequence[str] | None = None) -> Iterator[LoadJobInfo]:
        """The load jobs, whatever became of them.

        Args:
            tables: The tables whose jobs are wanted. ``None`` for all.
        """
        for package in self.load.load_packages:
            for jobs in package.jobs.values():
                for job in jobs:
                    if tables is None or job.job_file_info.table_name in tables:
                        yield job


def run_pipeline(pipeline: Pipeline, source: DltSource, options: Mapping[str, Any]) -> PipelineRun:
    """Extract, normalize and load a source. Nothing may be pending.

    Args:
        pipeline: The pipeline.
        source: The source with its selection. dlt changes it, so it must be this run's own.
        options: More arguments of ``pipeline.run``.

    Raises:
        MainstemError: The run ended before its load, and nothing was loaded. A failure during the load is not
            raised: it is in the result, because some tables may be loaded.
    """
    schema = schema_name(source, options)
    failure: DltException
    try:
        with kept_from_the_log(pipeline):
            return PipelineRun(pipeline, schema, pipeline.run(source, **options))
    except PipelineStepFailed as error:
        if isinstance(error.step_info, LoadInfo) and not interruption(error):
            return PipelineRun(pipeline, schema, error.step_info, error)
        failure = error
    except DltException as error:
        failure = error
    # Outside of the handler, so that dlt's own error does not come along as context.
    if stop := interruption(failure):
        raise stop
    told, cause = pipeline_error(pipeline, failure)
    raise told from cause


def finish_pending(pipeline: Pipeline, source: DltSource, options: Mapping[str, Any]) -> PipelineRun | None:
    """Normalize and load the packages that earlier runs extracted and did not load.

    ``pipeline.run`` would do so and then ignore its own data; and before that, it would wipe the packages
    away where the dataset is not there yet.

    Args:
        pipeline: The pipeline.
        source: The source that will be run.
        options: The arguments of ``pipeline.run``, of which those that name the destination count here.

    Returns:
        What was loaded. ``None`` where nothing was pending.

    Raises:
        MainstemError: They still cannot be loaded. They stay where they are.
    """
    pending = pipeline.has_pending_data
    if not pending:
        return None
    for place in ("destination", "staging"):
        if options.get(place) is not None:
            setattr(pipeline, place, Destination.from_reference(options[place]))
    where = {name: options[name] for name in ("dataset_name", "credentials") if name in options}
    load: LoadInfo | None = None
    failure: DltException | None = None
    try:
        with kept_from_the_log(pipeline):
            pipeline.activate()
            pipeline.normalize()
            load = pipeline.load(**where)
    except DltException as error:
        failure = error
        info = error.step_info if isinstance(error, PipelineStepFailed) else None
        load = info if isinstance(info, LoadInfo) else None
    if stop := interruption(failure):
        raise stop
    # With a package left, `pipeline.run` would not look at its data.
    if load is None or failure is not None or any(failed_jobs(load)) or pipeline.has_pending_data:
        told, cause = pending_error(pipeline, failure, load)
        raise told from cause
    return PipelineRun(pipeline, schema_name(source, options), load)


def schema_name(source: DltSource, options: Mapping[str, Any]) -> str:
    """The name of the dlt schema that a source is loaded under."""
    explicit = options.get("schema")
    return str(explicit.name) if explicit else source.name
