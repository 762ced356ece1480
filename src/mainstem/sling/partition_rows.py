"""How many rows of a partition the target has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from mainstem.assets import ExecutionContext
from mainstem.connections import Connection
from mainstem.endpoints import Source, open_source
from mainstem.errors import ConfigError, MainstemError
from mainstem.reconcile.measure import Side
from mainstem.report import StreamReport
from mainstem.schema import Column
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.partition_bounds import range_of
from mainstem.sling.partition_slices import PartitionedRun, Slice, partitioned_run

__all__ = ["partition_counter", "partition_row_counts"]

# More counts than this are no reading.
_MOST = 400
# So many are asked for by one query.
_AT_ONCE = 100


def partition_counter(
    context: ExecutionContext, definition: SlingDefinition, connection: Connection | None
) -> Callable[[StreamReport], Mapping[str, Any]]:
    """A function from a stream's report to the metadata that tells the rows of the run's partitions.

    What cannot be counted is told in the log, and fails nothing: the rows are published.

    Args:
        context: The context of the asset or op that runs.
        definition: The replication.
        connection: The target's; ``None`` where it cannot be opened here.
    """

    def counted(report: StreamReport) -> Mapping[str, Any]:
        run = partitioned_run(context, definition.stream_with_meta(report.stream))
        if run is None or connection is None:
            return {}
        try:
            with open_source(connection) as target:
                return partition_row_counts(run, report, target)
        except MainstemError as error:
            context.log.warning(f"No rows of partitions of {report.target}: {error}")
            return {}

    return counted


def partition_row_counts(run: PartitionedRun, report: StreamReport, target: Source) -> Mapping[str, Any]:
    """The metadata that tells the rows of each partition of a run, as the target has them now.

    Args:
        run: The run's partitions of the stream.
        report: What the stream did.
        target: The open target.

    Returns:
        ``dagster/partition_row_count`` for a run of one partition; for more, ``partition_row_counts`` with
        the rows of each. Nothing where the target lacks a column that tells partitions apart, or where they
        are too many to read.

    Raises:
        EndpointError: The target refused the query.
    """
    if report.target is None or not run.parts or len(run.parts) > _MOST:
        return {}
    there = target.describe(target.relation(report.target))
    columns = _by_source(report, {column.name.lower(): column for column in there.columns})
    try:
        conditions = {key: _condition(part, columns, target) for key, part in run.parts.items()}
    except (KeyError, ConfigError):
        # The column is an expression of the source's, or is not selected.
        return {}
    side = Side(target, there.relation)
    counts: dict[str, int] = {}
    keys = list(conditions)
    for start in range(0, len(keys), _AT_ONCE):
        chosen = keys[start : start + _AT_ONCE]
        items = [f"cast(count(case when {conditions[key]} then 1 end) as char(20))" for key in chosen]
        counts |= {key: int(count or 0) for key, count in zip(chosen, side.values(items), strict=True)}
    if len(counts) == 1:
        return {"dagster/partition_row_count": next(iter(counts.values()))}
    return {"partition_row_counts": dg.MetadataValue.json(counts)}


def _by_source(report: StreamReport, there: Mapping[str, Column]) -> Mapping[str, Column]:
    """The target's columns by the names in lower case that they have in the source."""
    return {
        source.lower(): there[column.name.lower()]
        for column in report.columns
        for source in column.sources or ()
        if column.name.lower() in there
    }


def _condition(part: Slice, columns: Mapping[str, Column], target: Source) -> str:
    conditions = []
    if part.window is not None and part.time is not None:
        column = columns[part.time.name.lower()]
        name = target.ordered(column)
        start, end = (target.literal(value, column) for value in range_of(part, columns))
        conditions += [f"{name} >= {start}", f"{name} <= {end}"]
    for only in part.only:
        column = columns[only.column.lower()]
        values = ", ".join(target.literal(value, column) for value in only.values)
        conditions.append(f"{target.quoted(column.name)} in ({values})")
    return " and ".join(conditions) or "1 = 1"
