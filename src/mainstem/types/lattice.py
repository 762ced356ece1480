"""The smallest type that holds every value of two others: how a column widens."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["common_type"]

_DIGITS = 38
_FITS_64_BITS = 18
# How many decimal digits an integer of so many bits can have; and how many bits a float holds exactly.
_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_MANTISSA_BITS = {32: 24, 64: 53}
_SIGNED = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
_UNSIGNED = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the smallest type that holds every value of both, text where nothing else does.

    Numbers never meet in a float that would round them: an int64 and a float64 meet in text.

    Args:
        one: A type.
        other: Another.

    Returns:
        The type; ``None`` where there is none, as for a list and a number.

    Example:
        >>> common_type(pa.int32(), pa.int64()), common_type(pa.uint64(), pa.int8())
        (DataType(int64), Decimal128Type(decimal128(20, 0)))
        >>> common_type(pa.decimal64(10, 2), pa.decimal64(8, 4))
        Decimal64Type(decimal64(12, 4))
        >>> common_type(pa.date32(), pa.timestamp("us")), common_type(pa.int64(), pa.float64())
        (TimestampType(timestamp[us]), DataType(string))
    """
    if one == other:
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if pa.types.is_nested(one) or pa.types.is_nested(other):
        return None
    for meet in (_integers, _decimals, _floats, _times):
        found = meet(one, other) or meet(other, one)
        if found is not None:
            return found
    if _is_bytes(one) or _is_bytes(other):
        return pa.binary() if _is_bytes(one) and _is_bytes(other) else None
    return pa.string()


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)


def _integers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (pa.types.is_integer(one) and pa.types.is_integer(other)):
        return None
    signed, other_signed = pa.types.is_signed_integer(one), pa.types.is_signed_integer(other)
    if signed == other_signed:
        return (_SIGNED if signed else _UNSIGNED)[max(one.bit_width, other.bit_width)]
    unsigned_bits = other.bit_width if signed else one.bit_width
    bits = max(one.bit_width if signed else other.bit_width, unsigned_bits * 2)
    return _SIGNED.get(bits) or pa.decimal128(_INTEGER_DIGITS[64], 0)


def _decimals(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not pa.types.is_decimal(one):
        return None
    if pa.types.is_integer(other):
        whole, scale = _INTEGER_DIGITS[other.bit_width], 0
    elif pa.types.is_decimal(other):
        whole, scale = other.precision - other.scale, other.scale
    else:
        return None
    scale = max(one.scale, scale)
    precision = max(one.precision - one.scale, whole) + scale
    if precision > _DIGITS:
        return pa.string()
    return pa.decimal64(precision, scale) if precision <= _FITS_64_BITS else pa.decimal128(precision, scale)


def _floats(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not pa.types.is_floating(one):
        return None
    if pa.types.is_floating(other):
        return one if one.bit_width >= other.bit_width else other
    if not pa.types.is_integer(other):
        return None
    bits = other.bit_width - (1 if pa.types.is_signed_integer(other) else 0)
    fitting = (kind for kind in (one, pa.float64()) if bits <= _MANTISSA_BITS[kind.bit_width])
    return next(fitting, pa.string())


def _times(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not pa.types.is_timestamp(one) or one.tz is not None:
        return None
    if pa.types.is_date(other):
        return one
    if pa.types.is_timestamp(other) and other.tz is None:
        return pa.timestamp("ns" if "ns" in (one.unit, other.unit) else "us")
    return None
