"""Which values of one Arrow type can become another, and how."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

__all__ = ["can_cast", "cast_values"]

# More digits than any integer has: a way from integers to decimals that need fewer.
_WIDE_DIGITS = 38


def can_cast(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether there is a way from one type to the other. A single value may still not fit.

    Example:
        >>> can_cast(pa.int64(), pa.decimal64(10, 2)), can_cast(pa.list_(pa.int64()), pa.date32())
        (True, False)
    """
    try:
        cast_values(pa.array([], given), wanted)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return False
    return True


def cast_values(values: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Convert values, each without loss.

    Raises:
        pyarrow.ArrowInvalid: A value does not fit.

    Example:
        >>> cast_values(pa.array([1, None]), pa.decimal64(4, 2)).to_pylist()
        [Decimal('1.00'), None]
    """
    if values.type == wanted:
        return values
    if pa.types.is_integer(values.type) and pa.types.is_decimal(wanted):
        values = values.cast(pa.decimal128(_WIDE_DIGITS, wanted.scale))
    return values.cast(wanted)
