"""The types of PostgreSQL and of Arrow, in both directions.

https://www.postgresql.org/docs/current/datatype.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from mainstem.endpoints.target import NativeType
from mainstem.errors import LossyTypeError

__all__ = [
    "BEYOND",
    "OPAQUE",
    "TYPES",
    "VENDOR",
    "base_name",
    "cast_name",
    "decimal_type",
    "native_type",
    "opaque_type",
]

VENDOR = "PostgreSQL"

# By the name that `format_type` gives, without a modifier. Of several types with one Arrow type the first is
# the one that a table gets which is made here; ``numeric(p,s)`` of up to 38 digits is a decimal.
TYPES: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "text": pa.string(),
    "character varying": pa.string(),
    "character": pa.string(),
    "bpchar": pa.string(),
    "name": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "interval": pa.month_day_nano_interval(),
    "uuid": pa.uuid(),
    "jsonb": pa.json_(),
    "json": pa.json_(),
}

# What tables that are made here have for Arrow's other types: each holds every value.
BEYOND: Mapping[pa.DataType, str] = {
    pa.null(): "text",
    pa.int8(): "smallint",
    pa.uint8(): "smallint",
    pa.uint16(): "integer",
    pa.uint32(): "bigint",
    pa.uint64(): "numeric(20,0)",
    pa.float16(): "real",
    pa.large_string(): "text",
    pa.string_view(): "text",
    pa.large_binary(): "bytea",
    pa.binary_view(): "bytea",
    pa.date64(): "date",
}

# Types that Arrow has no word for. Their text form is exact, and every PostgreSQL reads it: so they travel as
# opaque text, and are the same type again in another PostgreSQL. Arrays of them likewise.
OPAQUE = frozenset(
    {
        *("numeric", '"char"', "bit", '"bit"', "bit varying", "money", "time with time zone", "xml"),
        *("inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery", "jsonpath"),
        *("point", "line", "lseg", "box", "path", "polygon", "circle"),
        *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"),
        *("int4multirange", "int8multirange", "nummultirange"),
        *("tsmultirange", "tstzmultirange", "datemultirange"),
        *("oid", "xid", "xid8", "cid", "tid", "pg_lsn", "pg_snapshot", "txid_snapshot"),
        *("int2vector", "oidvector"),
        # An interval with fields, as `interval day to second(3)`; without, it is Arrow's.
        *("interval year", "interval month", "interval day", "interval hour", "interval minute"),
        *("interval second", "interval year to month", "interval day to hour", "interval day to minute"),
        *("interval day to second", "interval hour to minute", "interval hour to second"),
        "interval minute to second",
    }
)

_ARROW_DIGITS = 38
_DECIMAL64_DIGITS = 18
# The most characters of a declared varchar.
_VARCHAR_LENGTH = 10_485_760

_MODIFIER = re.compile(r"\((\d+)(?:,(-?\d+))?\)")
_WHOLE_NAME = re.compile(r'[a-z0-9_" ]+?(\(\d+(,-?\d+)?\))?[a-z ]*(\[\])?')

_ARROW_TO_NATIVE: Mapping[pa.DataType, str] = {
    **{kind: native for native, kind in reversed(list(TYPES.items()))},
    **BEYOND,
}


def base_name(native: str) -> str:
    """A type's name without its modifier, and without the brackets of an array.

    Example:
        >>> base_name("timestamp(3) without time zone"), base_name("numeric(8,3)[]")
        ('timestamp without time zone', 'numeric')
    """
    return re.sub(r"\s+", " ", _MODIFIER.sub("", native.removesuffix("[]"))).strip()


def cast_name(native: str) -> str:
    """A type as values are cast to it, without a length that would cut or round them.

    Example:
        >>> cast_name("character varying(5)"), cast_name("bit(3)[]"), cast_name("numeric(8,3)")
        ('character varying', '"bit"[]', 'numeric')
    """
    base = base_name(native)
    if base not in TYPES and base not in OPAQUE:
        return native
    # Without a length these would have the length 1.
    name = {"character": "bpchar", "bit": '"bit"'}.get(base, base)
    return f"{name}[]" if native.endswith("[]") else name


def decimal_type(native: str) -> pa.DataType | None:
    """The decimal that a numeric has; ``None`` where it has no declared precision, or one beyond Arrow's.

    Example:
        >>> decimal_type("numeric(10,2)"), decimal_type("numeric")
        (Decimal64Type(decimal64(10, 2)), None)
    """
    modifier = _MODIFIER.search(native)
    if base_name(native) != "numeric" or modifier is None:
        return None
    precision, scale = int(modifier.group(1)), int(modifier.group(2) or 0)
    if not 0 <= scale <= precision <= _ARROW_DIGITS:
        return None
    return (
        pa.decimal64(precision, scale) if precision <= _DECIMAL64_DIGITS else pa.decimal128(precision, scale)
    )


def opaque_type(native: str) -> pa.OpaqueType | None:
    """The opaque type of a type that is one of :data:`OPAQUE`, or an array of one; else ``None``."""
    return pa.opaque(pa.string(), native, VENDOR) if base_name(native) in OPAQUE else None


def native_type(field: pa.Field[Any]) -> NativeType:
    """The type that a column of an Arrow type gets in a table that is made here.

    Raises:
        LossyTypeError: There is none that holds its values.

    Example:
        >>> native_type(pa.field("id", pa.uint64())).sql
        'numeric(20,0)'
        >>> native_type(pa.field("address", pa.opaque(pa.string(), "inet", "PostgreSQL"))).sql
        'inet'
    """
    length = (field.metadata or {}).get(b"length")
    if length and pa.types.is_string(field.type) and 0 < int(length) <= _VARCHAR_LENGTH:
        return NativeType(f"character varying({int(length)})")
    if isinstance(field.type, pa.OpaqueType):
        return _of_opaque(field.type)
    if isinstance(field.type, pa.BaseExtensionType) and field.type not in _ARROW_TO_NATIVE:
        stored = native_type(pa.field(field.name, field.type.storage_type))
        return NativeType(stored.sql, f"is stored as {stored.sql}")
    native = _of(field.type)
    if native is None:
        raise LossyTypeError(
            f"Column {field.name}: PostgreSQL has no type for Arrow's {field.type}.",
            hint="Leave the column out, or turn it into JSON with custom SQL.",
        )
    return NativeType(native)


def _of_opaque(kind: pa.OpaqueType) -> NativeType:
    known = kind.vendor_name == VENDOR and base_name(kind.type_name) in OPAQUE
    if known and _WHOLE_NAME.fullmatch(kind.type_name):
        return NativeType(kind.type_name)
    return NativeType("text", "is stored as text")


def _of(kind: Any) -> str | None:
    if pa.types.is_decimal(kind):
        # A negative scale stands for zeros before the point, which older servers do not know.
        precision, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
        return f"numeric({max(precision, scale)},{scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp with time zone" if kind.tz else "timestamp without time zone"
    if pa.types.is_dictionary(kind):
        return _of(kind.value_type)
    if _is_list(kind) and not pa.types.is_nested(kind.value_type):
        item = native_type(pa.field("item", kind.value_type)).sql
        return None if item.endswith("[]") else f"{item}[]"
    families: Mapping[str, Callable[[pa.DataType], bool]] = {
        "time without time zone": pa.types.is_time,
        "interval": pa.types.is_duration,
        "bytea": pa.types.is_fixed_size_binary,
    }
    by_family = next((native for native, is_so in families.items() if is_so(kind)), None)
    return _ARROW_TO_NATIVE.get(kind) or by_family


def _is_list(kind: pa.DataType) -> bool:
    return any(
        is_so(kind) for is_so in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )
