"""Values on their way in: from Arrow to the text that the server reads, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.mysql.types import SHAPES, base_name
from mainstem.errors import LossyTypeError
from mainstem.types import cast_values

__all__ = ["Style", "encoded", "escaped_fields", "slices", "value_lists"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute
# NumPy's know no buffers of Arrow.
from_buffer: Any = np.frombuffer
_Array: TypeAlias = "pa.Array[Any]"

# So much of a batch is text at one time.
_SLICE_BYTES = 8 << 20
_MICROSECONDS_OF_A_DAY = 86_400_000_000
# From 0001-01-01 to 9999-12-31: the days that the server's dates have.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896

_HEX = np.array([int.from_bytes(f"{byte:02X}".encode(), "little") for byte in range(256)], np.uint16)
# Where the digits of a UUID stand between its dashes.
_UUID_PLACES = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])
_UUID_BYTES = 16


class Style(Enum):
    """What a column's text is made of.

    Attributes:
        NUMBER: Digits, a point, a sign, an exponent.
        PLAIN: Nothing that would have to be escaped.
        TEXT: Anything.
        HEX: The hexadecimal digits of bytes.
    """

    NUMBER = 1
    PLAIN = 2
    TEXT = 3
    HEX = 4


def slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch into parts of some megabytes."""
    rows = max(1, batch.num_rows * _SLICE_BYTES // max(batch.nbytes, _SLICE_BYTES))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def encoded(field: pa.Field[Any], values: _Array, native: str) -> tuple[_Array, Style]:
    """Render a column as text.

    Args:
        field: The column.
        values: Its values.
        native: The type that it has in the server's table.

    Raises:
        LossyTypeError: The server has no such value.
    """
    try:
        return _encoded(values, native)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {field.name}: MySQL's {native} cannot hold a value: {str(error).splitlines()[0]}",
            hint="Declare the column as text under `columns`, or replace such values with custom SQL.",
        ) from error


def _encoded(values: _Array, native: str) -> tuple[_Array, Style]:
    kind = values.type
    if isinstance(kind, pa.UuidType):
        return _uuids(_storage(values)), Style.PLAIN
    if isinstance(kind, pa.BaseExtensionType):
        if base_name(native) in SHAPES or base_name(native) == "vector":
            return _storage(values), Style.HEX
        return _encoded(_storage(values), native)
    return next((encode(values), style) for is_so, encode, style in _ENCODERS if is_so(kind))


def escaped_fields(columns: Sequence[tuple[_Array, Style]]) -> pa.Buffer:
    r"""Rows as `LOAD DATA` reads them: fields with a tab behind each, a line end, ``\N`` for NULL."""
    texts = [_escaped(text, "\\\t\n") if style is Style.TEXT else text for text, style in columns]
    return _joined(texts, "\t", "\\N", "\n")


def value_lists(columns: Sequence[tuple[_Array, Style]]) -> _Array:
    """Rows as `INSERT` reads them: lists of literals, without their brackets."""
    texts = [_literals(text, style) for text, style in columns]
    rows: _Array = pc.binary_join_element_wise(*texts, ",", null_handling="replace", null_replacement="NULL")
    return rows


def _joined(texts: Sequence[_Array], separator: str, null: str, end: str) -> pa.Buffer:
    rows = pc.binary_join_element_wise(*texts, end, separator, null_handling="replace", null_replacement=null)
    offsets = from_buffer(rows.buffers()[1], np.int32)
    data: pa.Buffer = rows.buffers()[2].slice(0, int(offsets[len(rows)]))
    return data


def _escaped(text: _Array, special: str) -> _Array:
    """Put a backslash before special characters, of which the backslash is the first."""
    if not _holds(text, special):
        return text
    for character in special:
        text = pc.replace_substring(text, character, f"\\{character}")
    return text


def _holds(text: _Array, special: str) -> bool:
    """Whether any of these characters is there at all: one look at the bytes, where most texts have none."""
    if text.buffers()[2] is None:
        return False
    offsets = from_buffer(text.buffers()[1], np.int32)
    data = from_buffer(text.buffers()[2], np.uint8)
    data = data[offsets[text.offset] : offsets[text.offset + len(text)]]
    return any(bool((data == ord(character)).any()) for character in special)


def _literals(text: _Array, style: Style) -> _Array:
    if style is Style.NUMBER:
        return text
    if style is Style.TEXT:
        text = _escaped(text, "\\'")
    literals: _Array = pc.binary_join_element_wise("x'" if style is Style.HEX else "'", text, "'", "")
    return literals


