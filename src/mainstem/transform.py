"""What happens to a batch between the source and the staging place: names, types, the run's own columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import LossyTypeError
from mainstem.plan import MetadataColumn, PlannedColumn
from mainstem.types import cast_values, fit_values

__all__ = ["transformed"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_DIGITS = 38


def transformed(
    batch: pa.RecordBatch,
    schema: pa.Schema,
    columns: Sequence[PlannedColumn],
    metadata: Sequence[MetadataColumn] = (),
) -> pa.RecordBatch:
    """Return a batch of the source as it is staged.

    Args:
        batch: The source's columns, in the order of the planned ones.
        schema: The schema of what is staged.
        columns: The planned columns.
        metadata: The run's own, which come behind them.

    Raises:
        LossyTypeError: A value does not fit the type that `columns` declares, or that the target has.
    """
    arrays = [_converted(values, column) for values, column in zip(batch.columns, columns, strict=True)]
    arrays += [added.fill(batch.num_rows) for added in metadata]
    fitted = [
        values if values.type == field.type else fit_values(values, field.type)
        for values, field in zip(arrays, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(fitted, schema=schema)


def _roundable(values: pa.Array[Any]) -> pa.Array[Any]:
    """Arrow rounds no decimals of 64 bits, and wants room for one digit more."""
    kind: Any = values.type
    if not pa.types.is_decimal(kind):
        return values
    return values.cast(pa.decimal128(min(kind.precision + 1, _DIGITS), kind.scale))


def _converted(values: pa.Array[Any], column: PlannedColumn) -> pa.Array[Any]:
    try:
        if column.decimals is not None:
            values = pc.round(_roundable(values), column.decimals, "half_towards_infinity")
        if column.empty_as_null and pa.types.is_string(values.type):
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
        values = cast_values(values, column.arrow_type)
        return values if column.staged_type is None else fit_values(values, column.staged_type)
    except pa.ArrowInvalid as error:
        wanted = column.staged_type or column.arrow_type
        raise LossyTypeError(
            f"Column {column.source.name} ({column.source.native_type}) holds a value that"
            f" {wanted} cannot: {str(error).splitlines()[0]}",
            hint=(
                "Declare a wider type under `columns`."
                if column.staged_type in (None, column.arrow_type)
                else f"The target's column {column.name} has that type: `adjust_column_type` widens it."
            ),
        ) from error
