"""Records of nested values to columns: flattened as deep as is wished, with the types of their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from mainstem.errors import EndpointError, ValueBreaksTypeError
from mainstem.files.formats.base import ReadOptions
from mainstem.files.formats.json_scanner import Record
from mainstem.files.formats.record_arrays import as_text, values_array
from mainstem.files.formats.record_types import type_of, wider
from mainstem.types import type_name

__all__ = ["WHOLE", "Columns", "flattened"]

# The column of a record that is not flattened, or is no object.
WHOLE = "data"
_BATCH_ROWS = 8192
_JOIN = "__"

Values = Sequence[Any]


class Columns:
    """Records as columns.

    Args:
        options: How they are read.
        name: The file's name, for messages.
        text_only: Every value in it is text, whatever it looks like: XML.
    """

    def __init__(self, options: ReadOptions, name: str, *, text_only: bool = False) -> None:
        self._options = options
        self._name = name
        self._text_only = text_only

    def describe(self, records: Iterable[Record]) -> pa.Schema:
        """The columns of a sample, in the order in which they first occur, and their types.

        Raises:
            EndpointError: Two values of a record would be the same column.
        """
        found: dict[str, list[Any]] = {}
        for record in islice(records, self._options.sample_size):
            for column, value in flattened(record, self._options.flatten, self._name).items():
                found.setdefault(column, []).append(value)
        return pa.schema([(column, self._type_of(values)) for column, values in found.items()])

    def _type_of(self, values: Values) -> pa.DataType:
        return type_of(values, self._options.datetime_format, text_only=self._text_only)

    def batches(
        self, records: Iterator[Record], schema: pa.Schema, told: Iterable[str]
    ) -> Iterator[pa.RecordBatch]:
        """Read records as batches of a schema.

        Args:
            records: The records.
            schema: The columns that are wanted.
            told: All columns that are known, wanted or not; those of the first records are known as well.

        Raises:
            ValueBreaksTypeError: A value is none of its column's type, or has a column that nobody knows.
        """
        known = {*schema.names, *told}
        sampled = 0
        while chunk := list(islice(records, _BATCH_ROWS)):
            rows = [flattened(record, self._options.flatten, self._name) for record in chunk]
            for row in rows[: max(0, self._options.sample_size - sampled)]:
                known.update(row)
            sampled += len(rows)
            for record, row in zip(chunk, rows, strict=True):
                if not known.issuperset(row):
                    self._refuse_unknown(record, row, known)
            arrays = [self._array([row.get(field.name) for row in rows], field, chunk) for field in schema]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _refuse_unknown(self, record: Record, row: Mapping[str, Any], known: set[str]) -> None:
        """A column that occurs for the first time behind the sample must not be lost without a word."""
        for column, value in row.items():
            if column not in known and value is not None:
                raise ValueBreaksTypeError(
                    column=column,
                    wanted="not among the columns of the first records",
                    wider=self._type_of([value]),
                    file=self._name,
                    line=record.line,
                    value=as_text(value) or "",
                    hint="Raise SAMPLE_SIZE, or read the records whole: `flatten: false`.",
                )

    def _array(self, values: Values, field: pa.Field[Any], records: Sequence[Record]) -> pa.Array[Any]:
        try:
            return self._array_of(values, field)
        except (pa.ArrowException, ValueError, TypeError, ArithmeticError) as error:
            raise self._broken(values, field, records) from error

    def _array_of(self, values: Values, field: pa.Field[Any]) -> pa.Array[Any]:
        return values_array(values, field.type, self._options.datetime_format, text_only=self._text_only)

    def _broken(self, values: Values, field: pa.Field[Any], records: Sequence[Record]) -> EndpointError:
        for value, record in zip(values, records, strict=True):
            try:
                self._array_of([value], field)
            except UnicodeEncodeError:
                return EndpointError(
                    f"{self._name}:{record.line}: column {field.name} holds a text with half a character"
                    " (a lone surrogate), which no database takes."
                )
            except (pa.ArrowException, ValueError, TypeError, ArithmeticError):
                own = self._type_of([value])
                return ValueBreaksTypeError(
                    column=field.name,
                    wanted=type_name(field.type),
                    wider=wider(field.type, own),
                    file=self._name,
                    line=record.line,
                    value=as_text(value) or "",
                )
        return EndpointError(f"{self._name}: column {field.name} cannot be read as {type_name(field.type)}.")


def flattened(record: Record, flatten: bool | int, name: str) -> dict[str, Any]:
    """A record's columns: the fields of nested objects are joined by two underscores.

    Args:
        record: The record.
        flatten: ``True`` or 0 for all depths, or so many levels; ``False`` or -1 for one column.
        name: The file's name, for messages.

    Raises:
        EndpointError: Two values would be the same column.

    Example:
        >>> flattened(Record({"a": {"b": 1, "c": {"d": 2}}}), 2, "x.json")
        {'a__b': 1, 'a__c': {'d': 2}}
    """
    if flatten is False or flatten < 0 or not isinstance(record.value, dict):
        return {WHOLE: record.value}
    depth = None if flatten is True or flatten == 0 else int(flatten)
    if depth == 1 or not any(type(value) is dict for value in record.value.values()):
        return record.value
    found: dict[str, Any] = {}
    for column, value in _fields(record.value, "", depth):
        if column in found:
            raise EndpointError(
                f"{name}:{record.line}: two values of a record would be the column {column}.",
                hint="Read the records whole, or less deep: `flatten: 1`.",
            )
        found[column] = value
    return found


def _fields(value: Mapping[str, Any], prefix: str, depth: int | None) -> Iterator[tuple[str, Any]]:
    deeper = None if depth is None else depth - 1
    for key, item in value.items():
        if type(item) is dict and item and deeper != 0:
            yield from _fields(item, f"{prefix}{key}{_JOIN}", deeper)
        else:
            yield f"{prefix}{key}", item
