"""The general types of Sling, of the Arrow types in which values travel (spec §7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

__all__ = ["general_type"]

# The first that fits. What fits none, such as an interval, is text in Sling.
_TYPES: Sequence[tuple[Callable[[pa.DataType], bool], str]] = (
    (lambda kind: kind in (pa.int8(), pa.int16(), pa.uint8()), "smallint"),
    (lambda kind: kind in (pa.int32(), pa.uint16()), "integer"),
    (pa.types.is_integer, "bigint"),
    (pa.types.is_floating, "float"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_boolean, "bool"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, "timestampz"),
    (pa.types.is_timestamp, "timestamp"),
    (lambda kind: kind == pa.uuid(), "uuid"),
    (lambda kind: kind == pa.json_() or pa.types.is_nested(kind), "json"),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), "binary"),
)


def general_type(kind: pa.DataType) -> str:
    """Return the name of Sling's general type for an Arrow type.

    Example:
        >>> general_type(pa.int64()), general_type(pa.timestamp("us", "UTC")), general_type(pa.string())
        ('bigint', 'timestampz', 'text')
    """
    return next((name for fits, name in _TYPES if fits(kind)), "text")
