"""JSON: an array of objects, one object, or objects in a row; read a record at a time where that can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
from typing_extensions import override

from mainstem.errors import ConfigError, NotSupportedYetError
from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.fitting import plain_type, united
from mainstem.files.formats.json_scanner import Record, scan
from mainstem.files.formats.json_text import json_objects
from mainstem.files.formats.records import Columns
from mainstem.files.formats.texts import in_layout, python_encoding, refuse_encoding

__all__ = ["Json", "JsonFormat"]

# Where a document that is one object keeps its records (spec §4.1).
_HOLDERS = ("data", "records", "rows", "result")


class JsonFormat(FileFormat):
    """What JSON and JSON Lines have in common."""

    is_text = True
    begin: ClassVar[str] = ""
    between: ClassVar[str] = "\n"
    end: ClassVar[str] = "\n"

    def __init__(self) -> None:
        self._told: set[str] = set()

    def records(self, values: Iterator[Record], options: ReadOptions) -> Iterator[Record]:
        """A file's records, out of its values."""
        if options.jmespath is None:
            return values
        return chain.from_iterable(_chosen(value, options.jmespath) for value in values)

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        schemas = []
        for file in files:
            with file.open() as stream:
                records = self._records(stream, file, options)
                schemas.append((file.name, Columns(options, file.name).describe(records)))
        schema = united(schemas)
        self._told.update(schema.names)
        return schema

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        with file.open() as stream:
            records = self._records(stream, file, options)
            yield from Columns(options, file.name).batches(records, schema, self._told)

    def _records(self, stream: BinaryIO, file: OpenFile, options: ReadOptions) -> Iterator[Record]:
        if options.jq is not None:
            raise NotSupportedYetError("`jq` is not carried out yet.", hint="Say it as `jmespath`.")
        return self.records(scan(stream, file.name, python_encoding(options.encoding)), options)

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        refuse_encoding("JSON", options.encoding)
        return _Writer(self, sink, options.datetime_format)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        kind = plain_type(field.type)
        same = isinstance(kind, pa.JsonType) or any(
            is_so(kind)
            for is_so in (pa.types.is_boolean, pa.types.is_string, pa.types.is_date, pa.types.is_timestamp)
        )
        if same or kind in (pa.int64(), pa.float64()):
            return WrittenType(kind)
        if pa.types.is_integer(kind):
            beyond = kind == pa.uint64()
            return WrittenType(pa.decimal128(20, 0) if beyond else pa.int64())
        if pa.types.is_floating(kind):
            return WrittenType(pa.float64())
        if pa.types.is_nested(kind):
            return WrittenType(pa.json_(), "is written as JSON")
        return WrittenType(pa.string(), "is written as text")


class Json(JsonFormat):
    """JSON documents: written as one array."""

    name = "json"
    extensions = (".json",)
    begin = "[\n"
    between = ",\n"
    end = "\n]\n"

    @override
    def records(self, values: Iterator[Record], options: ReadOptions) -> Iterator[Record]:
        if options.jmespath is not None:
            return super().records(iter([_document(values)]), options)
        first, second = next(values, None), next(values, None)
        if first is None:
            return iter(())
        if second is None:
            return _held(first)
        return chain((first, second), values)


def _held(record: Record) -> Iterator[Record]:
    """The records of a document that is one object: those of its list of objects, else itself."""
    if isinstance(record.value, dict):
        for holder in _HOLDERS:
            items = record.value.get(holder)
            if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
                return (Record(item, record.line) for item in items)
    return iter((record,))


def _document(values: Iterator[Record]) -> Record:
    """A document as a whole, which a path through it needs."""
    whole = [record.value for record in values]
    return Record(whole[0] if len(whole) == 1 else whole, 1)


def _chosen(record: Record, path: str) -> Iterator[Record]:
    """The records that a path leads to."""
    import jmespath  # noqa: PLC0415 - only where it is asked for
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        found = jmespath.search(path, record.value)
    except JMESPathError as error:
        raise ConfigError(f"`jmespath` {path!r} cannot be carried out: {error}") from error
    for value in found if isinstance(found, list) else [found]:
        if value is not None:
            yield Record(value, record.line)


class _Writer(FormatWriter):
    """Writes records between what begins and what ends a file."""

    def __init__(self, layout: JsonFormat, sink: BinaryIO, datetime_format: str | None) -> None:
        self._layout = layout
        self._sink = sink
        self._datetime_format = datetime_format
        self._begun = False

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        self._sink.write((self._layout.between if self._begun else self._layout.begin).encode())
        self._begun = True
        lines: list[Any] = json_objects(in_layout(batch, self._datetime_format)).to_pylist()
        self._sink.write(self._layout.between.join(lines).encode())

    @override
    def close(self) -> None:
        if self._begun:
            self._sink.write(self._layout.end.encode())
        elif self._layout.begin:
            self._sink.write(b"[]\n")
