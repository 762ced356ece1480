"""What `SlingResource.replicate` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg
from typing_extensions import Self

from mainstem.assets import AssetEventIterator, AssetReport, CheckReport, ExecutionContext, column_metadata
from mainstem.errors import MainstemError
from mainstem.report import ReportedColumn
from mainstem.sling.check_settings import RECONCILIATION
from mainstem.sling.checks import Checks
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.preview import preview_table
from mainstem.sling.runner import Runner

__all__ = ["SlingEventIterator"]

_Found = TypeVar("_Found")

# What Sling adds to a table comes of no column.
_ADDED = "_sling_"


class SlingEventIterator(AssetEventIterator):
    """The streams of a run as Dagster's events, each the moment its stream is published.

    The embedded engine's reports have columns, column lineage and row counts, so that two of the methods
    below have nothing left to fetch. Sling's own program is asked for them.

    Args:
        reports: The reports of the streams.
        context: The context of the asset or op that runs.
        runner: The engine, to look at tables.
        definition: The replication.
        checks: The checks of the run.
    """

    def __init__(
        self,
        reports: Iterable[AssetReport | CheckReport],
        context: ExecutionContext,
        runner: Runner,
        definition: SlingDefinition,
        checks: Checks,
    ) -> None:
        super().__init__(reports, context)
        self._context = context
        self._runner = runner
        self._definition = definition
        self._checks = checks

    def with_checks(self, *checks: str | Mapping[str, Any]) -> Self:
        """Have checks carried out for every stream, when all of them are done.

        They are computed inside the source and the target: no row is moved. Those that the document asks
        for, under ``meta.dagster.checks``, are carried out without this.

        Args:
            checks: Such as ``"reconciliation"``, ``"schema_change"`` or ``{"freshness": "24h"}``, as under
                ``meta.dagster.checks``. None is a reconciliation.

        Raises:
            ConfigError: One of them is unknown, or lacks what it needs.
        """
        self._checks.request(checks or [RECONCILIATION])
        return self

    def fetch_column_metadata(self) -> Self:
        """Have the columns and the column lineage in the events. With the embedded engine they always are."""
        return self if self._runner.knows_tables else self._enriched(self._columns)

    def fetch_row_count(self) -> Self:
        """Have the target's row count in the events. With the embedded engine it always is."""
        return self if self._runner.knows_tables else self._enriched(self._row_count)

    def fetch_preview(self, rows: int = 5) -> Self:
        """Have some rows of each target in the events, as a table under ``preview``.

        They are kept in Dagster's event log: whoever may read that may read them.

        Args:
            rows: How many.
        """

        def preview(report: AssetReport) -> Mapping[str, Any]:
            found = self._looked_up(report, "preview", self._runner.first_rows, rows)
            return {"preview": preview_table(found)} if found else {}

        return self._enriched(preview)

    def _columns(self, report: AssetReport) -> Mapping[str, Any]:
        found = self._looked_up(report, "columns", self._runner.columns) or ()
        columns = [
            ReportedColumn(column["Column"], column.get("General Type") or column.get("Native Type") or "")
            for column in found
        ]
        return column_metadata(columns, self._lineage(report.report.stream, columns))

    def _row_count(self, report: AssetReport) -> Mapping[str, Any]:
        count = self._looked_up(report, "row count", self._runner.row_count)
        return {} if count is None else {"dagster/row_count": count}

    def _lineage(
        self, stream: str, columns: Sequence[ReportedColumn]
    ) -> Mapping[str, Sequence[dg.TableColumnDep]] | None:
        """Without a query, a column comes of the one of its name."""
        known = self._definition.streams.get(stream)
        upstream = self._definition.source_of(stream) if known and not known.sql else None
        if upstream is None:
            return None
        own = [column.name for column in columns if not column.name.lower().startswith(_ADDED)]
        return {name: [dg.TableColumnDep(upstream, name)] for name in own}

    def _looked_up(
        self, report: AssetReport, what: str, ask: Callable[..., _Found], *more: object
    ) -> _Found | None:
        """Ask the target. Its rows are published, so that a refusal is told and fails nothing."""
        if report.report.target is None:
            return None
        try:
            return ask(self._definition.replication.target, report.report.target, *more)
        except MainstemError as error:
            self._context.log.warning(f"No {what} of {report.report.target}: {error}")
            return None
