"""Snappy's framing format, in a stream: blocks of Arrow's Snappy with lengths and checksums between them.

https://github.com/google/snappy/blob/main/framing_format.txt
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from typing_extensions import override

__all__ = ["SnappyReader", "SnappyWriter", "crc32c"]

_IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
_COMPRESSED, _UNCOMPRESSED, _IDENTIFIES, _FIRST_SKIPPABLE = 0x00, 0x01, 0xFF, 0x80
_BLOCK = 65536
_HEADER = 4
_CHECKSUM = 4

# A block's checksum is computed in so many parts side by side, which are then folded together.
_PARTS = 1024
_PART = _BLOCK // _PARTS
_FOLDS = 10
_POLYNOMIAL = 0x82F63B78
_ALL_ONES = 0xFFFFFFFF
_MASK = 0xA282EAD8


def _byte_table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _byte_table()


def _shifted(sums: Any, tables: Any) -> Any:
    """Checksums as they are behind so many more zero bytes as the tables stand for."""
    low, second, third, high = (tables[at][(sums >> (8 * at)) & 0xFF] for at in range(4))
    return low ^ second ^ third ^ high


def _shift_tables() -> list[Any]:
    """For each fold, what the checksum of a byte becomes behind the zero bytes of its other half."""
    values = np.arange(256, dtype=np.uint32)
    tables = np.stack([_TABLE[(values << (8 * at)) & 0xFF] ^ ((values << (8 * at)) >> 8) for at in range(4)])
    doubled = [tables]
    for _ in range(_FOLDS + _PART.bit_length()):
        doubled.append(np.stack([_shifted(row, doubled[-1]) for row in doubled[-1]]))
    first = _PART.bit_length() - 1
    return doubled[first : first + _FOLDS]


_SHIFTS = _shift_tables()


def crc32c(data: bytes) -> int:
    """The CRC-32C of a block of at most 64 KiB.

    Example:
        >>> hex(crc32c(b"123456789")), hex(crc32c(b""))
        ('0xe3069283', '0x0')
    """
    if len(data) < _CHECKSUM:
        found = _ALL_ONES
        for byte in data:
            found = int(_TABLE[(found ^ byte) & 0xFF]) ^ (found >> 8)
        return found ^ _ALL_ONES
    # Zeros before the data change nothing, and the start value is that of its first four bytes inverted.
    block = np.zeros(_BLOCK, np.uint8)
    block[_BLOCK - len(data) :] = np.frombuffer(data, np.uint8)
    block[_BLOCK - len(data) : _BLOCK - len(data) + _CHECKSUM] ^= 0xFF
    columns = np.ascontiguousarray(block.reshape(_PARTS, _PART).T)
    sums = np.zeros(_PARTS, np.uint32)
    for column in columns:
        sums = _TABLE[(sums ^ column) & 0xFF] ^ (sums >> 8)
    for tables in _SHIFTS:
        sums = _shifted(sums[0::2], tables) ^ sums[1::2]
    return int(sums[0]) ^ _ALL_ONES


def _masked(data: bytes) -> bytes:
    found = crc32c(data)
    rotated = ((found >> 15) | (found << 17)) & _ALL_ONES
    return ((rotated + _MASK) & _ALL_ONES).to_bytes(_CHECKSUM, "little")


class SnappyReader(io.RawIOBase):
    """Reads a framed Snappy stream.

    Raises:
        OSError: At the first read that finds it broken.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._left = memoryview(b"")
        self._begun = False

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        while not self._left:
            block = self._block()
            if block is None:
                return 0
            self._left = memoryview(block)
        given = self._left[: len(wanted)]
        wanted[: len(given)] = given
        self._left = self._left[len(given) :]
        return len(given)

    def _exactly(self, length: int) -> bytes:
        parts = []
        while length > 0 and (part := self._source.read(length)):
            parts.append(part)
            length -= len(part)
        if length:
            raise OSError("it ends in the middle of a block")
        return b"".join(parts)

    def _block(self) -> bytes | None:
        """The next block that has bytes, or nothing at the end."""
        first = self._source.read(1)
        if not first:
            return None
        kind, length = first[0], int.from_bytes(self._exactly(_HEADER - 1), "little")
        if not self._begun and kind != _IDENTIFIES:
            raise OSError("it does not begin as a framed Snappy stream does")
        self._begun = True
        body = self._exactly(length)
        if kind in (_COMPRESSED, _UNCOMPRESSED):
            return _checked(body, packed=kind == _COMPRESSED)
        if kind == _IDENTIFIES and body != _IDENTIFIER[_HEADER:]:
            raise OSError("it does not begin as a framed Snappy stream does")
        if kind < _FIRST_SKIPPABLE:
            raise OSError(f"it has a block of the unknown kind {kind}")
        return b""

    @override
    def close(self) -> None:
        self._source.close()
        super().close()


def _checked(body: bytes, *, packed: bool) -> bytes:
    checksum, data = body[:_CHECKSUM], body[_CHECKSUM:]
    if packed:
        length = _told_length(data)
        if length > _BLOCK:
            raise OSError("a block is longer than 64 KiB")
        data = pa.Codec("snappy").decompress(data, length).to_pybytes()
    if len(data) > _BLOCK or _masked(data) != checksum:
        raise OSError("a block's checksum is wrong")
    return data


def _told_length(data: bytes) -> int:
    """The length that a Snappy block says that it has, unpacked."""
    length = 0
    for index, byte in enumerate(data[:5]):
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit: more follows
            return length
    raise OSError("a block has no length")


class SnappyWriter(io.RawIOBase):
    """Writes a framed Snappy stream. Closing writes what is left; the sink stays open."""

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink = sink
        self._pending = bytearray()
        sink.write(_IDENTIFIER)

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any) -> int:
        given = memoryview(data).cast("B")
        self._pending += given
        while len(self._pending) >= _BLOCK:
            self._block(bytes(self._pending[:_BLOCK]))
            del self._pending[:_BLOCK]
        return len(given)

    def _block(self, data: bytes) -> None:
        packed = pa.Codec("snappy").compress(data, asbytes=True)
        kind, body = (_COMPRESSED, packed) if len(packed) < len(data) else (_UNCOMPRESSED, data)
        header = bytes([kind]) + (len(body) + _CHECKSUM).to_bytes(_HEADER - 1, "little")
        self._sink.write(header + _masked(data) + body)

    @override
    def close(self) -> None:
        if not self.closed and self._pending:
            self._block(bytes(self._pending))
            self._pending.clear()
        super().close()
