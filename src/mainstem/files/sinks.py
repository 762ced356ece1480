"""What a library writes to that would close it, or write its end when it is given up."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from typing_extensions import override

__all__ = ["KeptOpen"]


class KeptOpen(io.RawIOBase):
    """A sink that stays open when its writer is closed, and takes nothing more once it is abandoned.

    Attributes:
        abandoned: Set it where what is written has been given up.
    """

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink = sink
        self._written = 0
        self.abandoned = False

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._written

    @override
    def write(self, data: Any) -> int:
        length = memoryview(data).nbytes
        if not self.abandoned:
            self._sink.write(data)
        self._written += length
        return length
