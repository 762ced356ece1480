"""From reports to Dagster's events, in an asset and in an op alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
from typing_extensions import Self

from mainstem.assets.columns import rows_metadata
from mainstem.assets.metadata import report_metadata
from mainstem.report import StreamReport

__all__ = [
    "AssetEvent",
    "AssetEventIterator",
    "AssetReport",
    "CheckReport",
    "ExecutionContext",
    "ObservationReport",
    "Report",
    "runs_assets",
]

ExecutionContext = dg.AssetExecutionContext | dg.OpExecutionContext
AssetEvent = (
    dg.MaterializeResult[Any]
    | dg.Output[Any]
    | dg.AssetMaterialization
    | dg.AssetObservation
    | dg.AssetCheckResult
    | dg.AssetCheckEvaluation
)


@dataclass(frozen=True)
class AssetReport:
    """A stream report, and the asset that it is about.

    Attributes:
        key: The asset.
        report: What was done.
        lineage: For a column's name, the upstream columns that it is made of. ``None`` where unknown.
        metadata: What an enrichment added.
        rows: The upstream columns that choose its rows.
        untraced: Why not all columns are traced; ``None`` where they are, or where nobody asked.
    """

    key: dg.AssetKey
    report: StreamReport
    lineage: Mapping[str, Sequence[dg.TableColumnDep]] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[dg.TableColumnDep] = ()
    untraced: str | None = None

    @property
    def subject(self) -> dg.AssetKey:
        """What the report is about, as Dagster selects it."""
        return self.key

    @property
    def all_metadata(self) -> dict[str, Any]:
        """The metadata of the asset's event."""
        told = report_metadata(self.report, self.lineage)
        return {**told, **rows_metadata(self.rows, self.untraced), **self.metadata}

    def event(self, *, in_asset: bool) -> AssetEvent:
        """The event that Dagster expects: a result inside an asset, a materialization inside an op."""
        if in_asset:
            return dg.MaterializeResult(asset_key=self.key, metadata=self.all_metadata)
        return dg.AssetMaterialization(asset_key=self.key, metadata=self.all_metadata)


@dataclass(frozen=True)
class CheckReport:
    """The outcome of one check on one asset.

    Attributes:
        key: The asset that was checked.
        name: The check's name.
        passed: Whether it held.
        severity: How bad it is where it did not.
        metadata: What the tool says of it.
        description: The same in a sentence.
    """

    key: dg.AssetKey
    name: str
    passed: bool
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    metadata: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None

    @property
    def subject(self) -> dg.AssetCheckKey:
        """What the report is about, as Dagster selects it."""
        return dg.AssetCheckKey(self.key, self.name)

    def event(self, *, in_asset: bool) -> AssetEvent:
        """The event that Dagster expects: a result inside an asset, an evaluation inside an op."""
        make = dg.AssetCheckResult if in_asset else dg.AssetCheckEvaluation
        return make(
            asset_key=self.key,
            check_name=self.name,
            passed=self.passed,
            severity=self.severity,
            metadata=dict(self.metadata),
            description=self.description,
        )


@dataclass(frozen=True)
class ObservationReport:
    """Something that was seen of an asset that was not made by it.

    Attributes:
        key: The asset.
        metadata: What was seen.
        description: What it is about, for people.
    """

    key: dg.AssetKey
    metadata: Mapping[str, Any]
    description: str | None = None

    @property
    def subject(self) -> None:
        """Nothing: Dagster selects no observation."""
        return

    def event(self, *, in_asset: bool) -> AssetEvent:  # noqa: ARG002 - as the other reports
        """The event that Dagster expects, in an asset and in an op."""
        return dg.AssetObservation(
            asset_key=self.key, metadata=dict(self.metadata), description=self.description
        )


Report = AssetReport | CheckReport | ObservationReport
Enrichment = Callable[[AssetReport], Mapping[str, Any]]


def runs_assets(context: ExecutionContext) -> bool:
    """Whether the context belongs to an assets definition, not to a bare op."""
    return isinstance(context, dg.AssetExecutionContext) or context.has_assets_def


def _expected(context: ExecutionContext | None) -> frozenset[dg.AssetKey | dg.AssetCheckKey] | None:
    """The assets and checks that this step is to give results for. ``None``: for all that come."""
    if context is None or not runs_assets(context):
        return frozenset()
    try:
        return frozenset({*context.selected_asset_keys, *context.selected_asset_check_keys})
    except dg.DagsterError:  # the asset is called as a function: nothing is selected
        return None


class AssetEventIterator(Iterator[AssetEvent]):
    """The reports of a run, one by one as they happen, as events to ``yield from``.

    What this step is to give a result for becomes a result. What the tool did besides, an asset or a check
    that is not selected, happened all the same: it becomes a plain event, as everything does in an op.

    Enrichments are functions that add metadata to an asset's report just before it becomes an event, so
    ``fetch_…`` methods can be chained without holding anything back.

    Args:
        reports: The reports, as the tool gives them.
        context: The context of the asset or op that runs. ``None`` outside of both.
        enrichments: Functions from a report to more metadata.
    """

    def __init__(
        self,
        reports: Iterable[Report],
        context: ExecutionContext | None,
        enrichments: Sequence[Enrichment] = (),
    ) -> None:
        self._reports = iter(reports)
        self._expected = _expected(context)
        self._enrichments = tuple(enrichments)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> AssetEvent:
        report = next(self._reports)
        in_asset = self._expected is None or report.subject in self._expected
        if isinstance(report, AssetReport):
            for enrichment in self._enrichments:
                report = replace(report, metadata={**report.metadata, **enrichment(report)})
        return self._event(report, in_asset=in_asset)

    def _event(self, report: Report, *, in_asset: bool) -> AssetEvent:
        """The event of a report. For an adapter whose users know another one."""
        return report.event(in_asset=in_asset)

    def close(self) -> None:
        """Stop the tool, if it still runs: ``yield from`` calls this when the step is cancelled."""
        close = getattr(self._reports, "close", None)
        if close is not None:
            close()

    def _enriched(self, enrichment: Enrichment) -> Self:
        """The same run with one more enrichment. The receiver is used up by this."""
        self._enrichments = (*self._enrichments, enrichment)
        return self
