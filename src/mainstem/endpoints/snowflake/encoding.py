"""How values travel from Arrow to Snowflake: as what they stand in Parquet, and what COPY makes of that.

What becomes of Parquet's types is left open nowhere: a file holds numbers, truths, days and texts, and the
statement says what they are. https://docs.snowflake.com/en/user-guide/data-load-transform
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import LossyTypeError
from mainstem.types import cast_values

__all__ = ["Encoding", "encoding_of"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_Array: TypeAlias = "pa.Array[Any]"

# From 0001-01-01 to 9999-12-31, the days that Snowflake's dates have.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_MICROSECONDS_OF_A_DAY = 86_400_000_000
_DIGITS = 38


@dataclass(frozen=True)
class Encoding:
    """How values of one column are sent.

    Attributes:
        arrow_type: As what they stand in the file.
        encode: From the column's values to those.
        sql: What COPY makes of ``{value}``, with ``{native}`` for the column's type.
    """

    arrow_type: pa.DataType
    encode: Callable[[Any], Any]
    sql: str = "{value}::{native}"

    def encoded(self, field: pa.Field[Any], values: _Array) -> _Array:
        """Encode a column.

        Raises:
            LossyTypeError: Snowflake has no such value.
        """
        try:
            found: _Array = self.encode(values)
        except pa.ArrowInvalid as error:
            raise LossyTypeError(
                f"Column {field.name} ({field.type}) holds a value that Snowflake cannot:"
                f" {str(error).splitlines()[0]}",
                hint="Declare the column as text under `columns`, or replace such values with custom SQL.",
            ) from error
        return found


def encoding_of(kind: Any, native: str) -> Encoding:
    """How values of an Arrow type are sent to a column of a native type."""
    return next(encoding(kind, native) for is_so, encoding in _ENCODINGS if is_so(kind))


def _texts(values: Any) -> Any:
    return cast_values(values, pa.string())


def _cast(kind: pa.DataType) -> Callable[[Any, str], Encoding]:
    return lambda _kind, _native: Encoding(kind, lambda values: values.cast(kind))


def _storage(values: Any) -> Any:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _of_json(_: Any, __: str) -> Encoding:
    return Encoding(
        pa.string(), lambda values: _storage(values).cast(pa.string()), "PARSE_JSON({value}::VARCHAR)"
    )


def _of_nested(_: Any, __: str) -> Encoding:
    return Encoding(pa.string(), _texts, "PARSE_JSON({value}::VARCHAR)")


def _of_opaque(_: Any, native: str) -> Encoding:
    sql = "{value}::VARCHAR" if native.startswith("VARCHAR") else f"TO_{native}({{value}}::VARCHAR)"
    return Encoding(pa.string(), lambda values: _storage(values).cast(pa.string()), sql)


def _of_extension(kind: Any, native: str) -> Encoding:
    stored = encoding_of(kind.storage_type, native)
    return replace(stored, encode=lambda values: stored.encode(_storage(values)))


def _of_decimal(kind: Any, native: str) -> Encoding:
    if native.startswith("VARCHAR"):
        return Encoding(pa.string(), _texts)
    digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    wanted = pa.decimal128(min(max(digits, scale), _DIGITS), scale)
    return Encoding(wanted, lambda values: values.cast(wanted))


def _of_bytes(_: Any, __: str) -> Encoding:
    def digits(values: Any) -> Any:
        return pa.array([None if value is None else value.hex() for value in values.to_pylist()], pa.string())

    return Encoding(pa.string(), digits, "TO_BINARY({value}::VARCHAR, 'HEX')")


def _of_date(_: Any, __: str) -> Encoding:
    def days(values: Any) -> Any:
        found = values.cast(pa.date32())
        _check_range(found.cast(pa.int32()), _FIRST_DAY, _LAST_DAY)
        return found

    return Encoding(pa.date32(), days)


def _of_timestamp(kind: Any, _: str) -> Encoding:
    unit: Literal["ns", "us"] = "ns" if kind.unit == "ns" else "us"

    def numbers(values: Any) -> Any:
        found = values.cast(pa.timestamp(unit, kind.tz)).cast(pa.int64())
        if unit == "us":
            first, last = (_FIRST_DAY * _MICROSECONDS_OF_A_DAY, (_LAST_DAY + 1) * _MICROSECONDS_OF_A_DAY - 1)
            _check_range(found, first, last)
        return found

    function = "TO_TIMESTAMP_TZ" if kind.tz else "TO_TIMESTAMP_NTZ"
    return Encoding(
        pa.int64(), numbers, f"{function}({{value}}::NUMBER({_DIGITS},0), {9 if unit == 'ns' else 6})"
    )


def _of_time(_: Any, __: str) -> Encoding:
    return Encoding(pa.string(), lambda values: values.cast(pa.string()), "TO_TIME({value}::VARCHAR)")


def _check_range(numbers: Any, first: int, last: int) -> None:
    found = pc.min_max(numbers).as_py()
    if found["min"] is not None and (found["min"] < first or found["max"] > last):
        raise pa.ArrowInvalid("it is before the year 1, or behind the year 9999")


def _of_dictionary(kind: Any, native: str) -> Encoding:
    item = encoding_of(kind.value_type, native)
    return replace(item, encode=lambda values: item.encode(values.cast(kind.value_type)))


_Family = tuple[Callable[[Any], bool], Callable[[Any, str], Encoding]]

_ENCODINGS: Sequence[_Family] = (
    (lambda kind: isinstance(kind, pa.JsonType), _of_json),
    (lambda kind: isinstance(kind, pa.OpaqueType), _of_opaque),
    (lambda kind: isinstance(kind, pa.UuidType), lambda _, __: Encoding(pa.string(), _texts)),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _of_extension),
    (pa.types.is_boolean, _cast(pa.bool_())),
    (pa.types.is_uint64, _cast(pa.decimal128(20, 0))),
    (pa.types.is_integer, _cast(pa.int64())),
    # A float's few digits would be read as another double.
    (pa.types.is_floating, _cast(pa.float64())),
    (pa.types.is_decimal, _of_decimal),
    (pa.types.is_date, _of_date),
    (pa.types.is_time, _of_time),
    (pa.types.is_timestamp, _of_timestamp),
    (pa.types.is_binary, _of_bytes),
    (pa.types.is_large_binary, _of_bytes),
    (pa.types.is_binary_view, _of_bytes),
    (pa.types.is_fixed_size_binary, _of_bytes),
    (pa.types.is_dictionary, _of_dictionary),
    (pa.types.is_nested, _of_nested),
    (pa.types.is_interval, lambda _, __: Encoding(pa.string(), _texts)),
    (lambda _: True, _cast(pa.string())),
)
