"""The results of a dbt command as Dagster's events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import dagster as dg
from typing_extensions import Self

from mainstem.assets import AssetEvent, AssetEventIterator, AssetReport, ExecutionContext, Report

if TYPE_CHECKING:
    from mainstem.dbt.invocation import DbtCliInvocation

__all__ = ["DbtEventIterator", "to_events"]


class _Outputs(AssetEventIterator):
    """Gives an asset's result as the ``Output`` that existing dbt projects look for."""

    def __init__(self, reports: Iterable[Report], context: ExecutionContext | None) -> None:
        super().__init__(reports, context)
        # A key may have been changed after the output was named.
        names = context.assets_def.keys_by_output_name if self._expected and context else {}
        self._names = {key: name for name, key in names.items()}

    def _event(self, report: Report, *, in_asset: bool) -> AssetEvent:
        if not in_asset or not isinstance(report, AssetReport):
            return report.event(in_asset=in_asset)
        name = self._names.get(report.key) or report.key.to_python_identifier()
        return dg.Output(None, output_name=name, metadata=report.all_metadata)


def to_events(reports: Iterable[Report], context: ExecutionContext | None) -> AssetEventIterator:
    """Return the events of some reports.

    Args:
        reports: What dbt did.
        context: The context of the asset or op that runs.
    """
    return _Outputs(reports, context)


class DbtEventIterator(_Outputs):
    """The results of a dbt command as Dagster events, one by one as dbt reports them.

    The ``fetch_…`` methods are to be called before the first event is taken. They hold nothing back: dbt's
    own process asks the warehouse, right after it has built a node.
    """

    def __init__(self, invocation: DbtCliInvocation) -> None:
        super().__init__(invocation.reports(), invocation.context)
        self._invocation = invocation

    def fetch_row_counts(self) -> Self:
        """Add to each asset the number of its rows, counted once it is built. Views are not counted.

        Example:
            ::

                yield from dbt.cli(["build"], context=context).stream().fetch_row_counts()
        """
        self._invocation.fetch_rows()
        return self

    def fetch_column_metadata(self, with_column_lineage: bool = True) -> Self:
        """Add to each asset its columns, as they are in the warehouse once it is built.

        Args:
            with_column_lineage: Whether to add which columns of which upstream assets each column is made
                of, from the SQL that dbt ran. To resolve a ``select *`` it needs the columns of what the
                node reads: those that Dagster knows, of an earlier materialization by any tool, else those
                that the warehouse has.

        Example:
            ::

                yield from dbt.cli(["build"], context=context).stream().fetch_column_metadata()
        """
        self._invocation.fetch_columns(with_lineage=with_column_lineage)
        return self

    def close(self) -> None:
        """Stop dbt, if it still runs."""
        super().close()
        self._invocation.stop()
