"""Avro: containers of records with a schema, whose blocks are read one after the other."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

import fastavro
import pyarrow as pa
from fastavro.write import Writer
from typing_extensions import override

from mainstem.errors import EndpointError, LossyTypeError
from mainstem.files.formats import avro_types
from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.fitting import fit_batch, plain_schema, plain_type, united
from mainstem.files.sinks import KeptOpen

__all__ = ["Avro"]

_BATCH_ROWS = 8192
# Where our own files keep the Arrow types that Avro has no word for.
_SCHEMA_KEY = "mainstem.arrow.schema"


class Avro(FileFormat):
    """Avro containers."""

    name = "avro"
    extensions = (".avro",)
    compressible = False

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        schemas = []
        for file in files:
            with _opened(file) as reader:
                schemas.append((file.name, plain_schema(_schema(file, reader)[0])))
        return united(schemas)

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        with _opened(file) as reader:
            given, ours = _schema(file, reader)
            names = avro_types.names(reader.writer_schema)
            while True:
                with _errors(file):
                    rows = list(islice(reader, _BATCH_ROWS))
                if not rows:
                    return
                yield fit_batch(_batch(file, rows, names, given, ours=ours), schema, file.name)

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        return _Writer(sink, schema)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        avro_types.avro_type(field.name, field.type)
        return WrittenType(plain_type(field.type))


@contextmanager
def _opened(file: OpenFile) -> Iterator[Any]:
    with file.open() as source:
        with _errors(file):
            reader = fastavro.reader(source)
        yield reader


@contextmanager
def _errors(file: OpenFile) -> Iterator[None]:
    try:
        yield
    except EndpointError:
        raise
    except Exception as error:  # what is broken shows as whatever Python makes of it
        raise EndpointError(
            f"{file.name} cannot be read as an Avro file: {str(error) or type(error).__name__}.",
            hint="It may be cut short, or of another format: `format` says which it is.",
        ) from error


def _schema(file: OpenFile, reader: Any) -> tuple[pa.Schema, bool]:
    """The Arrow types of a file; whether they are those that we wrote beside Avro's own."""
    found = avro_types.arrow_schema(file.name, reader.writer_schema)
    kept = reader.metadata.get(_SCHEMA_KEY)
    if kept is None:
        return found, False
    try:
        own = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(kept, validate=True)))
    except (pa.ArrowException, OSError, binascii.Error) as error:
        raise EndpointError(f"{file.name} is broken: its own note of its types cannot be read.") from error
    # A program that rewrote the file may have kept the note and changed the columns.
    ours = [avro_types.cleaned(name) for name in own.names] == found.names
    return (own if ours else found), ours


def _batch(
    file: OpenFile, rows: Sequence[dict[str, Any]], names: Sequence[str], schema: pa.Schema, *, ours: bool
) -> pa.RecordBatch:
    arrays = []
    for name, field in zip(names, schema, strict=True):
        with _errors(file):
            arrays.append(avro_types.array([row[name] for row in rows], field.type, is_json=ours))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Writer(FormatWriter):
    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = KeptOpen(sink)
        self._names = [avro_types.cleaned(name) for name in schema.names]
        if len(set(self._names)) < len(self._names):
            raise LossyTypeError(
                f"Avro's names have letters and digits only, so that columns of {schema.names} become one.",
                hint="Rename them under `select`, or with custom SQL.",
            )
        fields = [
            {"name": name, "type": ["null", avro_types.avro_type(field.name, field.type)]}
            for name, field in zip(self._names, schema, strict=True)
        ]
        note = base64.b64encode(schema.serialize().to_pybytes()).decode()
        record = {"type": "record", "name": "record", "fields": fields}
        writer: Any = Writer
        self._writer = writer(self._sink, record, codec="deflate", metadata={_SCHEMA_KEY: note})

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        columns = [avro_types.python_values(values) for values in batch.columns]
        for row in zip(*columns, strict=True):
            self._writer.write(dict(zip(self._names, row, strict=True)))

    @override
    def close(self) -> None:
        self._writer.flush()

    def __del__(self) -> None:
        self._sink.abandoned = True
