"""The types of Snowflake and of Arrow, in both directions.

https://docs.snowflake.com/en/sql-reference/intro-summary-data-types
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.target import NativeType
from mainstem.errors import LossyTypeError

__all__ = ["BEYOND", "OPAQUE", "TYPES", "VENDOR", "arrow_type", "base_name", "native_of_field", "native_type"]

VENDOR = "Snowflake"

# By the name that the catalogue gives, without length or precision. `NUMBER(p,s)` is a decimal, whole numbers
# too: no integer of Arrow's has room for just so many digits. Of several types with one Arrow type the first
# is the one that a table gets which is made here.
TYPES: Mapping[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "FLOAT": pa.float64(),
    "VARCHAR": pa.string(),
    "BINARY": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
    "TIMESTAMP_TZ": pa.timestamp("us", "UTC"),
    "TIMESTAMP_LTZ": pa.timestamp("us", "UTC"),
    "VARIANT": pa.json_(),
    "OBJECT": pa.json_(),
    "ARRAY": pa.json_(),
    "MAP": pa.json_(),
}

# What tables that are made here have for Arrow's other types: each holds every value.
BEYOND: Mapping[pa.DataType, str] = {
    pa.null(): "VARCHAR",
    pa.int8(): "NUMBER(3,0)",
    pa.int16(): "NUMBER(5,0)",
    pa.int32(): "NUMBER(10,0)",
    pa.int64(): "NUMBER(19,0)",
    pa.uint8(): "NUMBER(3,0)",
    pa.uint16(): "NUMBER(5,0)",
    pa.uint32(): "NUMBER(10,0)",
    pa.uint64(): "NUMBER(20,0)",
    pa.float16(): "FLOAT",
    pa.float32(): "FLOAT",
    pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR",
    pa.large_binary(): "BINARY",
    pa.binary_view(): "BINARY",
    pa.date64(): "DATE",
}

# Types that Arrow has no word for. They travel as opaque text, and are the same type again in another one.
OPAQUE = frozenset({"GEOGRAPHY", "GEOMETRY"})

_DIGITS = 38
# The server's own limit, which leaves a digit before the point.
_SCALE = 37
_DECIMAL64_DIGITS = 18
_LENGTH = 16_777_216

# Other names of a type, as views and queries may tell them.
_SYNONYMS: Mapping[str, str] = {
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "CHAR": "VARCHAR",
    "REAL": "FLOAT",
    "DOUBLE": "FLOAT",
    "FIXED": "NUMBER",
    "DECIMAL": "NUMBER",
    "INTEGER": "NUMBER",
    "BIGINT": "NUMBER",
    "HUGEINT": "NUMBER",
    "TIMESTAMP": "TIMESTAMP_NTZ",
}

_MODIFIER = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")

_ARROW_TO_NATIVE: Mapping[pa.DataType, str] = {
    **{kind: native for native, kind in reversed(list(TYPES.items()))},
    **BEYOND,
}


def base_name(native: str) -> str:
    """A type's name without its modifier.

    Example:
        >>> base_name("NUMBER(38,0)"), base_name("TIMESTAMP_NTZ(9)"), base_name("INTEGER")
        ('NUMBER', 'TIMESTAMP_NTZ', 'NUMBER')
    """
    plain = native.strip().upper().partition("(")[0].strip()
    return _SYNONYMS.get(plain, plain)


def arrow_type(native: str) -> pa.DataType:
    """The Arrow type in which values of a type travel.

    Example:
        >>> arrow_type("NUMBER(10,2)"), arrow_type("NUMBER(10,0)"), arrow_type("VARCHAR(16777216)")
        (Decimal64Type(decimal64(10, 2)), Decimal64Type(decimal64(10, 0)), DataType(string))
    """
    base = base_name(native)
    if base == "NUMBER":
        return _number(native)
    if base in OPAQUE:
        return pa.opaque(pa.string(), base, VENDOR)
    return TYPES.get(base, pa.string())


def _number(native: str) -> pa.DataType:
    found = _MODIFIER.search(native)
    digits, scale = (int(found.group(1)), int(found.group(2) or 0)) if found else (_DIGITS, 0)
    return pa.decimal64(digits, scale) if digits <= _DECIMAL64_DIGITS else pa.decimal128(digits, scale)


def native_of_field(field: pa.Field[Any]) -> str:
    """The type of a query's column, as the driver describes it.

    Example:
        >>> native_of_field(pa.field("a", pa.decimal128(10, 2), metadata={"SNOWFLAKE_TYPE": "fixed"}))
        'NUMBER(10,2)'
    """
    kind: Any = field.type
    if pa.types.is_decimal(kind):
        return f"NUMBER({kind.precision},{kind.scale})"
    if pa.types.is_integer(kind):
        return f"NUMBER({_DIGITS},0)"
    said = (field.metadata or {}).get(b"SNOWFLAKE_TYPE", b"text").decode()
    return base_name(said)


def native_type(field: pa.Field[Any]) -> NativeType:
    """The type that a column of an Arrow type gets in a table that is made here.

    Raises:
        LossyTypeError: There is none that holds its values.

    Example:
        >>> native_type(pa.field("id", pa.int64())).sql, native_type(pa.field("id", pa.uuid()))
        ('NUMBER(19,0)', NativeType(sql='VARCHAR(36)', note='is stored as VARCHAR(36)'))
    """
    length = int((field.metadata or {}).get(b"length") or 0)
    if pa.types.is_string(field.type) and 0 < length <= _LENGTH:
        return NativeType(f"VARCHAR({length})")
    found = _of(field.type)
    if found is None:
        raise LossyTypeError(
            f"Column {field.name}: Snowflake has no type for Arrow's {field.type}.",
            hint="Leave the column out, or turn it into text or JSON with custom SQL.",
        )
    return found


def _of(kind: Any) -> NativeType | None:
    for is_so, found in _FAMILIES:
        if is_so(kind):
            return found(kind)
    return NativeType(_ARROW_TO_NATIVE[kind]) if kind in _ARROW_TO_NATIVE else None


def _stored_as(native: str) -> NativeType:
    return NativeType(native, f"is stored as {native}")


def _of_opaque(kind: Any) -> NativeType:
    is_own = kind.vendor_name == VENDOR and kind.type_name in OPAQUE
    return NativeType(kind.type_name) if is_own else _stored_as("VARCHAR")


def _of_storage(kind: Any) -> NativeType | None:
    stored = _of(kind.storage_type)
    return stored and _stored_as(stored.sql)


def _of_decimal(kind: Any) -> NativeType:
    # A negative scale stands for zeros before the point.
    digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    digits = max(digits, scale)
    fits = digits <= _DIGITS and scale <= _SCALE
    return NativeType(f"NUMBER({digits},{scale})") if fits else _stored_as("VARCHAR")


def _moment(kind: Any) -> str:
    return "9" if kind.unit == "ns" else "6"


_Family = tuple[Callable[[Any], bool], Callable[[Any], "NativeType | None"]]

# Types that the dictionaries above do not list one by one; the first that fits.
_FAMILIES: Sequence[_Family] = (
    (lambda kind: isinstance(kind, pa.OpaqueType), _of_opaque),
    (lambda kind: isinstance(kind, pa.UuidType), lambda _: _stored_as("VARCHAR(36)")),
    (lambda kind: isinstance(kind, pa.BaseExtensionType) and kind not in _ARROW_TO_NATIVE, _of_storage),
    (pa.types.is_interval, lambda _: _stored_as("VARCHAR")),
    (pa.types.is_decimal, _of_decimal),
    (
        pa.types.is_timestamp,
        lambda kind: NativeType(f"TIMESTAMP_{'TZ' if kind.tz else 'NTZ'}({_moment(kind)})"),
    ),
    (pa.types.is_time, lambda kind: NativeType(f"TIME({_moment(kind)})")),
    (pa.types.is_fixed_size_binary, lambda _: NativeType("BINARY")),
    (pa.types.is_dictionary, lambda kind: _of(kind.value_type)),
    (pa.types.is_union, lambda _: None),
    (pa.types.is_nested, lambda _: _stored_as("VARIANT")),
)
