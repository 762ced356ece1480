"""Which part of a stream's rows a run's partitions are: windows of time, and single values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import dagster as dg

from mainstem.assets import ExecutionContext, definition_of, runs_assets
from mainstem.errors import ConfigError
from mainstem.reconcile import OneOf
from mainstem.replication import Stream
from mainstem.sling.definition import SlingDefinition

__all__ = ["PartitionedRun", "Slice", "TimeColumn", "partitioned_run"]

# The dimension of partitions that have none.
_ALONE = ""


@dataclass(frozen=True)
class TimeColumn:
    """The column that a window of time is one of.

    Attributes:
        name: Its name in the source.
        pattern: How it spells a time, where it is no time to the database.
    """

    name: str
    pattern: str | None = None


@dataclass(frozen=True)
class Slice:
    """A part of a stream's rows.

    Attributes:
        window: Only rows of this window of time; ``None`` for all times.
        time: The column that the window is of.
        only: Only rows of these values.
    """

    window: dg.TimeWindow | None = None
    time: TimeColumn | None = None
    only: Sequence[OneOf] = ()


@dataclass(frozen=True)
class PartitionedRun:
    """What a run's partitions are of a stream.

    Attributes:
        whole: All of them together.
        parts: Each by itself, by its key.
    """

    whole: Slice
    parts: Mapping[str, Slice]


def partitioned_run(context: ExecutionContext, stream: Stream) -> PartitionedRun | None:
    """What the partitions of a run are of a stream; ``None`` where it has none, or says ``partition: false``.

    Args:
        context: The context of the asset or op that runs.
        stream: The stream.

    Raises:
        ConfigError: Nothing tells the column of a partition, or a run's partitions do not hang together.
    """
    if not runs_assets(context) or not (context.has_partition_key or context.has_partition_key_range):
        return None
    definition = _partitions_def(context, stream)
    if definition is None or _given(stream) is False:
        return None
    columns = _Columns.of(stream, definition)
    taken = {str(key): _taken_apart(key) for key in context.partition_keys}
    by_dimension: dict[str, list[str]] = {}
    for values in taken.values():
        for name, value in values.items():
            if value not in by_dimension.setdefault(name, []):
                by_dimension[name].append(value)
    if len(list(product(*by_dimension.values()))) != len(taken):
        raise ConfigError(
            "The partitions of this run are not all combinations of their dimensions, so that stream"
            f" {stream.name} cannot read them at once.",
            hint="Run one run for each partition: backfill_policy=dg.BackfillPolicy.multi_run().",
        )
    parts = {
        key: columns.slice({name: [value] for name, value in values.items()}) for key, values in taken.items()
    }
    return PartitionedRun(columns.slice(by_dimension), parts)


def _partitions_def(context: ExecutionContext, stream: Stream) -> dg.PartitionsDefinition[Any] | None:
    """The partitions of the stream's own asset: beside partitioned ones there may be others without."""
    assets = context.assets_def
    attached = definition_of(assets, SlingDefinition)
    if attached is None or stream.name not in attached.streams:
        return assets.partitions_def
    spec = assets.specs_by_key.get(attached.specs[stream.name].key)
    return spec.partitions_def if spec else None


def _given(stream: Stream) -> Any:
    """What stands under ``meta.dagster.partition``."""
    return (stream.meta.get("dagster") or {}).get("partition")


def _taken_apart(key: str) -> Mapping[str, str]:
    """A partition's key by dimension; one without dimensions has a single one without a name."""
    return key.keys_by_dimension if isinstance(key, dg.MultiPartitionKey) else {_ALONE: key}


class _Columns:
    """The dimensions of a stream's partitions, and the column of each."""

    def __init__(
        self,
        stream: Stream,
        times: Mapping[str, tuple[dg.TimeWindowPartitionsDefinition, TimeColumn]],
        values: Mapping[str, str],
    ) -> None:
        self._stream = stream
        self._times = times
        self._values = values

    @classmethod
    def of(cls, stream: Stream, definition: dg.PartitionsDefinition[Any]) -> _Columns:
        given = _given(stream)
        times: dict[str, tuple[dg.TimeWindowPartitionsDefinition, TimeColumn]] = {}
        values: dict[str, str] = {}
        for name, part in _dimensions(definition):
            said = _said(given, name, stream)
            if isinstance(part, dg.TimeWindowPartitionsDefinition):
                column = said.get("column") or stream.update_key
                times[name] = part, TimeColumn(_needed(column, name, stream), said.get("format"))
            else:
                values[name] = _needed(said.get("column") or name, name, stream)
        if len(times) > 1:
            raise ConfigError(
                f"Stream {stream.name} has two dimensions of time, and a range is of one.",
                hint="Make one of them static partitions.",
            )
        return cls(stream, times, values)

    def slice(self, keys: Mapping[str, Sequence[str]]) -> Slice:
        """The rows of some keys of each dimension."""
        only = [OneOf(column, list(keys[name])) for name, column in self._values.items()]
        for name, (definition, column) in self._times.items():
            windows = sorted(
                (definition.time_window_for_partition_key(key) for key in keys[name]),
                key=lambda window: window.start,
            )
            return Slice(self._joined(windows), column, only)
        return Slice(only=only)

    def _joined(self, windows: Sequence[dg.TimeWindow]) -> dg.TimeWindow:
        for index, window in enumerate(windows[1:]):
            end = windows[index].end
            if end != window.start:
                raise ConfigError(
                    f"The partitions of this run leave a gap behind {end:%Y-%m-%d %H:%M}, so that stream"
                    f" {self._stream.name} cannot read them as one range.",
                    hint="Run one run for each partition: backfill_policy=dg.BackfillPolicy.multi_run().",
                )
        return dg.TimeWindow(windows[0].start, windows[-1].end)


def _dimensions(
    definition: dg.PartitionsDefinition[Any],
) -> Iterator[tuple[str, dg.PartitionsDefinition[Any]]]:
    if isinstance(definition, dg.MultiPartitionsDefinition):
        yield from ((each.name, each.partitions_def) for each in definition.partitions_defs)
    else:
        yield _ALONE, definition


def _said(given: Any, dimension: str, stream: Stream) -> Mapping[str, str]:
    """What `meta.dagster.partition` says of a dimension: a column, or a column and its format."""
    by_dimension = given if isinstance(given, Mapping) else {}
    found = by_dimension.get(dimension) if dimension else given
    if found is None or isinstance(found, str):
        return {"column": found} if found else {}
    if isinstance(found, Mapping) and set(found) <= {"column", "format"}:
        return {key: str(value) for key, value in found.items()}
    raise ConfigError(
        f"`meta.dagster.partition` of stream {stream.name} is {given!r}.",
        hint="It is a column, {column: …, format: …}, one of these for each dimension, or false.",
    )


def _needed(column: str | None, dimension: str, stream: Stream) -> str:
    if column:
        return column
    what = f"the dimension {dimension}" if dimension else "the partitions"
    raise ConfigError(
        f"Nothing says which column of stream {stream.name} {what} are of.",
        hint="Say it in the stream: `meta: {dagster: {partition: <column>}}`.",
    )
