"""From the types that a file has to those that travel: plain ones, and exactly those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mainstem.errors import EndpointError, LossyTypeError, ValueBreaksTypeError
from mainstem.types import common_type, fit_values, type_name, value_text

__all__ = [
    "broken_value",
    "check_names",
    "file_errors",
    "fit_batch",
    "fit_column",
    "plain_schema",
    "plain_type",
    "slices",
    "united",
]

_ARROW_DIGITS = 38


def plain_type(kind: Any) -> pa.DataType:
    """The type in which values travel: of several with the same values, always the same one.

    Example:
        >>> plain_type(pa.dictionary(pa.int8(), pa.large_string())), plain_type(pa.timestamp("ms", "CET"))
        (DataType(string), TimestampType(timestamp[us, tz=UTC]))
    """
    if isinstance(kind, pa.UuidType | pa.JsonType | pa.OpaqueType):
        return pa.json_() if isinstance(kind, pa.JsonType) else kind
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return next((plain(kind) for is_so, plain in _PLAIN if is_so(kind)), kind)


def _timestamp(kind: Any) -> pa.DataType:
    timestamp: Any = pa.timestamp
    unit = "ns" if kind.unit == "ns" else "us"
    plain: pa.DataType = timestamp(unit, "UTC" if kind.tz else None)
    return plain


def _decimal(kind: Any) -> pa.DataType:
    # No column of a table has more digits: as text, each is kept.
    return pa.decimal128(kind.precision, kind.scale) if kind.precision <= _ARROW_DIGITS else pa.string()


def _is_any_list(kind: pa.DataType) -> bool:
    return any(
        is_so(kind)
        for is_so in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


_PLAIN: Sequence[tuple[Callable[[Any], bool], Callable[[Any], pa.DataType]]] = (
    (pa.types.is_null, lambda _: pa.string()),
    (pa.types.is_dictionary, lambda kind: plain_type(kind.value_type)),
    (pa.types.is_run_end_encoded, lambda kind: plain_type(kind.value_type)),
    (pa.types.is_large_string, lambda _: pa.string()),
    (pa.types.is_string_view, lambda _: pa.string()),
    (pa.types.is_large_binary, lambda _: pa.binary()),
    (pa.types.is_binary_view, lambda _: pa.binary()),
    (pa.types.is_fixed_size_binary, lambda _: pa.binary()),
    (pa.types.is_float16, lambda _: pa.float32()),
    (pa.types.is_decimal256, _decimal),
    (pa.types.is_decimal32, lambda kind: pa.decimal64(kind.precision, kind.scale)),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_date64, lambda _: pa.date32()),
    (pa.types.is_time32, lambda _: pa.time64("us")),
    (_is_any_list, lambda kind: pa.list_(plain_type(kind.value_type))),
    (pa.types.is_map, lambda kind: pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))),
    (
        pa.types.is_struct,
        lambda kind: pa.struct([(field.name, plain_type(field.type)) for field in kind.fields]),
    ),
)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """A file's schema in the types that travel."""
    return pa.schema([pa.field(field.name, plain_type(field.type), field.nullable) for field in schema])


def check_names(name: str, columns: Sequence[str]) -> None:
    """Refuse a file in which two columns have the same name.

    Raises:
        EndpointError: There are such.
    """
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise EndpointError(
            f"{name} has several columns of the same name: {', '.join(twice)}.",
            hint="Nothing tells them apart: rename one of them in the file.",
        )


def united(schemas: Sequence[tuple[str, pa.Schema]]) -> pa.Schema:
    """Put the columns of several files together by name, in the order in which they first occur.

    Args:
        schemas: For each file its name and its schema.

    Raises:
        LossyTypeError: A column has types in two files that no other type holds.
    """
    found: dict[str, pa.DataType] = {}
    for name, schema in schemas:
        check_names(name, schema.names)
        for field in schema:
            found[field.name] = _both(name, field, found.get(field.name, pa.null()))
    plain = [(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in found.items()]
    return pa.schema(plain)


def _both(name: str, field: pa.Field[Any], before: pa.DataType) -> pa.DataType:
    kind = common_type(before, field.type)
    if kind is None:
        raise LossyTypeError(
            f"{name}: column {field.name} is {type_name(field.type)}; another file has {type_name(before)}.",
            hint="Read the files as streams of their own.",
        )
    return kind


def fit_batch(batch: pa.RecordBatch, schema: pa.Schema, file: str) -> pa.RecordBatch:
    """Give a batch exactly the columns of a schema, by name; one that it lacks is NULL.

    Args:
        batch: What was read.
        schema: What is asked for.
        file: The file's name, for messages.

    Raises:
        ValueBreaksTypeError: A value is none of its column's type.
    """
    arrays = []
    for field in schema:
        at = batch.schema.get_field_index(field.name)
        missing = at < 0
        values: Any = pa.nulls(batch.num_rows) if missing else batch.column(at)
        arrays.append(fit_column(values, field, file))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def fit_column(values: pa.Array[Any], field: pa.Field[Any], file: str) -> pa.Array[Any]:
    """Convert a column's values to the type that is asked for, where each can be had back exactly.

    Raises:
        ValueBreaksTypeError: One cannot.
    """
    if values.type == field.type:
        return values
    if pa.types.is_null(values.type):
        return _nulls(len(values), field.type)
    try:
        return fit_values(values, field.type)
    except pa.ArrowException as error:
        raise broken_value(values, field, file, _fits) from error


def _fits(values: pa.Array[Any], field: pa.Field[Any]) -> bool:
    try:
        fit_values(values, field.type)
    except pa.ArrowException:
        return False
    return True


def broken_value(
    values: pa.Array[Any],
    field: pa.Field[Any],
    file: str,
    fits: Callable[[pa.Array[Any], pa.Field[Any]], bool],
    line: Callable[[int], int | None] = lambda _: None,
) -> ValueBreaksTypeError:
    """The error for the first value that does not fit, which is looked for by halves.

    Args:
        values: The column's values, of which at least one does not fit.
        field: The column.
        file: The file's name.
        fits: Whether some of the values all fit.
        line: The line of the value at a place, if that is known.
    """
    start, stop = 0, len(values)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (middle, stop) if fits(values[start:middle], field) else (start, middle)
    plain = plain_type(values.type)
    return ValueBreaksTypeError(
        column=field.name,
        wanted=type_name(field.type),
        wider=common_type(field.type, plain),
        file=file,
        line=line(start),
        value=value_text(values[start]),
    )


def _nulls(rows: int, kind: Any) -> pa.Array[Any]:
    stored: Any = pa.nulls
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, stored(rows, kind.storage_type))
    nulls: pa.Array[Any] = stored(rows, kind)
    return nulls


def slices(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """A batch in parts of at most so many rows."""
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


@contextmanager
def file_errors(name: str, what: str) -> Iterator[None]:
    """Say of what a library raises which file it was, and what it should have been.

    Args:
        name: The file's name.
        what: What the file should be, such as ``a Parquet file``.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise EndpointError(
            f"{name} cannot be read as {what}: {error}",
            hint="It may be cut short, or of another format: `format` says which it is.",
        ) from error
