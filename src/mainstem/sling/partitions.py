"""A run's partitions as keys of a stream: a window of time as its range, single values as a condition."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from mainstem.assets import ExecutionContext, runs_assets
from mainstem.connections import Connection
from mainstem.endpoints import Source, open_source
from mainstem.errors import ConfigError, ConnectionConfigError, EndpointError
from mainstem.reconcile import OneOf
from mainstem.replication import Mode, Stream
from mainstem.schema import Column
from mainstem.sling.partition_bounds import range_of
from mainstem.sling.partition_slices import PartitionedRun, Slice, partitioned_run
from mainstem.sling.reading import described

__all__ = ["PartitionedRun", "Slice", "overrides_for", "partition_overrides", "partitioned_run"]

# These write more than the partition, or do not write it as it is.
_NOT_IN_PARTS = (Mode.SNAPSHOT, Mode.DEFINITION_ONLY, Mode.CHANGE_CAPTURE)
_VARIABLE = re.compile(r"\{[A-Za-z_][A-Za-z0-9_.]*\}")


def overrides_for(
    context: ExecutionContext, stream: Stream, source: Source | None = None
) -> Mapping[str, Any]:
    """The keys that win over a stream's own in a run of partitions; none in any other run.

    A window of time becomes ``source_options.range``, with ``mode: backfill``; single values become
    ``where``, and are merged by the primary key. ``meta.dagster.partition`` names the columns: one, or one
    for each dimension. By default a time is the update key, and a dimension is the column of its name.

    Args:
        context: The context of the assets that run.
        stream: The stream.
        source: The open source, which knows the types of columns and how values are quoted. Without it,
            values are compared as text.

    Raises:
        ConfigError: The stream cannot be written in parts, or nothing tells its partitions' column.

    Example::

        public.orders:
          update_key: ordered_at
          primary_key: id
          meta: {dagster: {partition: {date: ordered_at, region: region}}}
    """
    run = partitioned_run(context, stream)
    if run is None:
        return {}
    if stream.mode in _NOT_IN_PARTS:
        raise ConfigError(
            f"Stream {stream.name} has partitions, which the mode {stream.mode.value} does not write by"
            " themselves.",
            hint="Use incremental mode with a primary_key, or let each run load it whole:"
            " `meta: {dagster: {partition: false}}`.",
        )
    if not stream.primary_key:
        raise ConfigError(
            f"Stream {stream.name} has partitions and no primary_key: nothing would keep the rows of a"
            " partition that runs again from doubling.",
            hint="Give it a primary_key, or let each run load it whole:"
            " `meta: {dagster: {partition: false}}`.",
        )
    columns = _columns(stream, source)
    keys: dict[str, Any] = {}
    conditions = [_condition(each, columns, source) for each in run.whole.only]
    if conditions:
        keys["where"] = " and ".join([*([f"(\n{stream.where}\n)"] if stream.where else []), *conditions])
    if run.whole.window is None or run.whole.time is None:
        return {**keys, "mode": Mode.INCREMENTAL.value, "update_key": None}
    start, end = range_of(run.whole, columns)
    # A backfill deletes nothing; the same as an incremental run does what the stream asks for.
    mode = Mode.INCREMENTAL if stream.target_options.delete_missing else Mode.BACKFILL
    kept = {"limit": stream.source_options.limit, "offset": stream.source_options.offset}
    options = {key: value for key, value in kept.items() if value is not None}
    return {
        **keys,
        "mode": mode.value,
        "update_key": run.whole.time.name,
        "source_options": {**options, "range": f"{start},{end}"},
    }


def partition_overrides(
    context: ExecutionContext, streams: Sequence[Stream], connection: Connection | None
) -> Mapping[str, Mapping[str, Any]]:
    """The overrides of several streams, by name. The source is opened only where it has a say.

    Args:
        context: The context of the assets that run.
        streams: The streams.
        connection: The source's; ``None`` where it cannot be opened here.

    Raises:
        ConfigError: One of the streams cannot be written in parts.
        ConnectError: The source is not reached.
    """
    if not runs_assets(context) or not (context.has_partition_key or context.has_partition_key_range):
        return {}
    with ExitStack() as opened:
        source = None
        # What only Sling's own program can read has no types here.
        with suppress(ConnectionConfigError):
            source = opened.enter_context(open_source(connection)) if connection else None
        return {stream.name: overrides_for(context, stream, source) for stream in streams}


def _columns(stream: Stream, source: Source | None) -> Mapping[str, Column]:
    """The columns of what a stream reads, by their names in lower case; empty where they are not known."""
    if source is None:
        return {}
    try:
        _, table = described(source, stream, stream.position.source)
    except EndpointError:
        # The run says what is wrong with it; or its SQL has variables that only a run knows.
        return {}
    return {column.name.lower(): column for column in table.columns}


def _condition(only: OneOf, columns: Mapping[str, Column], source: Source | None) -> str:
    """The condition in the source's SQL. What is no column's name is taken for SQL."""
    for value in only.values:
        if _VARIABLE.search(value):
            raise ConfigError(
                f"The partition key {value!r} would be taken for a variable of the replication."
            )
    column = columns.get(only.column.lower())
    if source is not None and column is not None:
        name = source.quoted(column.name)
        return f"{name} in ({', '.join(source.literal(value, column) for value in only.values)})"
    return f"{only.column} in ({', '.join(_plain_literal(value) for value in only.values)})"


def _plain_literal(value: str) -> str:
    if "\\" in value or "\0" in value:
        raise ConfigError(
            f"The partition key {value!r} has a backslash or a zero byte: not every system reads it alike.",
            hint="Use keys without.",
        )
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
