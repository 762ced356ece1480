"""Arrow values as DuckDB takes them: what it would cut off, wrap around or not know is settled before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import LossyTypeError

__all__ = ["landed", "landing_type"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_NANOSECONDS = 1000

_LANDING: Mapping[pa.DataType, pa.DataType] = {
    pa.date64(): pa.date32(),
    pa.float16(): pa.float32(),
    pa.null(): pa.string(),
}


def landing_type(kind: Any) -> pa.DataType:
    """The Arrow type in which DuckDB takes values of a type, and loses nothing of them.

    Example:
        >>> landing_type(pa.timestamp("ns", "Europe/Berlin")), landing_type(pa.uuid())
        (TimestampType(timestamp[us, tz=UTC]), UuidType(extension<arrow.uuid>))
    """
    if isinstance(kind, pa.BaseExtensionType):
        known = isinstance(kind, (pa.UuidType, pa.JsonType))
        return kind if known else landing_type(kind.storage_type)
    found = next((landing for is_so, landing in _FAMILIES if is_so(kind)), None)
    return found(kind) if found else _LANDING.get(kind, kind)


def landed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch in its columns' landing types.

    Args:
        batch: The batch.
        schema: The names, with the landing types.

    Raises:
        LossyTypeError: DuckDB would cut a value off.
    """
    return pa.RecordBatch.from_arrays(
        [_fitting(field, values) for field, values in zip(schema, batch.columns, strict=True)], schema=schema
    )


def _zoned(kind: Any) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None


def _listed(kind: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_so(kind) for is_so in lists)


def _decimal(kind: Any) -> pa.DataType:
    # A negative scale stands for zeros before the point.
    return kind if kind.scale >= 0 else pa.decimal128(kind.precision - kind.scale, 0)


_FAMILIES: tuple[tuple[Callable[[Any], bool], Callable[[Any], pa.DataType]], ...] = (
    (_zoned, lambda _: pa.timestamp("us", "UTC")),
    (_listed, lambda kind: pa.list_(landing_type(kind.value_type))),
    (pa.types.is_dictionary, lambda kind: landing_type(kind.value_type)),
    (pa.types.is_decimal, _decimal),
)


def _fitting(field: pa.Field[Any], values: pa.Array[Any]) -> pa.Array[Any]:
    try:
        fitting: pa.Array[Any] = values if values.type == field.type else values.cast(field.type)
        if pa.types.is_interval(field.type):
            _refuse_nanoseconds(fitting)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {field.name} holds a value that DuckDB cannot: {str(error).splitlines()[0]}",
            hint="Leave the column out, or declare it as text under `columns`.",
        ) from error
    return fitting


def _refuse_nanoseconds(values: pa.Array[Any]) -> None:
    """DuckDB's intervals have microseconds, and it would drop the rest of Arrow's without a word."""
    # A value is months and days, of 32 bits each, and nanoseconds: every second word of 64 bits.
    buffer = values.buffers()[1]
    if buffer is None:
        return
    words = pa.Array.from_buffers(pa.int64(), 2 * (values.offset + len(values)), [None, buffer])
    places = pa.array(range(2 * values.offset + 1, len(words), 2), pa.int64())
    nanoseconds = pc.if_else(values.is_valid(), words.take(places), 0)
    whole = pc.multiply(pc.divide(nanoseconds, _NANOSECONDS), _NANOSECONDS)
    if not pc.all(pc.equal(whole, nanoseconds), min_count=0).as_py():
        raise pa.ArrowInvalid("an interval with nanoseconds")
