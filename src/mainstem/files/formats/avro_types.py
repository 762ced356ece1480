"""The types of Avro and of Arrow, in both directions, and the values that its library takes for them.

https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mainstem.errors import LossyTypeError
from mainstem.files.formats.fitting import plain_type
from mainstem.files.formats.texts import from_texts
from mainstem.types import cast_values, common_type, type_name

__all__ = ["array", "arrow_schema", "avro_type", "cleaned", "names", "python_values"]

_PLAIN: Mapping[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
    "fixed": pa.binary(),
}

_LOGICAL: Mapping[str, pa.DataType] = {
    "date": pa.date32(),
    "time-millis": pa.time64("us"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("us", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "timestamp-nanos": pa.timestamp("ns", "UTC"),
    "local-timestamp-millis": pa.timestamp("us"),
    "local-timestamp-micros": pa.timestamp("us"),
    "local-timestamp-nanos": pa.timestamp("ns"),
    "uuid": pa.uuid(),
}

# Of the types that travel; all others are written as text.
_WRITTEN: Mapping[pa.DataType, Any] = {
    pa.bool_(): "boolean",
    pa.int8(): "int",
    pa.int16(): "int",
    pa.int32(): "int",
    pa.uint8(): "int",
    pa.uint16(): "int",
    pa.uint32(): "long",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.binary(): "bytes",
    pa.uint64(): {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 0},
    pa.date32(): {"type": "int", "logicalType": "date"},
    pa.time64("us"): {"type": "long", "logicalType": "time-micros"},
    pa.timestamp("us", "UTC"): {"type": "long", "logicalType": "timestamp-micros"},
    pa.timestamp("ns", "UTC"): {"type": "long", "logicalType": "timestamp-nanos"},
    pa.timestamp("us"): {"type": "long", "logicalType": "local-timestamp-micros"},
    pa.timestamp("ns"): {"type": "long", "logicalType": "local-timestamp-nanos"},
    pa.uuid(): {"type": "string", "logicalType": "uuid"},
}

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")


def cleaned(name: str) -> str:
    """A column's name as Avro allows names.

    Example:
        >>> cleaned("created at"), cleaned("1st")
        ('created_at', '_1st')
    """
    plain = _NO_NAME.sub("_", name)
    return f"_{plain}" if not plain or plain[0].isdigit() else plain


def names(schema: Any) -> Sequence[str]:
    """The names of a schema's fields; a schema that is no record is one column."""
    return [field["name"] for field in schema["fields"]]


def arrow_schema(file: str, schema: Any) -> pa.Schema:
    """The Arrow types of a container's records.

    Raises:
        LossyTypeError: Its values are no records, or a type is within itself.
    """
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise LossyTypeError(f"{file} holds values that are no records: {schema!r}.")
    known: dict[str, Any] = {}
    return pa.schema(
        [pa.field(field["name"], _arrow(field["type"], known, ())) for field in schema["fields"]]
    )


def _arrow(schema: Any, known: dict[str, Any], within: Sequence[str]) -> pa.DataType:
    if isinstance(schema, list):
        return _union([_arrow(each, known, within) for each in schema])
    if isinstance(schema, str):
        if schema in _PLAIN:
            return _PLAIN[schema]
        if schema in within or schema not in known:
            raise LossyTypeError(f"Avro's type {schema} is within itself, which no column can be.")
        return _arrow(known[schema], known, within)
    kind, name = schema["type"], schema.get("name", "")
    if name:
        known[name] = schema
    logical = schema.get("logicalType")
    if logical == "decimal":
        return plain_type(_decimal(schema["precision"], schema.get("scale", 0)))
    if logical in _LOGICAL and kind in ("int", "long", "string"):
        return _LOGICAL[logical]
    return _composed(schema, kind, known, (*within, name))


def _composed(schema: Any, kind: Any, known: dict[str, Any], within: Sequence[str]) -> pa.DataType:
    if kind == "array":
        return pa.list_(_arrow(schema["items"], known, within))
    if kind == "map":
        return pa.map_(pa.string(), _arrow(schema["values"], known, within))
    if kind == "record":
        return pa.struct(
            [(field["name"], _arrow(field["type"], known, within)) for field in schema["fields"]]
        )
    return _PLAIN[kind] if isinstance(kind, str) and kind in _PLAIN else _arrow(kind, known, within)


