"""Files that are being written, and that nobody sees yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa

from mainstem.endpoints.files.layout import Layout
from mainstem.errors import EndpointError
from mainstem.files.compression import compressing, without_extension
from mainstem.files.formats.base import FormatWriter, WriteOptions
from mainstem.files.places.base import AtomicWriter, Place

__all__ = ["PartFile", "Parts", "Unit"]

# So many files at once get rows; what a format has gathered for each stays in memory.
_MOST_OPEN = 16
# A batch is written in slices of about this part of what a file may hold, so that its size can be watched.
_SLICES = 8


class PartFile:
    """One file. Nobody sees it before :meth:`show`.

    Attributes:
        path: Its final path.
        rows: Rows that it has so far.

    Args:
        place: Where it will be.
        path: Its final path.
        layout: How it is written.
        schema: Its columns.
        options: The format's options.
    """

    def __init__(
        self, place: Place, path: str, layout: Layout, schema: pa.Schema, options: WriteOptions
    ) -> None:
        self.path = path
        self.rows = 0
        self._pending = 0
        self._told = 0
        self._file: AtomicWriter = place.write(path)
        member = without_extension(path).rpartition("/")[2]
        self._packing: AbstractContextManager[BinaryIO] = compressing(
            cast("BinaryIO", self._file), layout.compression, member
        )
        try:
            sink = self._packing.__enter__()
            self._writer: FormatWriter | None = layout.format.writer(sink, schema, options)
        except BaseException:
            self.drop()
            raise

    @property
    def size(self) -> int:
        """About how many bytes it has: those that are on their way, and what its format still gathers."""
        return self._told + self._pending

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        if self._writer is None:
            raise ValueError("The file is whole already.")
        self._writer.write(batch)
        self.rows += batch.num_rows
        self._pending += batch.nbytes
        if self._file.tell() != self._told:
            self._told, self._pending = self._file.tell(), 0

    def finish(self) -> None:
        """Write its end, and bring all of it to its place."""
        if self._writer is not None:
            self._writer.close()
            # Its buffers would stay for as long as the file is unseen.
            self._writer = None
        self._packing.__exit__(None, None, None)
        self._file.finish()

    def show(self) -> None:
        """Put it under its final name."""
        self._file.commit()

    def drop(self) -> None:
        """Give it up, unless it is shown."""
        error = EndpointError("The file was given up.")
        with suppress(EndpointError):
            self._packing.__exit__(EndpointError, error, None)
        self._file.abort()


@dataclass(frozen=True)
class Unit:
    """Rows that come into the same files, one after the other.

    Attributes:
        folder: The folder, or the single file itself.
        number: Which part of the folder's rows it is.
    """

    folder: str
    number: int = 1


class Parts:
    """The files of some units. One thread uses it.

    Attributes:
        finished: Those that are whole, and not shown.

    Args:
        make: Begins the file of a unit, by its number within the unit.
        layout: How they are split.
    """

    def __init__(self, make: Callable[[Unit, int], PartFile], layout: Layout) -> None:
        self._make = make
        self._layout = layout
        self._open: OrderedDict[Unit, PartFile] = OrderedDict()
        self._made: dict[Unit, int] = {}
        self.finished: list[PartFile] = []

    def write(self, unit: Unit, batch: pa.RecordBatch) -> None:
        """Add rows to the files of a unit."""
        start = 0
        while start < batch.num_rows:
            file = self._opened(unit)
            rows = self._fitting(file, batch)
            file.write(batch.slice(start, rows))
            start += rows
            if self._is_full(file):
                self._finish(unit)

    def begin(self, unit: Unit) -> None:
        """Make a file of a unit, even if no row comes."""
        self._opened(unit)

    def close(self) -> None:
        """Finish what is open."""
        for unit in list(self._open):
            self._finish(unit)

    def drop(self) -> None:
        """Give up every file that is not shown."""
        for file in (*self._open.values(), *self.finished):
            file.drop()
        self._open.clear()

    def _opened(self, unit: Unit) -> PartFile:
        if unit not in self._open:
            if len(self._open) >= _MOST_OPEN:
                # The one that has waited longest for a row; further rows of it come into a file of their own.
                self._finish(next(iter(self._open)))
            self._made[unit] = self._made.get(unit, 0) + 1
            self._open[unit] = self._make(unit, self._made[unit])
        self._open.move_to_end(unit)
        return self._open[unit]

    def _finish(self, unit: Unit) -> None:
        file = self._open[unit]
        file.finish()
        del self._open[unit]
        self.finished.append(file)

    def _fitting(self, file: PartFile, batch: pa.RecordBatch) -> int:
        """How many rows are written next."""
        rows = batch.num_rows
        if self._layout.max_rows:
            rows = min(rows, self._layout.max_rows - file.rows)
        if self._layout.max_bytes and batch.nbytes:
            slice_bytes = self._layout.max_bytes / _SLICES
            rows = min(rows, max(1, int(batch.num_rows * slice_bytes / batch.nbytes)))
        return rows

    def _is_full(self, file: PartFile) -> bool:
        too_many = bool(self._layout.max_rows) and file.rows >= self._layout.max_rows
        return too_many or (bool(self._layout.max_bytes) and file.size >= self._layout.max_bytes)

    def __iter__(self) -> Iterator[PartFile]:
        return iter((*self.finished, *self._open.values()))
