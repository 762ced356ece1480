"""A run: the streams that are wanted, and their reports as they come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import dagster as dg

from mainstem.assets import (
    AssetReport,
    CheckReport,
    ExecutionContext,
    definition_of,
    runs_assets,
    wired_keys,
)
from mainstem.connections import Connection
from mainstem.errors import ReplicationFailedError
from mainstem.events import ReplicationFinished, StreamFailed, StreamPublished
from mainstem.report import StreamReport
from mainstem.sling.checks import Checks
from mainstem.sling.constraint_checks import ConstraintChecks
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.eventlog import EventLog
from mainstem.sling.overrides import Overrides
from mainstem.sling.partitions import partition_overrides
from mainstem.sling.retry import Published, published_before
from mainstem.sling.runner import Request, Runner

__all__ = ["overrides_for", "reports", "selected_streams"]


def selected_streams(context: ExecutionContext, definition: SlingDefinition) -> Sequence[str]:
    """The streams that a context asks for: those of its assets, or all in an op or in another's asset."""
    selected = _selected_keys(context)
    if selected is None:
        return list(definition.streams)
    return _configured(context, definition.streams_of(selected))


def overrides_for(
    context: ExecutionContext,
    definition: SlingDefinition,
    streams: Sequence[str],
    source: Connection | None,
) -> Overrides:
    """The keys that win over a stream's own: its partition's, and over these what the run's config says.

    Args:
        context: The context of the asset or op that runs.
        definition: The replication.
        streams: The names of the streams.
        source: The source's connection; ``None`` where only Sling's own program knows it.

    Raises:
        ConfigError: A stream cannot be written in partitions.
    """
    configured = _context_streams(context)
    chosen = [definition.stream_with_meta(name) for name in streams]
    partitioned = partition_overrides(context, chosen, source)
    return {name: {**partitioned.get(name, {}), **(configured.get(name) or {})} for name in streams}


def reports(
    context: ExecutionContext,
    runner: Runner,
    request: Request,
    log: EventLog,
    *,
    checks: Checks,
    constraints: ConstraintChecks,
    more: Callable[[StreamReport], Mapping[str, Any]] = lambda _: {},
    at_end: Callable[[], None] = lambda: None,
) -> Iterator[AssetReport | CheckReport]:
    """Run streams, and yield the report of each, the moment it is published.

    A stream that fails leaves the others to go on. What an earlier attempt has published is not run again.

    Args:
        context: The context of the asset or op that runs.
        runner: The engine.
        request: What is wanted.
        log: Where it is told.
        checks: What is looked at when all streams are done.
        constraints: What is told as each stream ends.
        more: Metadata of a stream's report, besides its own.
        at_end: Called when nothing is left to do.

    Raises:
        dagster.Failure: At the end, where a stream failed: which ones, and why.
    """
    definition = request.definition
    before: Sequence[Published] = ()
    if _selected_keys(context) is not None:
        before = published_before(context, definition, request.streams)
    for published in before:
        log.say("info", f"{published.stream}: published by run {published.run_id}, and not run again")
        if published.report is not None:
            yield published.report
    done = {published.stream for published in before}
    streams = [name for name in request.streams if name not in done]
    wired = context.assets_def.metadata_by_key if runs_assets(context) else {}
    finished: ReplicationFinished | None = None
    if streams:
        yield from checks.before_load(streams)
        streams = [name for name in streams if name not in checks.stopped]
    if streams:
        wanted = Request(definition, streams, request.overrides, request.debug)
        with closing(runner.run(wanted)) as events:
            for event in events:
                log.take(event)
                if isinstance(event, StreamPublished):
                    metadata = {**more(event.report), **checks.metadata(event.report)}
                    yield _asset_report(definition, event.report, metadata, wired)
                    yield from constraints.published(event.report)
                elif isinstance(event, StreamFailed):
                    yield from constraints.failed(event.error)
                elif isinstance(event, ReplicationFinished):
                    finished = event
    failures = finished.failures if finished else ()
    skipped = finished.skipped if finished else ()
    # The engine has let go of both databases by now.
    lost = {*(failure.stream for failure in failures), *skipped, *checks.stopped}
    yield from checks.reports(request.streams, lost)
    yield from constraints.others(
        [name for name in streams if name not in lost], lost, selected_checks(context)
    )
    at_end()
    if finished and failures:
        names = [report.stream for report in finished.reports]
        error = ReplicationFailedError(failures, names, skipped)
        raise dg.Failure(description=f"{error}{_stopped(checks)}") from error
    if checks.stopped:
        raise dg.Failure(description=_stopped(checks).strip())


def _stopped(checks: Checks) -> str:
    """Which streams were not loaded, and why."""
    told = [
        f"\n{name} was not loaded, for its schema_change is blocking: {why}"
        for name, why in checks.stopped.items()
    ]
    hint = "\nTo load it all the same, run it without that check, or take `blocking` from it."
    return "".join([*told, hint]) if told else ""


def selected_checks(context: ExecutionContext) -> Collection[dg.AssetCheckKey]:
    """The checks that this step is to give results for."""
    if not runs_assets(context):
        return ()
    try:
        return context.selected_asset_check_keys
    except dg.DagsterError:  # the asset is called as a function: nothing is selected
        return ()


def _selected_keys(context: ExecutionContext) -> Collection[dg.AssetKey] | None:
    """The selected assets of ``@sling_assets``; ``None`` where there is no such selection."""
    if not runs_assets(context) or definition_of(context.assets_def, SlingDefinition) is None:
        return None
    try:
        return context.selected_asset_keys
    except dg.DagsterError:  # the asset is called as a function
        return None


def _asset_report(
    definition: SlingDefinition,
    report: StreamReport,
    more: Mapping[str, Any],
    wired: Mapping[dg.AssetKey, Mapping[str, Any]],
) -> AssetReport:
    key = definition.specs[report.stream].key
    upstream = definition.source_of(report.stream)
    lineage = None
    if upstream is not None:
        upstream = wired_keys(wired.get(key, {})).get(upstream, upstream)
        lineage = {
            column.name: [dg.TableColumnDep(upstream, source) for source in column.sources]
            for column in report.columns
            if column.sources is not None
        }
    metadata = more
    if report.rows and report.seconds:
        metadata = {**more, "rows_per_second": round(report.rows / report.seconds, 1)}
    return AssetReport(key, report, lineage, metadata)


def _configured(context: ExecutionContext, streams: Sequence[str]) -> Sequence[str]:
    """Of the selected streams, those that the run's config names, where it names some."""
    named = _context_streams(context)
    return [name for name in streams if not named or name in named]


def _context_streams(context: ExecutionContext) -> Mapping[str, Any]:
    """``context_streams`` of the op's config: streams by name, each with keys that win over its own."""
    config = getattr(context, "op_execution_context", context).op_config
    found = config.get("context_streams") if isinstance(config, Mapping) else None
    return found if isinstance(found, Mapping) else {}
