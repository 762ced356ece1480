"""Load the selected resources, report each as it arrives, then fail if one did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from dlt import Pipeline
from dlt.common.exceptions import DltException
from dlt.extract.source import DltSource

from mainstem.assets import CheckReport, ExecutionContext, runs_assets
from mainstem.dlt.collector import listening
from mainstem.dlt.columns import with_lineage
from mainstem.dlt.contracts import Counts, contract_broken, contract_kept, count_what_arrives
from mainstem.dlt.definition import DltDefinition, ResourceAssets
from mainstem.dlt.outcome import load_failure, raise_failure, raise_told
from mainstem.dlt.progress import RowProgress
from mainstem.dlt.report import DltAssetReport, asset_reports
from mainstem.dlt.run import PipelineRun, finish_pending, load, prepare
from mainstem.dlt.secrets import kept_from_the_log
from mainstem.dlt.selection import Selection, select_resources
from mainstem.dlt.tables import resource_tables
from mainstem.dlt.windows import partition_window, within

Report = DltAssetReport | CheckReport


@dataclass(frozen=True)
class Request:
    """What a run is to do.

    Attributes:
        definition: The source, and its assets.
        options: More arguments of ``pipeline.run``.
        given: Whether the user's code gave the source for this run.
        drop_pending: Throw away what an earlier run left unloaded, in place of loading it.
    """

    definition: DltDefinition
    options: Mapping[str, Any]
    given: bool = False
    drop_pending: bool = False


@dataclass
class _Loading:
    """What is needed to report on the resources of one run."""

    context: ExecutionContext
    definition: DltDefinition
    source: DltSource
    notes: Mapping[str, Sequence[str]]
    counts: Counts
    succeeded: list[str] = field(default_factory=list)

    def arrived(self, run: PipelineRun, assets: ResourceAssets) -> Iterator[Report]:
        """Report on a resource whose tables are loaded."""
        resource = self.source.resources[assets.resource]
        self.succeeded.append(resource.name)
        for made in asset_reports(run, assets, resource, self.notes.get(resource.name, ())):
            report = with_lineage(self.definition, assets, made, self.context)
            _tell(self.context, report)
            yield report
        check = contract_kept(run, self.source, assets, self.counts)
        if check is not None:
            yield from _asked(self.context, check)


def load_resources(context: ExecutionContext, request: Request) -> Iterator[Report]:
    """Run the pipeline for the selected assets and report each of them.

    Args:
        context: The context of the asset or op that runs.
        request: What to do.

    Raises:
        ConfigError: The source and the assets do not belong together.
        MainstemError: The run ended before its load, and nothing was loaded.
        ReplicationFailedError: Some tables could not be loaded. Raised after the others were reported.
    """
    definition = request.definition
    selection = select_resources(context, definition)
    before = _drop_pending(definition.pipeline) if request.drop_pending else []
    pending = finish_pending(definition.pipeline, definition.source, request.options)
    if pending is not None:
        before = [f"Loaded package {load_id} of an earlier run first." for load_id in pending.load_ids]
    for line in before:
        context.log.info(line)
    if pending is not None:
        yield from _left_behind(pending, definition, selection)
    # A copy with its own selection and schema: dlt writes on the source that it runs.
    source = definition.source.with_resources(*(assets.resource for assets in selection.chosen))
    counts = count_what_arrives(source)
    with within(partition_window(context), source, given=request.given) as unlimited:
        prepared = _prepared(context, request, source)
    if isinstance(prepared, DltException):
        yield from _asked(context, contract_broken(prepared, source, selection.chosen))
        raise_told(definition.pipeline, prepared)
    notes = {name: [*before, *_unlimited(context, name, unlimited)] for name in source.selected_resources}
    yield from _load(prepared, selection, _Loading(context, definition, source, notes, counts))


def _prepared(context: ExecutionContext, request: Request, source: DltSource) -> PipelineRun | DltException:
    # Returned, not raised: nothing is yielded inside of a handler.
    pipeline = request.definition.pipeline
    try:
        with listening(pipeline, RowProgress("Extracted", context.log.info)):
            return prepare(pipeline, source, request.options)
    except DltException as error:
        return error


def _load(prepared: PipelineRun, selection: Selection, loading: _Loading) -> Iterator[Report]:
    left = list(selection.chosen)
    run, ended = prepared, None
    try:
        with closing(load(prepared)) as looks:
            for run in looks:
                for assets in [] if run.finished else [one for one in left if _is_loaded(run, loading, one)]:
                    left.remove(assets)
                    yield from loading.arrived(run, assets)
    except DltException as error:
        ended = error
    if ended is not None:
        raise_told(run.pipeline, ended)
    failures = []
    for assets in left:
        failure = load_failure(run, loading.source.resources[assets.resource])
        if failure is None:
            yield from loading.arrived(run, assets)
        else:
            failures.append(failure)
    raise_failure(run, failures, loading.succeeded)


def _is_loaded(run: PipelineRun, loading: _Loading, assets: ResourceAssets) -> bool:
    """Whether all of a resource's jobs have ended well, while others may still run."""
    resource = loading.source.resources[assets.resource]
    jobs = list(run.jobs(resource_tables(resource, run.pipeline.schemas[run.schema]).all))
    return bool(jobs) and all(job.state == "completed_jobs" for job in jobs)


def _drop_pending(pipeline: Pipeline) -> list[str]:
    if not pipeline.has_pending_data:
        return []
    dropped = [*pipeline.list_normalized_load_packages(), *pipeline.list_extracted_load_packages()]
    failure: DltException | None = None
    try:
        with kept_from_the_log(pipeline):
            pipeline.abort_packages()
    except DltException as error:
        failure = error
    if failure is not None:
        raise_told(pipeline, failure)
    return [f"Dropped package {load_id}, which an earlier run had left pending." for load_id in dropped]


def _left_behind(pending: PipelineRun, definition: DltDefinition, selection: Selection) -> Iterator[Report]:
    """Report on what an earlier run left pending of assets that are not selected now."""
    schema = pending.pipeline.schemas[pending.schema]
    for assets in selection.others:
        resource = definition.source.resources[assets.resource]
        if any(pending.jobs(resource_tables(resource, schema).all)):
            yield from asset_reports(pending, assets, resource, ["An earlier run had left this pending."])


def _unlimited(context: ExecutionContext, name: str, reasons: Mapping[str, str]) -> Iterator[str]:
    if name in reasons:
        told = f"The whole of {name} was loaded, not this partition of it: {reasons[name]}."
        context.log.warning(told)
        yield told


def _asked(context: ExecutionContext, check: CheckReport | None) -> Iterator[CheckReport]:
    """Give the check's outcome, if this step is to give it."""
    if check and runs_assets(context) and check.subject in context.selected_asset_check_keys:
        yield check


def _tell(context: ExecutionContext, report: DltAssetReport) -> None:
    done = report.report
    rows = "rows of an earlier run" if done.rows is None else f"{done.rows:,} row{'s' * (done.rows != 1)}"
    took = "" if done.seconds is None else f" in {done.seconds:.2f} s"
    context.log.info(f"{done.stream}: {rows}{took} into {done.target or 'several tables'}")
