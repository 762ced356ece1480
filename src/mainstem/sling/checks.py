"""The checks of a run: asked for by the document or by ``with_checks``, carried out in both databases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

import dagster as dg

from mainstem.assets import CheckReport, ExecutionContext, definition_of, runs_assets, wired_keys_of
from mainstem.assets.column_graph import GraphColumn, Impact
from mainstem.assets.run_graph import columns_around
from mainstem.connections import Connection
from mainstem.endpoints import Source, Target, open_source, open_target
from mainstem.errors import ConfigError, MainstemError
from mainstem.replication import Replication, Stream
from mainstem.report import StreamReport
from mainstem.sling.check_outcomes import Columns, Outcome, compared_columns, freshness, reconciliation
from mainstem.sling.check_settings import FRESHNESS, SCHEMA_CHANGE, CheckSetting, check_settings
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.overrides import Overrides, overridden
from mainstem.sling.partition_slices import PartitionedRun, partitioned_run
from mainstem.sling.reading import described

__all__ = ["Checks", "columns_before"]

_COLUMNS = "source_columns"
_ERROR = dg.AssetCheckSeverity.ERROR
_Ends = tuple[Source, Target]


class Checks:
    """The checks of one run.

    Args:
        context: The context of the asset or op that runs.
        definition: The replication.
        ends: The connections of the source and of the target; ``None`` where one cannot be opened here.
        overrides: The keys that win over those of some streams in this run.
    """

    def __init__(
        self,
        context: ExecutionContext,
        definition: SlingDefinition,
        ends: tuple[Connection | None, Connection | None],
        overrides: Callable[[Sequence[str]], Overrides],
    ) -> None:
        self._context = context
        self._definition = definition
        self._connections = ends
        self._overrides = overrides
        self._requested: list[Any] = []
        self._columns: dict[str, tuple[Columns | None, Columns]] = {}
        self._told: set[tuple[str, str]] = set()
        #: By the streams that may not be loaded, why.
        self.stopped: dict[str, str] = {}

    def request(self, checks: Sequence[Any]) -> None:
        """Have these carried out for every stream of the run, besides those that the document asks for.

        Raises:
            ConfigError: One of them is unknown, or lacks what it needs.
        """
        self._requested += checks
        for name in self._definition.streams:
            self._asked(name)

    def metadata(self, report: StreamReport) -> Mapping[str, Any]:
        """What the next run needs to know of a stream's source, where a change of its columns is checked.

        It is asked for before the stream's report becomes an event: the latest by then is the one before.
        """
        if SCHEMA_CHANGE not in self._asked(report.stream):
            return {}
        try:
            with open_source(self._found(0)) as source:
                _, now = self._compared(report.stream, source)
        except MainstemError as error:
            self._context.log.warning(f"{report.stream}: its columns are not known: {error}")
            return {}
        return {_COLUMNS: dg.MetadataValue.json(dict(now))}

    def before_load(self, streams: Sequence[str]) -> Iterator[CheckReport]:
        """Look at the columns of the source before they are loaded, where that is a check of this run.

        A stream whose check is blocking, and finds an error, is among the `stopped` ones after that. What
        cannot be looked at now is left to the load, which tells it better.

        Args:
            streams: The streams that are to be loaded.
        """
        wanted = {
            name: setting
            for name in streams
            for setting in self._wanted(name, in_run=True)
            if setting.kind == SCHEMA_CHANGE
        }
        if not wanted:
            return
        with ExitStack() as opened:
            try:
                source = opened.enter_context(open_source(self._found(0)))
            except MainstemError:
                return
            for name, setting in wanted.items():
                with suppress(MainstemError):
                    outcome = self._of_columns(setting, name, source)
                    report = self._report(name, setting, outcome)
                    self._told.add((name, SCHEMA_CHANGE))
                    if setting.blocking and not report.passed and report.severity == _ERROR:
                        self.stopped[name] = outcome.told
                    yield report

    def reports(self, streams: Sequence[str], failed: Collection[str]) -> Iterator[CheckReport]:
        """Carry the checks out. One that cannot be is told as one that does not hold.

        Args:
            streams: The streams of this run.
            failed: Those that were not published: nothing of them is new.
        """
        wanted = {
            name: settings
            for name in self._definition.streams
            if name not in failed and (settings := self._left(name, in_run=name in streams))
        }
        if not wanted:
            return
        replication = overridden(self._definition.replication, self._overrides(list(wanted)))
        chosen = {stream.name: stream for stream in replication.streams}
        with ExitStack() as opened:
            ends = self._opened(opened)
            for name, settings in wanted.items():
                for setting in settings:
                    outcome = self._outcome(setting, replication, chosen[name], ends)
                    yield self._report(name, setting, outcome)

    def _report(self, name: str, setting: CheckSetting, outcome: Outcome) -> CheckReport:
        if not outcome.passed:
            self._context.log.warning(f"{name}: {setting.kind}: {outcome.told}")
        return CheckReport(
            key=self._definition.specs[name].key,
            name=setting.kind,
            passed=outcome.passed,
            severity=outcome.severity or setting.severity,
            metadata=outcome.metadata,
            description=outcome.told,
        )

    def _outcome(
        self, setting: CheckSetting, replication: Replication, stream: Stream, ends: _Ends | MainstemError
    ) -> Outcome:
        try:
            if isinstance(ends, MainstemError):
                raise ends
            if setting.kind == SCHEMA_CHANGE:
                return self._of_columns(setting, stream.name, ends[0])
            if setting.kind == FRESHNESS:
                return freshness(setting, replication, stream, ends, datetime.now(timezone.utc))
            run = partitioned_run(self._context, self._definition.stream_with_meta(stream.name))
            outcome = reconciliation(setting, replication, stream, ends, run.whole.only if run else ())
            return replace(outcome, metadata={**outcome.metadata, **_of_partitions(run)})
        except MainstemError as error:
            return Outcome(False, f"It could not be checked: {error}")

    def _of_columns(self, setting: CheckSetting, name: str, source: Source) -> Outcome:
        before, now = self._compared(name, source)
        return compared_columns(setting, before, now, partial(self._impacts, name))

    def _impacts(self, name: str, columns: Sequence[str]) -> Mapping[str, Impact]:
        """What depends on columns of a stream's source, in the whole graph."""
        key = self._definition.source_of(name)
        if not columns or key is None:
            return {}
        wired = wired_keys_of(self._context.assets_def) if runs_assets(self._context) else {}
        graph = columns_around(self._context)
        found = {each: graph.impact(GraphColumn(wired.get(key, key), each)) for each in columns}
        # That the target itself has it no more is what was told already.
        own = self._definition.specs[name].key
        return {each: impact.beyond(own) for each, impact in found.items()}

    # What is asked for.

    def _asked(self, name: str) -> Mapping[str, CheckSetting]:
        """What is asked for of a stream: what its document says wins over what ``with_checks`` does."""
        stream = self._definition.stream_with_meta(name)
        settings = [*check_settings(stream, self._requested), *check_settings(stream)]
        return {setting.kind: setting for setting in settings}

    def _wanted(self, name: str, *, in_run: bool) -> Sequence[CheckSetting]:
        """What this run carries out: of what is a check of its assets, what is selected."""
        asked = self._asked(name)
        attached = (
            definition_of(self._context.assets_def, SlingDefinition) if runs_assets(self._context) else None
        )
        if attached is None or attached.replication is not self._definition.replication:
            return list(asked.values()) if in_run else []
        try:
            selected = self._context.selected_asset_check_keys
        except dg.DagsterError:  # the asset is called as a function: nothing is selected
            return []
        key = self._definition.specs[name].key
        chosen = {check.name for check in selected if check.asset_key == key}
        declared = {setting.kind for setting in check_settings(self._definition.stream_with_meta(name))}
        return [
            setting for kind, setting in asked.items() if kind in chosen or (in_run and kind not in declared)
        ]

    def _left(self, name: str, *, in_run: bool) -> Sequence[CheckSetting]:
        """What is wanted, and was not told before the load."""
        wanted = self._wanted(name, in_run=in_run)
        return [setting for setting in wanted if (name, setting.kind) not in self._told]

    # Where it is found.

    def _compared(self, name: str, source: Source) -> tuple[Columns | None, Columns]:
        """The source's columns when the target was made before, and now."""
        if name not in self._columns:
            stream, document = self._definition.streams[name], self._definition.replication.document
            _, table = described(source, stream, document.source)
            now = {column.name: column.native_type for column in table.columns}
            self._columns[name] = self._columns_before(name), now
        return self._columns[name]

    def _columns_before(self, name: str) -> Columns | None:
        event = self._context.instance.get_latest_materialization_event(self._definition.specs[name].key)
        made = event.asset_materialization if event else None
        return columns_before(made.metadata if made else {})

    def _opened(self, opened: ExitStack) -> _Ends | MainstemError:
        try:
            source = opened.enter_context(open_source(self._found(0)))
            return source, opened.enter_context(open_target(self._found(1)))
        except MainstemError as error:
            return error

    def _found(self, end: int) -> Connection:
        connection = self._connections[end]
        if connection is None:
            replication = self._definition.replication
            name = (replication.source, replication.target)[end]
            raise ConfigError(f"The connection {name} is known to Sling's own program alone.")
        return connection


def _of_partitions(run: PartitionedRun | None) -> Mapping[str, Any]:
    """Which partitions a check is of."""
    if run is None:
        return {}
    keys = list(run.parts)
    return {"partition": keys[0]} if len(keys) == 1 else {"partitions": dg.MetadataValue.json(keys)}


def columns_before(metadata: Mapping[str, Any]) -> Columns | None:
    """The columns that a stream's source had, by the metadata of a load; ``None`` where it has none."""
    kept = metadata.get(_COLUMNS)
    found: Any = kept.value if kept is not None else None
    return {str(column): str(kind) for column, kind in found.items()} if isinstance(found, dict) else None
