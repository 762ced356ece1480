"""The events of a dlt run, and what can be fetched for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlt import Pipeline
from dlt.common.destination.exceptions import SqlClientNotAvailable
from typing_extensions import Self

from mainstem.assets import (
    AssetEventIterator,
    AssetReport,
    CheckReport,
    ExecutionContext,
    column_metadata,
)
from mainstem.dlt.report import DltAssetReport
from mainstem.dlt.secrets import Secrets
from mainstem.dlt.tables import count_rows, stored_columns


class DltEventIterator(AssetEventIterator):
    """The materializations of a dlt run, to ``yield from``.

    Args:
        reports: The reports of the loaded resources, and of their schema contracts.
        context: The context of the asset or op that runs.
        pipeline: The pipeline.
    """

    def __init__(
        self, reports: Iterable[AssetReport | CheckReport], context: ExecutionContext, pipeline: Pipeline
    ) -> None:
        super().__init__(reports, context)
        self._context = context
        self._pipeline = pipeline

    def fetch_row_count(self) -> Self:
        """Add the number of rows that each resource's table holds after the run.

        In the run of one partition, it is the number of rows that the run loaded, as the partition's count. A
        table that is not there, because its resource has yielded nothing so far, counts as empty. A
        destination that cannot be asked is mentioned in the log, and the count is left out.
        """
        return self._enriched(self._row_count)

    def fetch_column_metadata(self) -> Self:
        """Describe each table's columns as the destination has them, with the destination's types.

        Without it, the columns are those of dlt's schema, with dlt's types. So they stay where the
        destination is not a SQL database, or cannot be asked.
        """
        return self._enriched(self._columns)

    def _row_count(self, report: AssetReport) -> Mapping[str, Any]:
        if self._context.has_partition_key:
            rows = report.report.rows
            return {} if rows is None else {"dagster/partition_row_count": rows}
        if not isinstance(report, DltAssetReport) or report.tables is None:
            return {}
        try:
            return {"dagster/row_count": count_rows(self._pipeline, report.tables)}
        except SqlClientNotAvailable:
            self._context.log.info(
                f"No row count for {report.report.target}: {report.report.storage} does not speak SQL."
            )
        except Exception as error:  # the rows are loaded: a count must not fail the run
            self._warn("row count", report, error)
        return {}

    def _columns(self, report: AssetReport) -> Mapping[str, Any]:
        if not isinstance(report, DltAssetReport) or report.tables is None:
            return {}
        try:
            return column_metadata(stored_columns(self._pipeline, report.tables))
        except Exception as error:  # likewise
            self._warn("columns", report, error)
        return {}

    def _warn(self, what: str, report: AssetReport, error: Exception) -> None:
        message = f"No {what} for {report.report.target}: {type(error).__name__}: {error}"
        self._context.log.warning(Secrets(self._pipeline).redact(message))
