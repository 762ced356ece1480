"""CSV: text in columns, whose types are found from a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute
from typing_extensions import override

from mainstem.errors import ValueBreaksTypeError
from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.csv_rows import CsvRows
from mainstem.files.formats.csv_writer import CsvWriter
from mainstem.files.inference import Inferred, NotOfTypeError, infer, typed, wider_type
from mainstem.files.layouts import ISO
from mainstem.types import type_name

__all__ = ["Csv"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_LAYOUT = b"layout"


class Csv(FileFormat):
    """Text with a delimiter between fields."""

    name: ClassVar[str] = "csv"
    extensions: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".txt", ".psv")
    is_text: ClassVar[bool] = True

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        found: dict[str, Inferred] = {}
        for file in files:
            for name, own in _sampled(file, options):
                before = found.get(name)
                found[name] = own if before is None else _both(before, own)
        return pa.schema([_field(name, inferred) for name, inferred in found.items()])

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        rows = CsvRows(file, options)
        there = [name for name in schema.names if name in rows.dialect.names]
        # Without any column, the rows still count.
        names = there or rows.dialect.names[:1]
        at = 0
        for batch in rows.texts(names):
            texts = dict(zip(names, batch.columns, strict=True))
            columns = [_column(texts.get(field.name), field, batch.num_rows, rows, at) for field in schema]
            yield _batch(columns, schema, batch.num_rows)
            at += batch.num_rows

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        return CsvWriter(sink, schema, options)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        return WrittenType(
            pa.string(), "becomes text, whose type is found anew when it is read; NULL is written as nothing"
        )


def _sampled(file: OpenFile, options: ReadOptions) -> Iterator[tuple[str, Inferred]]:
    """What the columns of a file seem to be."""
    rows = CsvRows(file, options)
    batches: list[pa.RecordBatch] = []
    for batch in rows.texts(sample=True):
        batches.append(batch)
        if sum(len(taken) for taken in batches) >= options.sample_size:
            break
    for index, name in enumerate(rows.dialect.names):
        columns: Any = [batch.column(index) for batch in batches]
        sample = pa.chunked_array(columns, pa.string()).combine_chunks().slice(0, options.sample_size)
        yield name, infer(sample, options.datetime_format)


def _both(one: Inferred, other: Inferred) -> Inferred:
    """What a column is that is one thing in one file and another in the next."""
    if one == other or pa.types.is_null(other.type):
        return one
    if pa.types.is_null(one.type):
        return other
    if one.layout != other.layout:
        return Inferred(pa.string())
    return Inferred(wider_type(one.type, other.type), one.layout)


def _field(name: str, inferred: Inferred) -> pa.Field[Any]:
    metadata = None if inferred.layout == ISO else {_LAYOUT: inferred.layout.encode()}
    kind = pa.string() if pa.types.is_null(inferred.type) else inferred.type
    return pa.field(name, kind, metadata=metadata)


def _column(
    texts: pa.Array[Any] | None, field: pa.Field[Any], count: int, rows: CsvRows, at: int
) -> pa.Array[Any]:
    if texts is None:
        texts = pa.array([None] * count, pa.string())
    if rows.options.empty_as_null and pa.types.is_string(field.type):
        return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)  # type: ignore[no-any-return]
    layout = (field.metadata or {}).get(_LAYOUT, ISO.encode()).decode()
    try:
        return typed(texts, Inferred(field.type, layout))
    except NotOfTypeError as error:
        raise ValueBreaksTypeError(
            column=field.name,
            wanted=type_name(field.type),
            wider=error.wider,
            file=rows.file.name,
            value=error.value,
            line=rows.line_of(at + error.index),
        ) from error


def _batch(columns: Sequence[pa.Array[Any]], schema: pa.Schema, count: int) -> pa.RecordBatch:
    if columns:
        return pa.RecordBatch.from_arrays(list(columns), schema=schema)
    structs: Any = pa.array([{}] * count, pa.struct([]))
    return pa.RecordBatch.from_struct_array(structs)
