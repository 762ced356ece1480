"""The types of values that were read: what JSON says of them; dates and times are told by their text."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mainstem.files.formats.json_scanner import Number
from mainstem.files.inference import infer
from mainstem.types import common_type

__all__ = ["NOT_FINITE", "digits", "type_of", "wider"]

# What JSON has no number for, as it is written → as Python reads it.
NOT_FINITE = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}

_BITS = 63
_DIGITS = 38
# Room for numbers longer than those of the sample (spec §7.3).
_WHOLE_DIGITS, _SCALE = 18, 6
# So many digits behind the point are a float's, where each number is the shortest text of one.
_FLOAT_SCALE = 12
_ALONE: Sequence[tuple[set[type], pa.DataType]] = ((set(), pa.null()), ({bool}, pa.bool_()))


def type_of(
    values: Sequence[Any], datetime_format: str | None = None, *, text_only: bool = False
) -> pa.DataType:
    """The type that holds values which were read: what JSON says of them, dates and times from their text.

    Example:
        >>> type_of([1, None]), type_of([True]), type_of(["2024-01-02"]), type_of([1, "a"])
        (DataType(int64), DataType(bool), DataType(date32[day]), DataType(string))
        >>> type_of([Number("1.25"), 3]), type_of([{}, 1])
        (Decimal128Type(decimal128(24, 6)), JsonType(extension<arrow.json>))
    """
    kinds = {type(value) for value in values} - {type(None)}
    alone = next((kind for only, kind in _ALONE if kinds == only), None)
    if alone is not None or kinds & {dict, list}:
        return alone or pa.json_()
    if kinds == {str}:
        found = _type_of_texts([value for value in values if value], datetime_format)
        # A text of JSON's is one even where it looks like a number: a postcode, a telephone number.
        return found if text_only or pa.types.is_temporal(found) else pa.string()
    if bool in kinds:
        return pa.string()
    numbers = [value for value in values if value is not None and value not in NOT_FINITE]
    if any(isinstance(value, str) for value in numbers):
        return pa.string()
    finite = len(numbers) == sum(value is not None for value in values) and float not in kinds
    return _type_of_numbers(numbers, finite=finite)


def _type_of_texts(texts: Sequence[str], datetime_format: str | None) -> pa.DataType:
    try:
        return infer(pa.array(texts, pa.string()), datetime_format).type
    except UnicodeEncodeError:
        # Half a character, which reading it refuses by name.
        return pa.string()


def _type_of_numbers(numbers: Sequence[Any], *, finite: bool) -> pa.DataType:
    if finite and all(type(value) is int and -(2**_BITS) <= value < 2**_BITS for value in numbers):
        return pa.int64()
    texts = [digits(value) for value in numbers if type(value) is not float]
    exact = [Decimal(text) for text in texts]
    scale = max((-min(0, _exponent(value)) for value in exact), default=0)
    whole = max((value.adjusted() + 1 for value in exact if value), default=1)
    scientific = any("e" in text or "E" in text for text in texts)
    fitting = _decimal(whole, scale) if finite and not scientific and scale <= _FLOAT_SCALE else None
    if fitting is not None:
        return fitting
    if all(Decimal(repr(float(text))) == value for text, value in zip(texts, exact, strict=True)):
        return pa.float64()
    return (_decimal(whole, scale) if finite else None) or pa.string()


def digits(value: Any) -> str:
    """A number as it was written."""
    return value.text if isinstance(value, Number) else str(value)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _decimal(whole: int, scale: int) -> pa.DataType | None:
    """A decimal with room for longer numbers, where there is any; ``None`` where it has too many digits."""
    whole = max(whole, 1)
    if whole + scale > _DIGITS:
        return None
    if scale:
        scale = max(scale, min(_SCALE, _DIGITS - whole))
    return pa.decimal128(min(_DIGITS, max(whole, _WHOLE_DIGITS) + scale), scale)


def wider(kind: pa.DataType, own: pa.DataType) -> pa.DataType:
    """The type that holds a column's values and one more.

    Args:
        kind: The column's type.
        own: The type of the value.
    """
    if isinstance(kind, pa.JsonType) or isinstance(own, pa.JsonType):
        return pa.json_()
    if pa.types.is_integer(kind) and pa.types.is_decimal(own):
        return _decimal(_WHOLE_DIGITS + 1, own.scale) or pa.string()
    return common_type(kind, own) or pa.string()
