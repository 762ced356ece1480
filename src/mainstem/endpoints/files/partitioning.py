"""Hive partitions: which folder a row belongs to, by the time in its update key (spec §2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import ConfigError, LossyTypeError
from mainstem.types import type_name

__all__ = ["LEVELS", "check_partition_key", "partitioned"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

LEVELS: Mapping[str, Callable[[datetime], str]] = {
    "part_year": lambda time: f"{time.year:04d}",
    "part_month": lambda time: f"{time.month:02d}",
    "part_year_month": lambda time: f"{time.year:04d}-{time.month:02d}",
    "part_week": lambda time: f"{time.isocalendar()[1]:02d}",
    "part_day": lambda time: f"{time.day:02d}",
    "part_hour": lambda time: f"{time.hour:02d}",
    "part_minute": lambda time: f"{time.minute:02d}",
    "part_second": lambda time: f"{time.second:02d}",
}

# From the finest: what rows of one folder have in common at least.
_UNITS = ("second", "minute", "hour", "day", "month", "year")
_UNIT_OF = {"week": "day", "year_month": "month"}
# How Hive, Spark and DuckDB call the partition of rows without a value.
_NONE = "__HIVE_DEFAULT_PARTITION__"


def check_partition_key(name: str | None, schema: pa.Schema) -> str:
    """Return the column that partitions are made of.

    Raises:
        ConfigError: There is none, or it is no date and no time.
    """
    if name is None or name not in schema.names:
        raise ConfigError(
            "Partitions are made of the `update_key`, which the stream does not have.",
            hint="Name a date or a timestamp that is selected.",
        )
    kind = schema.field(name).type
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise ConfigError(
            f"Partitions are made of the `update_key` {name}, which is {type_name(kind)}.",
            hint="It must be a date or a timestamp; `columns` or custom SQL can make it one.",
        )
    return name


def partitioned(
    batch: pa.RecordBatch, key: str, template: str, levels: Sequence[str]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Take a batch apart by folder; the rows of one folder keep their order.

    Args:
        batch: The rows.
        key: The column that :func:`check_partition_key` let through.
        template: The folder, with a variable for each level.
        levels: The variables.

    Raises:
        LossyTypeError: A year is outside of 1 to 9999.
    """
    encoded = _floored(batch.column(batch.schema.get_field_index(key)), levels).dictionary_encode()
    order = pc.sort_indices(encoded.indices)
    ordered, found = batch.take(order), encoded.indices.take(order)
    start = 0
    for run in pc.run_end_encode(found).run_ends.to_pylist() if len(found) else ():
        at = found[start].as_py()
        folder = _folder(key, template, levels, None if at is None else encoded.dictionary[at])
        yield folder, ordered.slice(start, run - start)
        start = run


def _floored(values: Any, levels: Sequence[str]) -> Any:
    """The times in UTC, down to what tells two folders apart."""
    units = {_UNIT_OF.get(level, level) for level in (level.removeprefix("part_") for level in levels)}
    finest = next(unit for unit in _UNITS if unit in units)
    kind = values.type
    plain = values.cast(pa.timestamp(kind.unit if pa.types.is_timestamp(kind) else "s"))
    return pc.floor_temporal(plain, unit=finest).cast(pa.timestamp("s"))


def _folder(key: str, template: str, levels: Sequence[str], value: pa.Scalar[Any] | None) -> str:
    try:
        time = None if value is None else value.as_py()
    except (OverflowError, ValueError) as error:
        raise LossyTypeError(
            f"Column {key}: a time whose year has not four digits makes no partition.",
            hint="Leave such rows out with `where`.",
        ) from error
    # No name of a column leads anywhere else.
    name = quote(key, safe="")
    for level in levels:
        text = _NONE if time is None else LEVELS[level](time)
        template = template.replace(f"{{{level}}}", f"{name}_{level.removeprefix('part_')}={text}")
    return template
