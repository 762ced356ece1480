"""Which types a table of a lake has: those that both table formats hold exactly; all others are text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mainstem.endpoints.duckdb.types import native_type as work_type
from mainstem.endpoints.target import NativeType
from mainstem.errors import LossyTypeError
from mainstem.types import type_name

__all__ = ["native_type", "stored_schema", "stored_type"]

_TEXT = NativeType("VARCHAR", "is stored as text")
_HELD = frozenset(
    {
        *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()),
        *(pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC")),
    }
)
# Neither format has numbers without a sign.
_SIGNED: Mapping[pa.DataType, str] = {
    pa.uint8(): "SMALLINT",
    pa.uint16(): "INTEGER",
    pa.uint32(): "BIGINT",
    pa.uint64(): "DECIMAL(20, 0)",
}


def native_type(field: pa.Field[Any]) -> NativeType:
    """The type that a column gets, in the words of the database that the steps are carried out in.

    Raises:
        LossyTypeError: There is none that holds its values.
    """
    kind: Any = field.type
    if isinstance(kind, pa.BaseExtensionType):
        return _TEXT
    if kind in _SIGNED:
        return NativeType(_SIGNED[kind], "is stored as a number with a sign")
    if pa.types.is_list(kind) and kind.value_type in _HELD:
        return work_type(field)
    if pa.types.is_nested(kind):
        raise LossyTypeError(
            f"Column {field.name}: {type_name(kind)} is not written to a lake.",
            hint=f"Have it written as JSON: `columns: {{{field.name}: json}}`.",
        )
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        return work_type(field)
    return work_type(field) if kind in _HELD or pa.types.is_decimal(kind) else _TEXT


def stored_type(kind: Any) -> pa.DataType:
    """The Arrow type of a column's file."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string()
    if pa.types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_list(kind):
        return pa.list_(stored_type(kind.value_type))
    found: pa.DataType = kind
    return found


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """The Arrow types of a table's files."""
    return pa.schema([pa.field(field.name, stored_type(field.type)) for field in schema])
