"""The rows of a result, from the bytes of the wire to Arrow, a column at a time.

A row is a packet: three bytes of length, one that counts, and then each value as text behind its own length.
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pymysql

from mainstem.endpoints.mysql.failures import broken, translated

__all__ = ["RawRows", "RowPackets"]

_CHUNK_BYTES = 4 << 20
_HEADER = 4
_LENGTH = 0xFFFFFF
_END, _ERROR = 0xFE, 0xFF
# A packet that begins as the end does, but is longer, is a row whose first value is enormous.
_END_BYTES = 9

# What the first byte of a value says where it is not its length itself: how many bytes the length has.
_NULL = 251
_LONGER = {252: 2, 253: 3, 254: 8}

_Positions = npt.NDArray[np.int64]
_ReadInto = Callable[[memoryview], int]


class RowPackets:
    """The rows of one result as they come, in chunks of some megabytes.

    Args:
        stream: The socket's buffered reader.
        name: The connection's name, for messages.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __iter__(self) -> Iterator[RawRows]:
        """Yield the rows.

        Raises:
            EndpointError: The server broke off.
        """
        chunk = _Chunk()
        read_into = self._read_buffered
        while True:
            with translated(self._name):
                while not (ended := chunk.has_ended()) and not chunk.is_full:
                    chunk.fill(read_into, self._name)
                    read_into = self._stream.raw.readinto
            if len(rows := chunk.rows(ended)):
                yield rows
            if ended:
                return
            chunk.forget_rows()

    def _read_buffered(self, room: memoryview) -> int:
        """What the driver's reader has taken from the socket beyond the columns."""
        waiting = len(self._stream.peek())
        return int(self._stream.readinto(room[:waiting]))


class RawRows:
    """Rows whose values are still the text that came.

    Args:
        data: What the rows are in.
        starts: Where each row's values begin.
    """

    def __init__(self, data: bytearray, starts: _Positions) -> None:
        self._buffer = pa.py_buffer(data)
        self._bytes = np.frombuffer(data, np.uint8)
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    def columns(self, count: int) -> Iterator[pa.Array[Any]]:
        """Yield the columns, from the first to the last, as bytes."""
        at = self._starts
        every_second = np.arange(0, 2 * len(at), 2, dtype=np.int32)
        for _ in range(count):
            starts, lengths, is_null = self._values(at)
            at = starts + lengths
            # Values and the gaps between them, in turn: Arrow takes the values out.
            offsets = np.empty(2 * len(at), np.int32)
            offsets[0::2], offsets[1::2] = starts, at
            buffers = [None, pa.py_buffer(offsets.data), self._buffer]
            both = pa.BinaryArray.from_buffers(pa.binary(), 2 * len(at) - 1, buffers)
            values: Any = pa.array(every_second, mask=is_null)
            yield both.take(values)

    def _values(self, at: _Positions) -> tuple[_Positions, _Positions, npt.NDArray[np.bool_] | None]:
        """Read the lengths at some positions: where the values begin, how long they are, which are NULL."""
        first = self._bytes[at]
        lengths = first.astype(np.int64)
        if not len(first) or first.max() < _NULL:
            return at + 1, lengths, None
        starts = at + 1
        is_null = first == _NULL
        lengths[is_null] = 0
        for mark, size in _LONGER.items():
            (rows,) = np.nonzero(first == mark)
            if len(rows):
                places = at[rows, None] + np.arange(1, size + 1)
                lengths[rows] = self._bytes[places].astype(np.int64) @ (1 << 8 * np.arange(size))
                starts[rows] += size
        return starts, lengths, is_null


class _Chunk:
    """Bytes of the wire, and where the rows in them begin."""

    def __init__(self) -> None:
        self._bytes = bytearray(_CHUNK_BYTES)
        self._filled = 0
        self._after = 0
        self._starts: list[int] = []

    @property
    def is_full(self) -> bool:
        """Whether it has rows, and no room for many more."""
        return bool(self._starts) and self._filled >= _CHUNK_BYTES

    def fill(self, read_into: _ReadInto, name: str) -> None:
        """Take what the socket has."""
        if self._filled == len(self._bytes):
            # One row is larger than the chunk.
            self._bytes.extend(bytes(len(self._bytes)))
        with memoryview(self._bytes) as view, view[self._filled :] as room:
            count = read_into(room)
        if not count:
            raise broken(name, "no more rows came")
        self._filled += count
        self._find_rows()

    def _find_rows(self) -> None:
        # The one loop over rows: where a packet ends is known only from where it begins.
        length_at, data = struct.Struct("<I").unpack_from, self._bytes
        found, at, filled = self._starts.append, self._after, self._filled
        while at + _HEADER <= filled:
            length = length_at(data, at)[0] & _LENGTH
            after = at + _HEADER + length
            if length == _LENGTH:
                joined = self._joined(at)
                if joined is None:
                    break
                after, filled = joined, self._filled
            elif after > filled:
                break
            found(at)
            at = after
        self._after = at

    def _joined(self, start: int) -> int | None:
        """Join the packets of a row that fits in no single one, and say where it ends, once it is there."""
        headers, at = [], start
        while True:
            if at + _HEADER > self._filled:
                return None
            headers.append(at)
            length = int.from_bytes(self._bytes[at : at + _HEADER - 1], "little")
            at += _HEADER + length
            if at > self._filled:
                return None
            if length < _LENGTH:
                break
        for header in reversed(headers[1:]):
            del self._bytes[header : header + _HEADER]
            self._filled -= _HEADER
        return at - _HEADER * (len(headers) - 1)

    def has_ended(self) -> bool:
        """Whether the last packet is the one behind the last row. An error comes in the same place."""
        if not self._starts:
            return False
        first = self._starts[-1] + _HEADER
        if self._after == first or self._bytes[first] < _END:
            return False
        if self._bytes[first] == _ERROR:
            pymysql.err.raise_mysql_exception(bytes(self._bytes[first : self._after]))
        return self._after - first < _END_BYTES

    def rows(self, ended: bool) -> RawRows:
        """The rows that are there in full."""
        starts = self._starts[:-1] if ended else self._starts
        return RawRows(self._bytes, np.array(starts, np.int64) + _HEADER)

    def forget_rows(self) -> None:
        """Keep only what is not a whole row yet."""
        rest = self._bytes[self._after : self._filled]
        # Not the same bytes again: Arrow may still look at those.
        self._bytes = bytearray(max(_CHUNK_BYTES, len(rest)))
        self._bytes[: len(rest)] = rest
        self._filled, self._after, self._starts = len(rest), 0, []
