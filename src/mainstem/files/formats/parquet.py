"""Parquet: its own types, one row group at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from mainstem.errors import EndpointError, LossyTypeError
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
from mainstem.files.formats.gathering import Gathered
from mainstem.files.sinks import KeptOpen
from mainstem.files.spooling import open_seekable
from mainstem.types import cast_values, type_name

__all__ = ["Parquet"]

_WHAT = "a Parquet file"
_READ_ROWS = 65_536
_GROUP_ROWS = 122_880
_MILLISECOND = 1_000_000


class Parquet(FileFormat):
    """Parquet files, read and written a row group at a time."""

    name = "parquet"
    extensions = (".parquet", ".pq")
    compressible = False

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        schemas = []
        for file in files:
            with _opened(file) as opened:
                schemas.append((file.name, plain_schema(_schema(file, opened))))
        return united(schemas)

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        with _opened(file) as opened:
            given = _schema(file, opened)
            names = [name for name in schema.names if name in given.names]
            for group in range(opened.num_row_groups):
                for batch in _rows(file, opened, group, names):
                    yield fit_batch(_with_intervals(batch, given), schema, file.name)

    @override
    def count(self, file: OpenFile) -> int | None:
        with _opened(file) as opened:
            return opened.metadata.num_rows

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        return _Writer(sink, schema, options.batch_limit or _GROUP_ROWS)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        stored = _stored(field)
        read = plain_type(stored)
        as_text = pa.types.is_string(read) and not pa.types.is_string(plain_type(field.type))
        return WrittenType(read, "is written as text" if as_text else None)


@contextmanager
def _opened(file: OpenFile) -> Iterator[pq.ParquetFile]:
    with open_seekable(file) as source:
        with file_errors(file.name, _WHAT):
            # Dates of Impala and old Sparks go beyond what nanoseconds can say; theirs are microseconds.
            opened = pq.ParquetFile(source, coerce_int96_timestamp_unit="us", page_checksum_verification=True)
        with opened:
            yield opened


def _schema(file: OpenFile, opened: pq.ParquetFile) -> pa.Schema:
    """The file's columns; an interval of another program is one, and not the bytes that Arrow shows."""
    with file_errors(file.name, _WHAT):
        schema = opened.schema_arrow
        check_names(file.name, schema.names)
        for index in range(len(opened.schema)):
            column = opened.schema.column(index)
            if column.converted_type == "INTERVAL":
                at = schema.get_field_index(column.path)
                if at >= 0:
                    schema = schema.set(at, pa.field(column.path, pa.month_day_nano_interval()))
        return schema


def _rows(
    file: OpenFile, opened: pq.ParquetFile, group: int, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """A row group's rows, as many as the footer tells."""
    told, found = opened.metadata.row_group(group).num_rows, 0
    batches = opened.iter_batches(_READ_ROWS, row_groups=[group], columns=list(names))
    while True:
        with file_errors(file.name, _WHAT):
            batch = next(batches, None)
        if batch is None:
            break
        found += batch.num_rows
        yield batch
    if found != told:
        raise EndpointError(
            f"{file.name} has {found} rows where its footer tells of {told}: it is broken.",
            hint="Have it written again.",
        )


def _with_intervals(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    for at, field in enumerate(batch.schema):
        if schema.field(field.name).type == pa.month_day_nano_interval() != field.type:
            values = [_interval(value) for value in batch.column(at).to_pylist()]
            intervals = pa.array(values, pa.month_day_nano_interval())
            batch = batch.set_column(at, field.name, intervals)
    return batch


def _interval(value: bytes | None) -> tuple[int, int, int] | None:
    """Months, days and milliseconds, each an unsigned number of 32 bits."""
    if value is None:
        return None
    months, days, milliseconds = struct.unpack("<3I", value)
    return months, days, milliseconds * _MILLISECOND


def _stored(field: pa.Field[Any]) -> pa.DataType:
    """The Arrow type as which a column is written."""
    kind: pa.DataType = field.type
    if pa.types.is_interval(kind):
        # An interval of Parquet's has milliseconds only, and no sign.
        return pa.string()
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
    except pa.ArrowException as error:
        raise LossyTypeError(
            f"Column {field.name}: Parquet has no type for Arrow's {type_name(kind)}.",
            hint="Leave the column out, or turn it into text with custom SQL.",
        ) from error
    return kind


class _Writer(FormatWriter):
    """Writes row groups of so many rows."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema, rows: int) -> None:
        self._sink = KeptOpen(sink)
        self._schema = pa.schema([field.with_type(_stored(field)) for field in schema])
        self._rows = rows
        self._gathered = Gathered(rows)
        writer: Any = pq.ParquetWriter
        self._writer = writer(self._sink, self._schema, compression="zstd", write_page_checksum=True)

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        arrays = [
            cast_values(values, field.type) for values, field in zip(batch.columns, self._schema, strict=True)
        ]
        for group in self._gathered.add(pa.RecordBatch.from_arrays(arrays, schema=self._schema)):
            self._write(group)

    def _write(self, group: pa.Table) -> None:
        try:
            self._writer.write_table(group, self._rows)
        except pa.ArrowException as error:
            raise LossyTypeError(f"A value cannot be written to Parquet: {error}") from error

    @override
    def close(self) -> None:
        for group in self._gathered.rest():
            self._write(group)
        self._writer.close()

    def __del__(self) -> None:
        self._sink.abandoned = True