def _union(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """A type for values of several: one that holds them all, or JSON."""
    found: pa.DataType = pa.null()
    for kind in kinds:
        common = common_type(found, kind)
        if common is None:
            return pa.json_()
        found = common
    return found


def _decimal(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)  # noqa: PLR2004


def avro_type(column: str, kind: Any) -> Any:
    """The Avro type as which a column is written: text for what Avro has no type for.

    Raises:
        LossyTypeError: There is none that gives the values back.
    """
    plain: Any = plain_type(kind)
    if pa.types.is_decimal(plain):
        if plain.scale < 0:
            raise LossyTypeError(f"Column {column}: Avro has no type for Arrow's {type_name(kind)}.")
        return {"type": "bytes", "logicalType": "decimal", "precision": plain.precision, "scale": plain.scale}
    if pa.types.is_list(plain):
        return {"type": "array", "items": ["null", avro_type(column, plain.value_type)]}
    if pa.types.is_map(plain) and pa.types.is_string(plain.key_type):
        return {"type": "map", "values": ["null", avro_type(column, plain.item_type)]}
    if pa.types.is_struct(plain) or pa.types.is_map(plain) or pa.types.is_interval(plain):
        raise LossyTypeError(
            f"Column {column}: {type_name(kind)} is not written to Avro.",
            hint="Leave the column out, or turn it into text with custom SQL.",
        )
    return _WRITTEN.get(plain, "string")


def python_values(values: Any) -> Sequence[Any]:
    """A column's values as the library takes them: dates and times as numbers, which lose nothing."""
    plain: Any = plain_type(values.type)
    if values.type != plain:
        values = cast_values(values, plain)
    if pa.types.is_timestamp(plain) or plain == pa.time64("us"):
        values = values.cast(pa.int64())
    elif pa.types.is_date(plain):
        values = values.cast(pa.int32())
    elif plain == pa.uint64():
        return [None if value is None else Decimal(value) for value in values.to_pylist()]
    elif pa.types.is_list(plain) or pa.types.is_map(plain):
        return _nested(values)
    elif (plain not in _WRITTEN and not pa.types.is_decimal(plain)) or isinstance(plain, pa.UuidType):
        values = cast_values(values, pa.string())
    found: Sequence[Any] = values.to_pylist()
    return found


def _nested(values: Any) -> Sequence[Any]:
    found: list[Any] = []
    for each in list(values):
        if not each.is_valid:
            found.append(None)
        elif pa.types.is_map(values.type):
            pairs = each.values
            found.append(dict(zip(pairs.field(0).to_pylist(), python_values(pairs.field(1)), strict=True)))
        else:
            found.append(list(python_values(each.values)))
    return found


def array(values: Sequence[Any], kind: Any, *, is_json: bool = False) -> pa.Array[Any]:
    """What the library read, as an array.

    Args:
        values: The values.
        kind: The type.
        is_json: A text in a column of JSON is JSON already.

    Raises:
        pyarrow.ArrowException: A value is none of the type.
    """
    if isinstance(kind, pa.JsonType) and not is_json:
        values = [None if value is None else _json(value) for value in values]
    if isinstance(kind, pa.JsonType | pa.OpaqueType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, pa.string()))
    if isinstance(kind, pa.UuidType):
        return from_texts(pa.array([None if value is None else str(value) for value in values]), kind)
    plain: Any = plain_type(kind)
    if plain not in _WRITTEN and pa.types.is_time(plain):
        return from_texts(pa.array(values, pa.string()), plain).cast(kind)
    if pa.types.is_string(plain):
        return pa.array([None if value is None else str(value) for value in values], pa.string()).cast(kind)
    if plain == pa.uint64():
        values = [None if value is None else int(value) for value in values]
    found: pa.Array[Any] = pa.array(values, plain)
    return found if kind == plain else found.cast(kind)


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain_text, ensure_ascii=False, separators=(",", ":"))


def _plain_text(value: Any) -> str:
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
