"""What happens to a batch between the source and the staging place: names, types, the run's own columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mainstem.errors import LossyTypeError
from mainstem.plan import PlannedColumn, StreamPlan
from mainstem.plan.casting import cast_values

__all__ = ["transformed"]


def transformed(batch: pa.RecordBatch, plan: StreamPlan) -> pa.RecordBatch:
    """Return a batch of the source as it is staged.

    Args:
        batch: The columns of ``plan.query``, in order.
        plan: The stream's plan.

    Raises:
        LossyTypeError: A value does not fit the type that `columns` declares.
    """
    arrays: list[pa.Array[Any]] = [
        _cast(values, column) for values, column in zip(batch.columns, plan.columns, strict=True)
    ]
    arrays += [pa.repeat(added.value, batch.num_rows) for added in plan.metadata_columns]
    return pa.RecordBatch.from_arrays(arrays, schema=plan.schema)


def _cast(values: pa.Array[Any], column: PlannedColumn) -> pa.Array[Any]:
    try:
        return cast_values(values, column.arrow_type)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {column.source.name} ({column.source.native_type}) holds a value that"
            f" {column.arrow_type} cannot: {str(error).splitlines()[0]}",
            hint="Declare a wider type under `columns`.",
        ) from error