def _truths(values: _Array) -> _Array:
    return values.cast(pa.int8()).cast(pa.string())


def _floats(values: _Array) -> _Array:
    beyond = pc.filter(values, pc.invert(pc.is_finite(values)))
    if len(pc.drop_null(beyond)):
        raise pa.ArrowInvalid(f"{pc.drop_null(beyond)[0]} is no number")
    # All the digits of a double: a float's own few would be read as another double, and rounded.
    return values.cast(pa.float64()).cast(pa.string())


def _dates(values: _Array) -> _Array:
    days = values.cast(pa.date32())
    _refuse_beyond(days.cast(pa.int32()), _FIRST_DAY, _LAST_DAY + 1, days)
    return days.cast(pa.string())


def _moments(values: _Array) -> _Array:
    moments = values.cast(pa.timestamp("us", values.type.tz)).view(pa.timestamp("us"))
    first, after = (day * _MICROSECONDS_OF_A_DAY for day in (_FIRST_DAY, _LAST_DAY + 1))
    _refuse_beyond(moments.cast(pa.int64()), first, after, moments)
    return moments.cast(pa.string())


def _refuse_beyond(numbers: _Array, first: int, after: int, values: _Array) -> None:
    bounds = pc.min_max(numbers)
    if bounds["min"].is_valid and not first <= bounds["min"].as_py() <= bounds["max"].as_py() < after:
        outside = pc.or_(pc.less(numbers, first), pc.greater_equal(numbers, after))
        beyond = pc.filter(values, outside).cast(pa.string())[0]
        raise pa.ArrowInvalid(f"{beyond} is not between the years 1 and 9999")


def _digits(values: _Array) -> _Array:
    """The hexadecimal digits of bytes."""
    values = values.cast(pa.binary())
    offsets = from_buffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    data = from_buffer(values.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    text = pa.StringArray.from_buffers(
        len(values), pa.py_buffer(((offsets - offsets[0]) * 2).data), pa.py_buffer(_HEX[data].data)
    )
    return _where_valid(values, text)


def _uuids(values: _Array) -> _Array:
    zeros: Any = values.fill_null(bytes(_UUID_BYTES))
    digits = _digits(zeros)
    spelled = np.full((len(values), 36), ord("-"), np.uint8)
    spelled[:, _UUID_PLACES] = from_buffer(digits.buffers()[2] or b"", np.uint8).reshape(-1, 2 * _UUID_BYTES)
    offsets = np.arange(0, spelled.size + 1, 36, dtype=np.int32)
    text = pa.StringArray.from_buffers(
        len(values), pa.py_buffer(offsets.data), pa.py_buffer(spelled.reshape(-1).data)
    )
    return _where_valid(values, pc.ascii_lower(text))


def _where_valid(values: _Array, text: _Array) -> _Array:
    if not values.null_count:
        return text
    found: _Array = pc.if_else(values.is_valid(), text, pa.scalar(None, pa.string()))
    return found


def _storage(values: _Array) -> _Array:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _text(values: _Array) -> _Array:
    return values.cast(pa.string())


def _spelled(values: _Array) -> _Array:
    return cast_values(values, pa.string())


def _times(values: _Array) -> _Array:
    return values.cast(pa.time64("us")).cast(pa.string())


def _is_bytes(kind: pa.DataType) -> bool:
    return any(
        is_so(kind)
        for is_so in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )


_Encoder = tuple[Callable[[Any], bool], Callable[["_Array"], "_Array"], Style]

# The first that fits; what fits none is text.
_ENCODERS: Sequence[_Encoder] = (
    (pa.types.is_boolean, _truths, Style.NUMBER),
    (pa.types.is_integer, _text, Style.NUMBER),
    (pa.types.is_floating, _floats, Style.NUMBER),
    (pa.types.is_decimal, _text, Style.NUMBER),
    (pa.types.is_date, _dates, Style.PLAIN),
    (pa.types.is_timestamp, _moments, Style.PLAIN),
    (pa.types.is_time, _times, Style.PLAIN),
    (_is_bytes, _digits, Style.HEX),
    (pa.types.is_interval, _spelled, Style.PLAIN),
    (pa.types.is_nested, _spelled, Style.TEXT),
    (lambda _: True, _text, Style.TEXT),
)
