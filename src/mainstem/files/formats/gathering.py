"""Small batches put together to larger ones: what a row group, or a batch of a file, is made of."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

__all__ = ["Gathered"]

_BYTES = 64 * 1024 * 1024


class Gathered:
    """Batches of one schema that wait until they are enough.

    Args:
        rows: So many rows are enough; about 64 MiB are enough as well.
    """

    def __init__(self, rows: int) -> None:
        self._wanted = rows
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.Table]:
        """Take a batch; give what is enough now."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows < self._wanted and self._bytes < _BYTES:
            return
        table = pa.Table.from_batches(self._waiting)
        whole = self._rows if self._bytes >= _BYTES else self._rows - self._rows % self._wanted
        rest = table.slice(whole)
        self._waiting, self._rows, self._bytes = rest.to_batches(), rest.num_rows, rest.nbytes
        for start in range(0, whole, self._wanted):
            yield table.slice(start, min(self._wanted, whole - start))

    def rest(self) -> Iterator[pa.Table]:
        """Give what is left, if anything is."""
        if self._rows:
            yield pa.Table.from_batches(self._waiting)
        self._waiting, self._rows, self._bytes = [], 0, 0
