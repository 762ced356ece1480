"""Writes CSV: values as text, quoted where they need it."""

from __future__ import annotations

import codecs
import io
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
from typing_extensions import override

from mainstem.errors import ConfigError, LossyTypeError
from mainstem.files.formats.base import FormatWriter, WriteOptions
from mainstem.files.layouts import layout_of
from mainstem.types import cast_values

__all__ = ["CsvWriter"]

# The stubs know no overloads for arrays of any type, and no files but those of `io`.
pc: Any = pyarrow.compute
_csv: Any = pyarrow.csv
_pa: Any = pa


class CsvWriter(FormatWriter):
    """Writes one file: NULL as nothing, an empty text as two quotes."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> None:
        if len(options.delimiter) != 1 or not options.delimiter.isascii():
            raise ConfigError(f"`delimiter` is {options.delimiter!r}.", hint="It is one ASCII character.")
        self._layout = layout_of(options.datetime_format).format if options.datetime_format else None
        self._sink = _Encoded(sink, options.encoding)
        fields = [field if _is_bare(field.type) else pa.field(field.name, pa.string()) for field in schema]
        self._schema = pa.schema([field.with_nullable(True) for field in fields])
        self._writer = _csv.CSVWriter(
            _pa.PythonFile(self._sink, mode="w"),
            self._schema,
            write_options=_csv.WriteOptions(include_header=options.header, delimiter=options.delimiter),
        )

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        texts = [self._texts(values) for values in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(texts, schema=self._schema))

    @override
    def close(self) -> None:
        self._writer.close()
        self._sink.end()

    def _texts(self, values: pa.Array[Any]) -> pa.Array[Any]:
        kind = values.type
        if _is_bare(kind):
            return values
        if self._layout and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            seconds = kind if pa.types.is_date(kind) else pa.timestamp("us", kind.tz)
            texts: pa.Array[Any] = pc.strftime(values.cast(seconds), self._layout)
            return texts
        return cast_values(values, pa.string())


def _is_bare(kind: pa.DataType) -> bool:
    """Whether pyarrow writes the type as we do, and without quotes."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


class _Encoded(io.RawIOBase):
    """Takes UTF-8 and gives another encoding."""

    def __init__(self, sink: BinaryIO, encoding: str | None) -> None:
        super().__init__()
        self._sink = sink
        self._said = encoding
        name = _WRITTEN.get((encoding or "utf8").lower().replace("-", ""), encoding or "utf-8")
        try:
            self._encoder = None if name == "utf-8" else codecs.getincrementalencoder(name)()
        except LookupError as error:
            raise ConfigError(
                f"{encoding!r} is no encoding.", hint="Such as utf8, latin1 or utf16."
            ) from error
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Any) -> int:
        if self._encoder is None:
            self._sink.write(bytes(data))
            return len(data)
        text = self._decoder.decode(bytes(data))
        try:
            self._sink.write(self._encoder.encode(text))
        except UnicodeEncodeError as error:
            lost = text[error.start : error.end]
            raise LossyTypeError(
                f"{lost!r} cannot be written in {self._said}. Nothing was published.",
                hint="Write UTF-8, or leave the column out.",
            ) from error
        return len(data)

    def end(self) -> None:
        """Write what the encoding still owes."""
        if self._encoder is not None:
            self._sink.write(self._encoder.encode("", final=True))


_WRITTEN = {
    "latin1": "latin-1",
    "latin5": "iso8859-9",
    "latin9": "iso8859-15",
    "utf8": "utf-8",
    "utf8_bom": "utf-8-sig",
    "utf16": "utf-16",
    "windows1250": "cp1250",
    "windows1252": "cp1252",
}
