"""Standard input and output: each is there once."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import BinaryIO

from typing_extensions import override

from mainstem.connections import Connection
from mainstem.errors import EndpointError, RelationNotFoundError
from mainstem.files.places.base import AtomicWriter, FileInfo, Place

__all__ = ["STDIN", "STDOUT", "Std"]

STDIN = "stdin"
STDOUT = "stdout"


class Std(Place):
    """What is piped into this process, and out of it.

    Standard output has no atomic end: who reads it sees the bytes as they come.

    Args:
        connection: The connection that it is named under.
        source: What is read instead of the process's own input.
        sink: What is written instead of its output.
    """

    listable = False

    def __init__(
        self, connection: Connection, source: BinaryIO | None = None, sink: BinaryIO | None = None
    ) -> None:
        super().__init__(connection)
        self._source = source
        self._sink = sink
        self._was_read = False

    @override
    def entries(self, folder: str, *, deep: bool) -> Iterator[FileInfo]:
        return iter(())

    @override
    def checked(self, path: str) -> str:
        return STDOUT if path.removesuffix("://") == STDOUT else STDIN

    @override
    def info(self, path: str) -> FileInfo | None:
        return FileInfo(STDIN)

    @override
    def open_file(self, path: str) -> BinaryIO:
        if self._was_read:
            raise EndpointError(
                "Standard input was read already, and cannot be read again.",
                hint="Write it to a file first, or declare all of its `columns`.",
            )
        self._was_read = True
        source = self._source
        if source is None and sys.stdin is not None:
            source = sys.stdin.buffer
        if source is None or source.isatty():
            raise RelationNotFoundError("Nothing is piped into standard input.", hint="Pipe a file into it.")
        return source

    @override
    def write_file(self, path: str) -> AtomicWriter:
        return _StdWriter(self._sink or sys.stdout.buffer)

    @override
    def delete_file(self, path: str) -> None:
        return

    @override
    def url(self, path: str) -> str:
        return f"{path}://" if path in (STDIN, STDOUT) else path


class _StdWriter(AtomicWriter):
    def __init__(self, sink: BinaryIO | io.BufferedIOBase) -> None:
        super().__init__()
        self._sink = sink

    @override
    def put(self, data: bytes) -> None:
        self._sink.write(data)

    @override
    def finish(self) -> None:
        self._sink.flush()

    @override
    def show(self) -> None:
        self._sink.flush()

    @override
    def drop(self) -> None:
        return
