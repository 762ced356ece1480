"""One run of a dlt pipeline: what earlier runs left unfinished first, then this run's data."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from dlt import Pipeline
from dlt.common.destination import Destination
from dlt.common.destination.client import DestinationClientDwhConfiguration
from dlt.common.exceptions import DltException
from dlt.common.pipeline import ExtractInfo, LoadInfo, NormalizeInfo
from dlt.common.storages.exceptions import LoadPackageNotFound
from dlt.common.storages.load_package import LoadJobInfo, LoadPackageInfo
from dlt.extract.source import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from mainstem.dlt.background import loading
from mainstem.dlt.failures import failed_jobs, interruption, pending_error
from mainstem.dlt.secrets import kept_from_the_log

# The arguments of `pipeline.run` that say where to; the others say what, and how.
_WHERE = frozenset({"destination", "staging", "dataset_name", "credentials"})


@dataclass(frozen=True)
class PipelineRun:
    """What a run of a pipeline has done so far.

    Attributes:
        pipeline: The pipeline.
        schema: The name of the dlt schema that the source is loaded under.
        dataset: The dataset's name in the destination. ``None`` where it has no such thing.
        known: The tables that dlt knew before, each with its columns. ``None`` where an earlier run began.
        first_run: Whether the pipeline never loaded anything before.
        extracted: dlt's report on the extract step. ``None`` where an earlier run did it.
        normalized: dlt's report on the normalize step. ``None`` where an earlier run did it.
        started: When the load began.
        packages: The load packages as they are now.
        finished: Whether the load has ended, in whatever way.
        error: What ended the load. ``None`` where dlt called it a success.
    """

    pipeline: Pipeline
    schema: str
    dataset: str | None
    known: Mapping[str, frozenset[str]] | None
    first_run: bool
    extracted: ExtractInfo | None
    normalized: NormalizeInfo | None
    started: datetime
    packages: Sequence[LoadPackageInfo] = ()
    finished: bool = False
    error: PipelineStepFailed | None = None

    @property
    def load_ids(self) -> Sequence[str]:
        """The ids of the packages."""
        return [package.load_id for package in self.packages]

    def jobs(self, tables: Sequence[str] | None = None) -> Iterator[LoadJobInfo]:
        """The load jobs, whatever became of them.

        Args:
            tables: The tables whose jobs are wanted. ``None`` for all.
        """
        for package in self.packages:
            for jobs in package.jobs.values():
                for job in jobs:
                    if tables is None or job.job_file_info.table_name in tables:
                        yield job


def prepare(pipeline: Pipeline, source: DltSource, options: Mapping[str, Any]) -> PipelineRun:
    """Extract and normalize a source. Nothing may be pending.

    Args:
        pipeline: The pipeline.
        source: The source with its selection. dlt changes it, so it must be this run's own.
        options: More arguments of ``pipeline.run``.

    Raises:
        DltException: A step failed, and nothing was loaded.
    """
    where = {name: value for name, value in options.items() if name in _WHERE}
    what = {name: value for name, value in options.items() if name not in _WHERE}
    with kept_from_the_log(pipeline):
        # Without data it does what comes before: the destination is set, and the state taken from there.
        pipeline.run(**where)
        known = _known_columns(pipeline, schema_name(source, options))
        extracted = pipeline.extract(source, **what)
        return replace(
            _begun(pipeline, source, options, pipeline.normalize()), extracted=extracted, known=known
        )


def load(run: PipelineRun) -> Generator[PipelineRun, None, None]:
    """Load what is prepared, and tell of the run each time a job has ended, and at the end.

    A failure is not raised: it is in the last of the results, because some tables may be loaded.

    Args:
        run: The prepared run.

    Raises:
        DltException: The load failed before there was anything to report on.
        KeyboardInterrupt: The process was told to stop. What is not loaded stays pending.
    """
    pipeline = run.pipeline
    waiting = pipeline.list_normalized_load_packages()
    with kept_from_the_log(pipeline), loading(pipeline) as going:
        for _ in going.news():
            packages = _look(pipeline, waiting)
            if packages is None:
                going.look_again()
            else:
                yield replace(run, packages=packages)
        yield _ended(run, going.result)


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
    info: LoadInfo | None = None
    normalized: NormalizeInfo | None = None
    failure: DltException | None = None
    started = _now()
    try:
        with kept_from_the_log(pipeline):
            pipeline.activate()
            normalized = pipeline.normalize()
            info = pipeline.load(**where)
    except DltException as error:
        failure = error
        step = error.step_info if isinstance(error, PipelineStepFailed) else None
        info = step if isinstance(step, LoadInfo) else None
    if stop := interruption(failure):
        raise stop
    # With a package left, `pipeline.run` would not look at its data.
    if (
        info is None
        or failure is not None
        or any(failed_jobs(info.load_packages))
        or pipeline.has_pending_data
    ):
        told, cause = pending_error(pipeline, failure, info)
        raise told from cause
    run = _begun(pipeline, source, options, normalized)
    return replace(run, packages=info.load_packages, finished=True, started=started, first_run=info.first_run)


def schema_name(source: DltSource, options: Mapping[str, Any]) -> str:
    """The name of the dlt schema that a source is loaded under."""
    explicit = options.get("schema")
    return str(explicit.name) if explicit else source.name


def _begun(
    pipeline: Pipeline, source: DltSource, options: Mapping[str, Any], normalized: NormalizeInfo | None
) -> PipelineRun:
    schema = schema_name(source, options)
    return PipelineRun(
        pipeline=pipeline,
        schema=schema,
        dataset=_dataset(pipeline, schema),
        known=None,
        first_run=pipeline.first_run,
        extracted=None,
        normalized=normalized,
        started=_now(),
    )


def _ended(run: PipelineRun, result: Any) -> PipelineRun:
    try:
        info: LoadInfo | None = result()
    except PipelineStepFailed as error:
        if not isinstance(error.step_info, LoadInfo) or interruption(error):
            raise
        return replace(run, packages=error.step_info.load_packages, finished=True, error=error)
    return replace(run, packages=info.load_packages if info else (), finished=True)


def _look(pipeline: Pipeline, load_ids: Sequence[str]) -> Sequence[LoadPackageInfo] | None:
    """Look at packages that are being loaded. ``None`` where they changed while we looked."""
    try:
        before, after = ([pipeline.get_load_package_info(each) for each in load_ids] for _ in range(2))
    except (OSError, LoadPackageNotFound):
        return None
    # A job that goes back to be tried again may be in no list for a moment.
    return after if _states(before) == _states(after) else None


def _states(packages: Sequence[LoadPackageInfo]) -> set[tuple[str, str]]:
    return {
        (job.job_file_info.file_name(), state)
        for package in packages
        for state, jobs in package.jobs.items()
        for job in jobs
    }


def _known_columns(pipeline: Pipeline, schema: str) -> Mapping[str, frozenset[str]]:
    if schema not in pipeline.schemas:
        return {}
    tables = pipeline.schemas[schema].tables
    return {name: frozenset(table["columns"]) for name, table in tables.items() if table["columns"]}


def _dataset(pipeline: Pipeline, schema: str) -> str | None:
    """The dataset's name as the destination has it, which may be spelled differently."""
    if schema in pipeline.schemas:
        config = pipeline.destination_client(schema).config
        if isinstance(config, DestinationClientDwhConfiguration):
            return config.normalize_dataset_name(pipeline.schemas[schema]) or None
    return pipeline.dataset_name


def _now() -> datetime:
    return datetime.now(timezone.utc)
