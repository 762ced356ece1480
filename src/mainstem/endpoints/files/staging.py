"""Rows on their way into files that nobody sees yet."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute
from typing_extensions import override

from mainstem.endpoints.files.lanes import Lanes
from mainstem.endpoints.files.layout import Layout
from mainstem.endpoints.files.partitioning import check_partition_key, partitioned
from mainstem.endpoints.files.parts import PartFile, Parts, Unit
from mainstem.endpoints.target import KeyProfile, Staging
from mainstem.errors import EndpointError
from mainstem.files.formats.base import WriteOptions
from mainstem.files.places.base import Place
from mainstem.schema import Relation

__all__ = ["FileStaging", "same_origin"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

# Each that is not shown yet keeps a file or an upload open.
_MOST_FILES = 500
_THREADS = 7
# The rows of so many threads wait in memory at once.
_MOST_THREADS = 32
_RUN = re.compile(r"part\.\d{8}T\d{6}Z-([0-9a-f]{8})-[0-9a-f]{8}\.")
_NOWHERE = "0" * 8


class FileStaging(Staging):
    """Files beside the final ones, or uploads that are not complete.

    Attributes:
        files: The files, once the rows are complete.

    Args:
        place: Where they will be.
        layout: How they are written.
        target: The object.
        schema: The columns.
        options: `target_options`.
    """

    def __init__(
        self, place: Place, layout: Layout, target: Relation, schema: pa.Schema, options: Mapping[str, Any]
    ) -> None:
        self.place = target
        self.schema = schema
        self.layout = layout
        self.files: Sequence[PartFile] = ()
        self._in = place
        self._options = WriteOptions.of(options)
        self._origin = _NOWHERE
        self._chance = secrets.token_hex(4)
        self._began = datetime.now(timezone.utc)
        self._key: str | None = None
        self._greatest: pa.Scalar[Any] | None = None
        self._count = threading.Lock()
        self._made = 0
        self._rows = 0
        self._unit = 0
        threads = int(options.get("concurrency") or _THREADS)
        several = bool(layout.levels or layout.max_rows)
        self._lanes = Lanes(lambda: Parts(self._part, layout), min(threads, _MOST_THREADS) if several else 1)

    @property
    def run(self) -> str:
        """What the names of this run's parts tell: when it began, and where it went on."""
        return f"{self._began:%Y%m%dT%H%M%SZ}-{self._origin}-{self._chance}"

    @override
    def prepare(self, update_key: str | None, since: str | None) -> None:
        self._key = update_key
        if self.layout.levels:
            check_partition_key(update_key, self.schema)
        if since is not None:
            self._origin = hashlib.sha256(since.encode()).hexdigest()[: len(_NOWHERE)]

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        self._note_greatest(batch)
        for unit, part in self._routed(batch):
            self._lanes.write(unit, part)
        self._rows += batch.num_rows

    def _routed(self, batch: pa.RecordBatch) -> Iterator[tuple[Unit, pa.RecordBatch]]:
        layout = self.layout
        if layout.levels:
            key = check_partition_key(self._key, self.schema)
            for folder, part in partitioned(batch, key, layout.template, layout.levels):
                yield Unit(folder), part
            return
        start = 0
        while start < batch.num_rows:
            # Every so many rows are a file of their own, which another thread may write.
            number, taken = divmod(self._rows + start, layout.max_rows) if layout.max_rows else (0, 0)
            rows = layout.max_rows - taken if layout.max_rows else batch.num_rows
            yield Unit(layout.root, number + 1), batch.slice(start, rows)
            start += rows

    def _part(self, unit: Unit, number: int) -> PartFile:
        with self._count:
            self._made += 1
            if self._made > _MOST_FILES:
                raise EndpointError(
                    f"The stream would write more than {_MOST_FILES} files at once, all of them unseen.",
                    hint="Choose larger partitions or larger files, or load it range by range.",
                )
        path = unit.folder
        if path.endswith("/"):
            path += f"part.{self.run}.{unit.number:02d}.{number:04d}{self.layout.suffix}"
        return PartFile(self._in, path, self.layout, self.schema, self._options)

    @override
    def complete(self) -> int:
        empty = None if self.layout.levels else Unit(self.layout.root)
        self.files = self._lanes.close(empty)
        return sum(file.rows for file in self.files)

    def drop(self) -> None:
        """Give up what is not shown."""
        self._lanes.drop()

    @override
    def profile(self, columns: Sequence[str]) -> KeyProfile:
        raise EndpointError(
            "Files cannot merge rows by a primary key.", hint="Leave `primary_key` out, to append them."
        )

    @override
    def maximum(self, column: str) -> pa.Scalar[Any] | None:
        if column != self._key:
            raise AssertionError("Only the update key's greatest value was kept.")
        return self._greatest

    def _note_greatest(self, batch: pa.RecordBatch) -> None:
        if self._key is None or self._key not in self.schema.names:
            return
        values: Any = batch.column(self.schema.get_field_index(self._key))
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        kind = values.type
        if pa.types.is_nested(kind) or pa.types.is_interval(kind):
            return
        if pa.types.is_decimal64(kind) or pa.types.is_decimal32(kind):
            values = values.cast(pa.decimal128(kind.precision, kind.scale))
        found = pc.max(values)
        if found.is_valid and (self._greatest is None or pc.less(self._greatest, found).as_py()):
            self._greatest = found


def same_origin(path: str, run: str) -> bool:
    """Whether a part was written by another run that went on from the same cursor.

    Then that run was killed before the cursor was kept, and its rows are in this one's.
    """
    name = path.rpartition("/")[2]
    found = _RUN.match(name)
    ours = _RUN.match(f"part.{run}.")
    if found is None or ours is None or name.startswith(f"part.{run}."):
        return False
    return found.group(1) == ours.group(1) != _NOWHERE
