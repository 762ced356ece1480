"""Texts in other encodings than UTF-8, a whole column at once.

Each codec runs once over all values of a column put together, and Arrow counts where the values then begin.
Nothing runs per value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute

__all__ = ["ENCODINGS", "decoded", "encoded"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

#: The encodings by their names in transforms, in Python's words. All but UTF-16 have one byte a character.
ENCODINGS: Mapping[str, str] = {
    "latin1": "iso8859-1",
    "latin5": "iso8859-9",
    "latin9": "iso8859-15",
    "utf16": "utf-16-le",
    "windows1250": "cp1250",
    "windows1252": "cp1252",
}
_WIDE = "utf16"
_LOW_SURROGATES = range(0xDC00, 0xE000)
_SURROGATES = range(0xD800, 0xE000)
_CONTINUED, _BEGIN_OF_FOUR = range(0x80, 0xC0), range(0xF0, 0x100)


def decoded(values: pa.Array[Any], encoding: str) -> pa.Array[Any]:
    r"""Texts of bytes.

    Args:
        values: Binary, of any length.
        encoding: A name of :data:`ENCODINGS`. UTF-16 is little-endian.

    Raises:
        ValueError: Bytes mean nothing in that encoding.

    Example:
        >>> decoded(pa.array([b"caf\xe9", None, b""]), "latin1").to_pylist()
        ['café', None, '']
    """
    data, ends = _contents(values.cast(pa.large_binary()))
    made = _codec(bytes.decode, data, encoding).encode()
    kind: Any = pa.uint16() if encoding == _WIDE else pa.uint8()
    if encoding == _WIDE:
        ends = _in_units(data, ends)
    units = _numbers(kind, data)
    lengths = pa.array(_lengths(encoding), pa.int64()).take(units)
    return _rebuilt(values, made, lengths, ends, pa.large_string()).cast(pa.string())


def encoded(values: pa.Array[Any], encoding: str) -> pa.Array[Any]:
    r"""Bytes of texts: the other way of :func:`decoded`.

    Raises:
        ValueError: A character is not in that encoding.

    Example:
        >>> encoded(pa.array(["10 €"]), "latin9").to_pylist()
        [b'10 \xa4']
    """
    data, ends = _contents(values.cast(pa.large_string()))
    made = _codec(str.encode, data.decode(), encoding)
    lengths = pa.array([_encoded_length(byte, encoding) for byte in range(256)], pa.int64())
    of_bytes = lengths.take(_numbers(pa.uint8(), data))
    return _rebuilt(values, made, of_bytes, ends, pa.large_binary()).cast(pa.binary())


def _codec(way: Any, given: Any, encoding: str) -> Any:
    try:
        return way(given, ENCODINGS[encoding])
    except UnicodeError as error:
        raise ValueError(f"{getattr(error, 'reason', error)} ({encoding})") from None


@cache
def _lengths(encoding: str) -> Sequence[int]:
    """So many bytes of UTF-8 each unit becomes. What stands for nothing is not met."""
    if encoding == _WIDE:
        # Half of a pair makes two of the pair's four bytes.
        return [2 if unit in _SURROGATES else len(chr(unit).encode()) for unit in range(0x10000)]
    name = ENCODINGS[encoding]
    return [len(bytes([value]).decode(name, "ignore").encode()) for value in range(256)]


def _encoded_length(byte: int, encoding: str) -> int:
    """So many bytes a byte of UTF-8 becomes: all of its character where it begins one."""
    if byte in _CONTINUED:
        return 0
    if encoding != _WIDE:
        return 1
    return 4 if byte in _BEGIN_OF_FOUR else 2


def _in_units(data: bytes, ends: pa.Array[Any]) -> pa.Array[Any]:
    """Where values begin, counted in units of two bytes, none of which tears a pair apart."""
    if pc.any(pc.equal(pc.bit_wise_and(ends, 1), 1)).as_py():
        raise ValueError("an odd number of bytes (utf16)")
    halves = pc.divide(ends, 2)
    units = _numbers(pa.uint16(), data)
    first = units.take(pc.filter(halves, pc.less(halves, len(units))))
    low = pc.and_(pc.greater_equal(first, _LOW_SURROGATES.start), pc.less(first, _LOW_SURROGATES.stop))
    if pc.any(low).as_py():
        raise ValueError("half of a surrogate pair (utf16)")
    found: pa.Array[Any] = halves
    return found


def _contents(values: pa.Array[Any]) -> tuple[bytes, pa.Array[Any]]:
    """The bytes of all values, and where each begins and the last one ends."""
    _, offsets, data = values.buffers()
    if not len(values) or offsets is None:
        return b"", pa.array([0] * (len(values) + 1), pa.int64())
    size = len(values) + 1
    ends: Any = pa.Array.from_buffers(pa.int64(), size, [None, offsets], offset=values.offset)
    start, stop = ends[0].as_py(), ends[size - 1].as_py()
    return (data[start:stop].to_pybytes() if data is not None else b""), pc.subtract(ends, start)


def _numbers(kind: pa.DataType, data: bytes) -> Any:
    return pa.Array.from_buffers(kind, len(data) * 8 // kind.bit_width, [None, pa.py_buffer(data)])


def _rebuilt(
    values: pa.Array[Any], data: bytes, lengths: Any, ends: pa.Array[Any], kind: pa.DataType
) -> pa.Array[Any]:
    """The same rows with other bytes: `lengths` has each unit's, `ends` where values begin among them."""
    zero = pa.array([0], pa.int64())
    summed = pa.concat_arrays([zero, pc.cumulative_sum(lengths)])
    begins = summed.take(ends)
    valid = pc.is_valid(values).buffers()[1] if values.null_count else None
    found: pa.Array[Any] = pa.Array.from_buffers(
        kind, len(values), [valid, begins.buffers()[1], pa.py_buffer(data)]
    )
    return found
