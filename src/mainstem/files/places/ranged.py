"""A remote file that is read by ranges: small ones to look at it, large ones to read it through."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from typing_extensions import override

__all__ = ["RangeReader"]

_FIRST = 256 * 1024
_MOST = 8 * 1024 * 1024


class RangeReader(io.RawIOBase):
    """Reads a file of known size by ranges, each twice as long as the one before while it is read through.

    Args:
        size: The file's length.
        fetch: Returns the bytes from a start up to an end, exactly so many.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._length = size
        self._fetch = fetch
        self._at = 0
        self._start = 0
        self._held = b""
        self._ahead = _FIRST

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._at

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    @override
    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._length - self._at)
        if wanted <= 0:
            return 0
        inside = self._at - self._start
        if not 0 <= inside < len(self._held):
            self._fill(wanted)
            inside = 0
        taken = self._held[inside : inside + wanted]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def _fill(self, wanted: int) -> None:
        through = self._at == self._start + len(self._held) and bool(self._held)
        self._ahead = min(self._ahead * 2, _MOST) if through else _FIRST
        end = min(self._at + max(self._ahead, min(wanted, _MOST)), self._length)
        self._held = self._fetch(self._at, end)
        self._start = self._at
