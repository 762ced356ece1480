"""XML: an element that occurs again and again is a record, its attributes and its elements are columns."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute
from typing_extensions import override

from mainstem.errors import LossyTypeError
from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.fitting import plain_type, united
from mainstem.files.formats.json_scanner import Record
from mainstem.files.formats.json_text import json_text
from mainstem.files.formats.records import Columns
from mainstem.files.formats.texts import in_layout, refuse_encoding
from mainstem.files.formats.xml_names import column_name, element_name
from mainstem.files.formats.xml_scanner import Element, record_path, scan
from mainstem.types import cast_values

__all__ = ["Xml"]

# The stubs know no overloads for arrays and scalars together.
pc: Any = pyarrow.compute

# What no document may hold, however it is escaped (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]"
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))
_ROOT, _RECORD = "records", "record"
# XML Schema's way to say that there is no value, which an empty element does not.
_NIL, _NAMESPACE = "xsi:nil", 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


class Xml(FileFormat):
    """XML documents, read a record at a time."""

    name = "xml"
    extensions = (".xml",)
    is_text = True

    def __init__(self) -> None:
        self._told: set[str] = set()

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        schemas = []
        for file in files:
            with closing(_records(file)) as records:
                schemas.append((file.name, Columns(options, file.name, text_only=True).describe(records)))
        schema = united(schemas)
        self._told.update(schema.names)
        return schema

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        yield from Columns(options, file.name, text_only=True).batches(_records(file), schema, self._told)

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        refuse_encoding("XML", options.encoding)
        return _Writer(sink, schema, options.datetime_format)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        kind = plain_type(field.type)
        if pa.types.is_string(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            return WrittenType(kind)
        return WrittenType(pa.string(), "is written as text, as all of XML is")


def _records(file: OpenFile) -> Generator[Record, None, None]:
    path = record_path(file)
    if path:
        with closing(scan(file, path)) as elements:
            for element in elements:
                yield Record(_value(element), element.line)


def _value(element: Element) -> Any:
    """An element as JSON has it: its text, or an object of its attributes and elements."""
    text = "".join(element.text)
    if any(column_name(name) == "nil" and value == "true" for name, value in element.attributes.items()):
        return None
    if not element.children and not element.attributes:
        return text
    found: dict[str, Any] = {f"_{column_name(name)}": value for name, value in element.attributes.items()}
    for child in element.children:
        name, value = column_name(child.name), _value(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], _Several):
            found[name].append(value)
        else:
            found[name] = _Several([found[name], value])
    if text.strip():
        found["_text"] = text
    return {name: list(value) if isinstance(value, _Several) else value for name, value in found.items()}


class _Several(list[Any]):
    """The values of elements of the same name."""


class _Writer(FormatWriter):
    def __init__(self, sink: BinaryIO, schema: pa.Schema, datetime_format: str | None) -> None:
        self._sink = sink
        self._datetime_format = datetime_format
        self._elements = [element_name(name) for name in schema.names]
        sink.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<{_ROOT} {_NAMESPACE}>\n'.encode())

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        batch = in_layout(batch, self._datetime_format)
        pieces: list[Any] = [pa.array([f"<{_RECORD}>"] * batch.num_rows, pa.string())]
        for field, element, values in zip(batch.schema, self._elements, batch.columns, strict=True):
            texts = _escaped(field, values)
            whole = pc.binary_join_element_wise(f"<{element}>", texts, f"</{element}>", "")
            pieces.append(pc.fill_null(whole, f'<{element} {_NIL}="true"/>'))
        rows: list[Any] = pc.binary_join_element_wise(*pieces, f"</{_RECORD}>\n", "").to_pylist()
        self._sink.write("".join(rows).encode())

    @override
    def close(self) -> None:
        self._sink.write(f"</{_ROOT}>\n".encode())


def _escaped(field: pa.Field[Any], values: Any) -> Any:
    kind = plain_type(field.type)
    nested = pa.types.is_nested(kind) or isinstance(kind, pa.JsonType)
    texts: Any = json_text(values) if nested else cast_values(values, pa.string())
    if pa.types.is_timestamp(kind):
        texts = pc.replace_substring(texts, " ", "T")
    wrong = texts.filter(pc.fill_null(pc.match_substring_regex(texts, _FORBIDDEN), False))
    if len(wrong):
        raise LossyTypeError(
            f"Column {field.name}: a value holds a character that no XML document can: {wrong[0].as_py()!r}.",
            hint="Leave the column out, or write another format.",
        )
    for plain, escape in _ESCAPES:
        texts = pc.replace_substring(texts, plain, escape)
    return texts
