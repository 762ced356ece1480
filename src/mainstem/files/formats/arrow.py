"""Arrow IPC: as it lies in memory, in files with a footer and in streams; which it is shows at its start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
from typing_extensions import override

from mainstem.errors import EndpointError
from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.fitting import (
    check_names,
    file_errors,
    fit_batch,
    plain_schema,
    plain_type,
    united,
)
from mainstem.files.sinks import KeptOpen
from mainstem.files.spooling import open_seekable

__all__ = ["Arrow"]

_WHAT = "an Arrow file"
_MAGIC = b"ARROW1"
# What a stream ends in: no more messages.
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Arrow(FileFormat):
    """Arrow's own files and streams, a record batch at a time."""

    name = "arrow"
    extensions = (".arrow", ".arrows", ".feather", ".ipc")
    compressible = False

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        schemas = []
        for file in files:
            with _opened(file) as (schema, _):
                schemas.append((file.name, plain_schema(schema)))
        return united(schemas)

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        with _opened(file) as (_, batches):
            while True:
                with file_errors(file.name, _WHAT):
                    batch = next(batches, None)
                    if batch is not None:
                        # Arrow takes a file's lengths and offsets for true; a lie would lead out of memory.
                        batch.validate(full=True)
                if batch is None:
                    return
                with file_errors(file.name, _WHAT):
                    fitted = fit_batch(batch, schema, file.name)
                yield fitted

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        return _Writer(sink, schema)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        return WrittenType(plain_type(field.type))


@contextmanager
def _opened(file: OpenFile) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    with open_seekable(file) as source:
        is_file = source.read(len(_MAGIC)) == _MAGIC
        if not is_file:
            _check_end(file, source)
        source.seek(0)
        with file_errors(file.name, _WHAT):
            opener: Any = pa.ipc.open_file if is_file else pa.ipc.open_stream
            reader = opener(source)
            check_names(file.name, reader.schema.names)
        yield reader.schema, (_of_file(reader) if is_file else iter(reader))


def _of_file(reader: Any) -> Iterator[pa.RecordBatch]:
    for at in range(reader.num_record_batches):
        yield reader.get_batch(at)


def _check_end(file: OpenFile, source: BinaryIO) -> None:
    """A stream that is cut between two messages reads as if it were whole; only its end tells."""
    length = source.seek(0, 2)
    source.seek(max(0, length - len(_END)))
    if source.read() != _END:
        raise EndpointError(
            f"{file.name} cannot be read as {_WHAT}: it has no end.",
            hint="It may be cut short, or of another format: `format` says which it is.",
        )


class _Writer(FormatWriter):
    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = KeptOpen(sink)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._writer = pa.ipc.new_file(self._sink, schema, options=options)

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    @override
    def close(self) -> None:
        self._writer.close()

    def __del__(self) -> None:
        self._sink.abandoned = True
