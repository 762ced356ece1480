"""How Arrow values reach PostgreSQL: as what the binary COPY encoder is given, and what becomes of that.

The encoder knows most types. What it does not know is brought into a form that it does: for some columns that
form is not yet the column's own type, so they are loaded as another one and converted at the end.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import LossyTypeError

__all__ = ["Wire", "wire_of"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

Encode = Callable[["pa.Array[Any]"], "pa.Array[Any]"]

# https://www.postgresql.org/docs/current/datatype-datetime.html, in days and microseconds since 1970.
_FIRST_DAY, _LAST_DAY = -2_440_588, 2_145_042_905
_FIRST_MICROSECOND = _FIRST_DAY * 86_400_000_000
_NANOSECONDS = 1000
_INTERVAL_BYTES = 16
_ZERO_BYTE = re.compile(b"\0")


@dataclass(frozen=True)
class Wire:
    """How values of one Arrow type are sent.

    Attributes:
        kind: The Arrow type that the encoder is given.
        encode: From the column's values to values of that type. Raises ``ArrowInvalid`` for a value that
            PostgreSQL cannot hold.
        is_json: The encoder is told so.
        loaded_as: The type that the column has while it is loaded; ``None`` for its own.
        converted: From the loaded column to its own type: SQL with ``{column}`` and ``{native}``.
    """

    kind: pa.DataType
    encode: Encode
    is_json: bool = False
    loaded_as: str | None = None
    converted: str = "{column}::{native}"

    def encoded(self, name: str, values: pa.Array[Any]) -> pa.Array[Any]:
        """Encode a column.

        Raises:
            LossyTypeError: A value cannot be held.
        """
        try:
            return self.encode(values)
        except pa.ArrowInvalid as error:
            raise LossyTypeError(
                f"Column {name} ({values.type}) holds a value that PostgreSQL cannot:"
                f" {str(error).splitlines()[0]}",
                hint="Replace it in the source's query, or leave the column out.",
            ) from error


def wire_of(kind: pa.DataType, native: str) -> Wire:
    """How an Arrow type is sent to a column of a native type."""
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(kind, native)
    found = next((wire(kind) for is_so, wire in _WIRES if is_so(kind)), None)
    if found is not None:
        return found
    if pa.types.is_nested(kind):
        return _of_list(kind, native)
    return Wire(kind, _as_it_is)


def _as_it_is(values: pa.Array[Any]) -> pa.Array[Any]:
    return values


def _of_extension(kind: Any, native: str) -> Wire:
    stored = wire_of(kind.storage_type, native)
    inner = stored.encode
    wire = replace(stored, encode=lambda values: inner(_storage(values)))
    if isinstance(kind, pa.JsonType):
        return replace(wire, is_json=True)
    if isinstance(kind, pa.OpaqueType) and native != "text":
        # The server's own words for money are in its language: these are a number's.
        number = native.replace("money", "numeric")
        converted = "{column}::{native}" if number == native else f"{{column}}::{number}::{{native}}"
        return replace(wire, loaded_as="text", converted=converted)
    return wire


def _storage(values: pa.Array[Any]) -> pa.Array[Any]:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _of_list(kind: Any, native: str) -> Wire:
    """A list travels as an array of what its elements travel as; the encoder knows arrays of fewer types."""
    item = wire_of(kind.value_type, native.removesuffix("[]"))
    loaded_as, converted = item.loaded_as and f"{item.loaded_as}[]", "{column}::{native}"
    if item.is_json:
        loaded_as = "text[]"
    elif isinstance(kind.value_type, pa.UuidType):
        # As text, `{"\\x0102…",NULL}`: without the prefix it is what an array of UUIDs is read from.
        loaded_as, converted = "bytea[]", r"replace({column}::text, E'\\\\x', '')::{native}"
    elif pa.types.is_interval(kind.value_type):
        item, loaded_as = Wire(pa.string(), _interval_texts), "text[]"
    elif pa.types.is_timestamp(kind.value_type) and kind.value_type.tz:
        # The session's time zone is UTC.
        item, loaded_as = replace(item, kind=pa.timestamp("us")), "timestamp[]"
        encode = item.encode
        item = replace(item, encode=lambda values: encode(values).cast(pa.timestamp("us")))
    return Wire(pa.list_(item.kind), _listed(item.encode), False, loaded_as, converted)


def _listed(encode: Encode) -> Encode:
    def listed(values: Any) -> pa.Array[Any]:
        if not pa.types.is_list(values.type):
            values = values.cast(pa.list_(values.type.value_type))
        # Only what is in the lists: a slice keeps the elements of the rows that were cut off.
        ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(values), 0))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        return pa.ListArray.from_arrays(offsets, encode(pc.list_flatten(values)), mask=values.is_null())

    return listed


# One encoder for each kind of type.


def _text(values: Any) -> pa.Array[Any]:
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    data = values.buffers()[2]
    # A quick look at the bytes, and a closer one where they may belong to other rows.
    if data is not None and _ZERO_BYTE.search(data) and pc.any(pc.match_substring(values, "\0")).as_py():
        raise pa.ArrowInvalid("a text with a zero byte")
    return _array(values)


def _date(values: Any) -> pa.Array[Any]:
    days = values.cast(pa.date32()).cast(pa.int32())
    _check_range(days, _FIRST_DAY, _LAST_DAY, values)
    return _array(days.cast(pa.date32()))


def _timestamp(kind: Any) -> Wire:
    wanted = pa.timestamp("us", kind.tz)

    def encode(values: Any) -> pa.Array[Any]:
        microseconds = values.cast(wanted)
        _check_range(microseconds.cast(pa.int64()), _FIRST_MICROSECOND, None, values)
        return _array(microseconds)

    return Wire(wanted, encode)


def _check_range(numbers: Any, first: int, last: int | None, values: Any) -> None:
    found = pc.min_max(numbers).as_py()
    low, high = found["min"], found["max"]
    if low is None or (low >= first and (last is None or high <= last)):
        return
    beyond = pc.index(numbers, low if low < first else high).as_py()
    shown = str(numbers[beyond].as_py())
    unit = "days" if pa.types.is_date(values.type) else "microseconds"
    raise pa.ArrowInvalid(f"{shown} {unit} from 1970 is before 4714 BC, or too far ahead")


def _interval(values: Any) -> pa.Array[Any]:
    """Intervals as they are on the wire: microseconds, days and months, each with its greatest byte first."""
    months_and_days, nanoseconds = _interval_parts(values)
    microseconds = array("q", _microseconds(nanoseconds, values))
    months_and_days.byteswap()
    microseconds.byteswap()
    wire = array("q", bytes(_INTERVAL_BYTES * len(values)))
    wire[0::2], wire[1::2] = microseconds, months_and_days
    kind = pa.binary(_INTERVAL_BYTES)
    storage: Any = pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(wire)])
    return _array(pc.if_else(values.is_valid(), storage, pa.scalar(None, kind)))


def _interval_texts(values: Any) -> pa.Array[Any]:
    """Intervals as text: those in lists."""
    months_and_days, nanoseconds = _interval_parts(values)
    halves = array("i", months_and_days.tobytes())
    parts = [
        pa.array(numbers, kind).cast(pa.string())
        for numbers, kind in (
            (halves[0::2], pa.int32()),
            (halves[1::2], pa.int32()),
            (_microseconds(nanoseconds, values), pa.int64()),
        )
    ]
    words = [
        pc.binary_join_element_wise(part, unit, " ")
        for part, unit in zip(parts, ("months", "days", "microseconds"), strict=True)
    ]
    text = pc.binary_join_element_wise(*words, " ")
    return _array(pc.if_else(values.is_valid(), text, pa.scalar(None, pa.string())))


def _interval_parts(values: Any) -> tuple[array[int], array[int]]:
    """Months and days in one number, and nanoseconds, of each interval."""
    numbers = array("q")
    data = values.buffers()[1]
    start = values.offset * _INTERVAL_BYTES
    if data is not None:
        numbers.frombytes(memoryview(data)[start : start + len(values) * _INTERVAL_BYTES])
    return numbers[0::2], numbers[1::2]


def _microseconds(nanoseconds: array[int], values: Any) -> list[int]:
    known = pc.if_else(values.is_valid(), pa.array(nanoseconds, pa.int64()), 0)
    microseconds = pc.divide(known, _NANOSECONDS)
    if not pc.all(pc.equal(pc.multiply(microseconds, _NANOSECONDS), known), min_count=0).as_py():
        raise pa.ArrowInvalid("an interval with a part of a microsecond")
    found: list[int] = microseconds.to_pylist()
    return found


def _array(values: Any) -> pa.Array[Any]:
    found: pa.Array[Any] = values
    return found


def _fixed(wanted: pa.DataType, encode: Encode | None = None) -> Callable[[Any], Wire]:
    """A wire of one type; by a cast that fails where something would be lost, unless said otherwise."""
    return lambda _: Wire(wanted, encode or (lambda values: values.cast(wanted)))


def _whole_decimal(kind: Any) -> Wire:
    return _fixed(pa.decimal128(min(kind.precision - kind.scale, 38), 0))(kind)


def _number_text(_: Any) -> Wire:
    return Wire(pa.string(), lambda values: values.cast(pa.string()), loaded_as="text")


def _of_dictionary(kind: Any) -> Wire:
    item = wire_of(kind.value_type, "")
    encode = item.encode
    return replace(item, encode=lambda values: encode(values.cast(kind.value_type)))


_WIRES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Wire]], ...] = (
    (pa.types.is_string, lambda kind: Wire(kind, _text)),
    (
        lambda kind: pa.types.is_large_string(kind) or pa.types.is_string_view(kind),
        _fixed(pa.large_string(), _text),
    ),
    (pa.types.is_binary_view, _fixed(pa.large_binary())),
    (pa.types.is_null, _fixed(pa.string())),
    (pa.types.is_date, _fixed(pa.date32(), _date)),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_time64, _fixed(pa.time64("us"))),
    (lambda kind: pa.types.is_duration(kind) and kind.unit == "ns", _fixed(pa.duration("us"))),
    (pa.types.is_interval, _fixed(pa.binary(_INTERVAL_BYTES), _interval)),
    (pa.types.is_decimal256, _number_text),
    (lambda kind: pa.types.is_decimal(kind) and kind.scale < 0, _whole_decimal),
    (pa.types.is_dictionary, _of_dictionary),
)
