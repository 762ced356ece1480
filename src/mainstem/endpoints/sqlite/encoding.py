"""From Arrow to the values that SQLite stores, such that they are decoded to the same Arrow values again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.sqlite.decoding import NEGATIVE_ZERO, NOT_A_NUMBER
from mainstem.endpoints.sqlite.types import VENDOR, affinity, is_decimal_name, is_exact_number
from mainstem.errors import LossyTypeError
from mainstem.types import cast_values

__all__ = ["encoded", "number_of", "plain_decimal"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

# What SQLite's own functions take for a date: the years 0000 to 9999. https://www.sqlite.org/lang_datefunc.html
_FIRST_DAY, _LAST_DAY = -719_528, 2_932_896
_DAY_OF_MICROSECONDS = 86_400_000_000

# Up to this scale Arrow spells every decimal without an exponent.
_PLAIN_SCALE = 6

_NUMBER = re.compile(r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$")
_INTEGER = re.compile(r"^(0|-?[1-9]\d*)$")
_INT64 = range(-(2**63), 2**63)
# How a float of minus zero looks as an integer.
_NEGATIVE_ZERO_BITS = -(2**63)


def encoded(name: str, values: pa.Array[Any]) -> list[Any]:
    """The values of a column as SQLite stores them.

    Args:
        name: The column's name, for the message.
        values: The values, of a type that :func:`~mainstem.endpoints.sqlite.types.native_type` knows.

    Raises:
        LossyTypeError: SQLite cannot store one of them exactly.
    """
    try:
        return _encoded(values)
    except (pa.ArrowInvalid, ValueError) as error:
        raise LossyTypeError(
            f"Column {name} holds a value that SQLite cannot store as {values.type}:"
            f" {str(error).splitlines()[0]}.",
            hint="Declare the column as text under `columns`.",
        ) from error


def plain_decimal(text: str) -> str:
    """A decimal without an exponent.

    Example:
        >>> plain_decimal("1E-18"), plain_decimal("12.50")
        ('0.000000000000000001', '12.50')
    """
    return format(Decimal(text), "f") if "E" in text.upper() else text


def number_of(text: str, *, spelling: bool = False) -> int | float | str:
    """A text as a column of numeric affinity would store it: as a number, where it looks like one.

    Args:
        text: The text.
        spelling: How the number is spelled matters too: ``12.50`` is not ``12.5``.

    Raises:
        ValueError: It looks like a number, but would come back as another.

    Example:
        >>> number_of("12"), number_of("12.50"), number_of("n/a")
        (12, 12.5, 'n/a')
        >>> number_of("0.12345678901234567890")
        Traceback (most recent call last):
        ...
        ValueError: it would become the number 0.12345678901234568
    """
    if not _NUMBER.match(text):
        return text
    if _INTEGER.match(text) and int(text) in _INT64:
        return int(text)
    number = float(text)
    same = repr(number) == text if spelling else Decimal(repr(number)) == Decimal(text.strip())
    if math.isinf(number) or not same:
        raise ValueError(f"it would become the number {number!r}")
    return number


def _encoded(values: pa.Array[Any]) -> list[Any]:
    kind = values.type
    if isinstance(kind, pa.OpaqueType):
        return _opaque(_storage(values), kind)
    if isinstance(kind, pa.JsonType):
        return _listed(_storage(values).cast(pa.string()))
    encode = next((encode for is_so, encode in _ENCODERS if is_so(kind)), _listed)
    return encode(values)


def _listed(values: pa.Array[Any]) -> list[Any]:
    return values.to_pylist()


def _storage(values: pa.Array[Any]) -> pa.Array[Any]:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _opaque(values: pa.Array[Any], kind: pa.OpaqueType) -> list[Any]:
    if kind.vendor_name != VENDOR or affinity(kind.type_name) == "TEXT":
        return _listed(values)
    spelling = not is_decimal_name(kind.type_name)
    return [None if value is None else number_of(value, spelling=spelling) for value in values.to_pylist()]


def _integers(values: pa.Array[Any]) -> list[Any]:
    return _listed(values.cast(pa.string()) if values.type == pa.uint64() else values)


def _floats(values: pa.Array[Any]) -> list[Any]:
    wide = values.cast(pa.float64())
    found: list[Any] = wide.to_pylist()
    is_negative_zero = pc.equal(wide.view(pa.int64()), _NEGATIVE_ZERO_BITS)
    for odd, spelled in ((pc.is_nan(wide), NOT_A_NUMBER), (is_negative_zero, NEGATIVE_ZERO)):
        for index in pc.indices_nonzero(odd).to_pylist():
            found[index] = spelled
    return found


def _decimals(values: pa.Array[Any]) -> list[Any]:
    texts = values.cast(pa.string())
    if is_exact_number(values.type):
        whole = values.type.scale == 0
        return _listed(texts.cast(pa.int64() if whole else pa.float64()))
    found = texts.to_pylist()
    if values.type.scale <= _PLAIN_SCALE:
        return found
    return [None if text is None else plain_decimal(text) for text in found]


def _dates(values: pa.Array[Any]) -> list[Any]:
    days = values.cast(pa.date32())
    _check_years(days.cast(pa.int32()), _FIRST_DAY, _LAST_DAY)
    return _listed(days.cast(pa.string()))


def _timestamps(values: pa.Array[Any]) -> list[Any]:
    # Casts of timestamps with a zone keep the instant, which is in UTC then.
    micros = values.cast(pa.timestamp("us"))
    last = (_LAST_DAY + 1) * _DAY_OF_MICROSECONDS - 1
    _check_years(micros.cast(pa.int64()), _FIRST_DAY * _DAY_OF_MICROSECONDS, last)
    texts: Any = micros.cast(pa.string())
    return _listed(texts if values.type.tz is None else pc.binary_join_element_wise(texts, "+00:00", ""))


def _check_years(numbers: pa.Array[Any], first: int, last: int) -> None:
    bounds = pc.min_max(numbers).as_py()
    if bounds["min"] is not None and (bounds["min"] < first or bounds["max"] > last):
        raise ValueError("it is before the year 0000 or after 9999")


def _times(values: pa.Array[Any]) -> list[Any]:
    return _listed(values.cast(pa.time64("us")).cast(pa.string()))


def _texts(values: pa.Array[Any]) -> list[Any]:
    return _listed(cast_values(values, pa.string()))


def _lists(values: Any) -> list[Any]:
    items = _encoded(values.flatten())
    nested = pa.types.is_nested(values.type.value_type)
    items = [_in_json(item, nested) for item in items]
    found: list[Any] = []
    start = 0
    for length in pc.list_value_length(values).to_pylist():
        stop = start + (length or 0)
        found.append(None if length is None else json.dumps(items[start:stop], ensure_ascii=False))
        start = stop
    return found


def _in_json(item: Any, nested: bool) -> Any:
    if nested and item is not None:
        return json.loads(item)
    if isinstance(item, bytes):
        return item.hex()
    if isinstance(item, float) and math.isinf(item):
        return "Infinity" if item > 0 else "-Infinity"
    return item


_ENCODERS: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[Any], list[Any]]]] = (
    (pa.types.is_boolean, lambda values: _listed(values.cast(pa.int8()))),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _dates),
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_time, _times),
    (pa.types.is_list, _lists),
    (pa.types.is_large_list, _lists),
    (pa.types.is_fixed_size_list, lambda values: _lists(values.cast(pa.list_(values.type.value_type)))),
    (lambda kind: isinstance(kind, pa.UuidType), _texts),
    (pa.types.is_interval, _texts),
)
