"""How values of one Arrow type become another's: as the user asks, or only where nothing is lost."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.types.text import text_values, uuid_values

__all__ = ["can_cast", "cast_values", "fit_values", "may_cut"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

# More digits than any integer has, with any scale behind them: a way from integers to decimals of fewer.
_WIDE_DIGITS = 76


def can_cast(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether there is a way from one type to the other. A single value may still not fit.

    Example:
        >>> can_cast(pa.int64(), pa.decimal64(10, 2)), can_cast(pa.list_(pa.int64()), pa.date32())
        (True, False)
    """
    try:
        cast_values(pa.array([], _storage(given)).cast(given), wanted)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def cast_values(values: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Convert values as SQL's `cast` would: a decimal to the nearest float, a timestamp to its day.

    Raises:
        pyarrow.ArrowInvalid: A value does not fit.

    Example:
        >>> cast_values(pa.array([1, None]), pa.decimal64(4, 2)).to_pylist()
        [Decimal('1.00'), None]
    """
    kind = values.type
    if kind == wanted:
        return values
    if pa.types.is_string(wanted):
        return text_values(values)
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.UuidType):
        values = values.storage if isinstance(values, pa.ExtensionArray) else values
    pairs = ((kind, wanted), (wanted, kind))
    if any(_is_number(one) and pa.types.is_temporal(other) for one, other in pairs):
        # Arrow would count units since 1970, whichever they are.
        raise pa.ArrowNotImplementedError(f"{kind} does not become {wanted}")
    if isinstance(wanted, pa.UuidType):
        return uuid_values(values.cast(pa.string()))
    if isinstance(wanted, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(wanted, cast_values(values, wanted.storage_type))
    if pa.types.is_integer(kind) and pa.types.is_decimal(wanted):
        values = values.cast(pa.decimal256(_WIDE_DIGITS, wanted.scale))
    if pa.types.is_decimal(kind) and pa.types.is_floating(wanted):
        # Arrow multiplies by a power of ten, and misses the nearest one: 0.35 becomes 0.35000000000000003.
        values = values.cast(pa.string())
    if pa.types.is_string(kind) and pa.types.is_timestamp(wanted) and wanted.tz is not None:
        values = _zoned(values)
    return values.cast(wanted)


def fit_values(values: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Convert values only where each can be had back exactly.

    Raises:
        pyarrow.ArrowInvalid: A value would be rounded or cut off.

    Example:
        >>> fit_values(pa.array([1.0, 2.0]), pa.int64()).to_pylist()
        [1, 2]
    """
    fitted = cast_values(values, wanted)
    if not may_cut(values.type, wanted):
        return fitted
    try:
        back: Any = cast_values(fitted, values.type)
    except pa.ArrowNotImplementedError as error:
        raise pa.ArrowInvalid(f"{values.type} cannot be had back from {wanted}") from error
    same = pc.fill_null(pc.equal(back, values), True)
    if pa.types.is_floating(values.type):
        same = pc.or_(same, pc.fill_null(pc.is_nan(values), True))
    if not pc.all(same, min_count=0).as_py():
        lost = pc.filter(values, pc.invert(same))[0]
        raise pa.ArrowInvalid(f"{lost} would be cut off")
    return fitted


def may_cut(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether Arrow converts between these without a word where a value does not fit."""
    if given == wanted:
        return False
    if pa.types.is_boolean(wanted):
        return not pa.types.is_string(given)
    if pa.types.is_timestamp(given):
        return pa.types.is_date(wanted) or pa.types.is_time(wanted)
    if pa.types.is_floating(given):
        return pa.types.is_floating(wanted) or pa.types.is_decimal(wanted)
    return pa.types.is_decimal(given) and pa.types.is_floating(wanted)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _zoned(values: pa.Array[Any]) -> pa.Array[Any]:
    """Arrow wants a zone in every text: what has none is in UTC."""
    has_zone = pc.match_substring_regex(values, r"(Z|[+-]\d\d(:?\d\d)?)$")
    zoned: pa.Array[Any] = pc.if_else(has_zone, values, pc.binary_join_element_wise(values, "Z", ""))
    return zoned


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
