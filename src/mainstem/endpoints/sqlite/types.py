"""SQLite's types: what a declared name means in Arrow, and which name an Arrow type gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mainstem.endpoints.target import NativeType

__all__ = [
    "VENDOR",
    "affinity",
    "arrow_type",
    "is_decimal_name",
    "is_exact_number",
    "is_wide_number",
    "native_type",
]

VENDOR = "SQLite"

# Declared name → Arrow. Other names go by their affinity. https://www.sqlite.org/datatype3.html
_ARROW: Mapping[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "BOOL": pa.bool_(),
    "INT_8": pa.int8(),
    "INT_16": pa.int16(),
    "INT_32": pa.int32(),
    "BIGINT": pa.int64(),
    "UINT_8": pa.uint8(),
    "UINT_16": pa.uint16(),
    "UINT_32": pa.uint32(),
    "UNSIGNED64_TEXT": pa.uint64(),
    "FLOAT_32": pa.float32(),
    "DOUBLE": pa.float64(),
    "TEXT": pa.string(),
    "BLOB": pa.binary(),
    "BINARY": pa.binary(),
    "VARBINARY": pa.binary(),
    "BYTEA": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIME WITHOUT TIME ZONE": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITHOUT TIME ZONE": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "DATETIMEOFFSET": pa.timestamp("us", "UTC"),
    "INTERVAL": pa.month_day_nano_interval(),
    "UUID": pa.uuid(),
    "GUID": pa.uuid(),
    "UNIQUEIDENTIFIER": pa.uuid(),
    "JSON": pa.json_(),
    "JSONB": pa.json_(),
    "JSON_TEXT": pa.json_(),
}

# Arrow → the name that it gets. A name decides two things at once: the affinity, by which SQLite converts a
# value as it stores it, and what we read back. So a name may not say INT for what is stored as text, and JSON
# alone would turn the text 1.50 into a number.
_NATIVE: Mapping[pa.DataType, str] = {
    **{_ARROW[name]: name for name in ("BOOLEAN", "INT_8", "INT_16", "INT_32", "BIGINT")},
    **{_ARROW[name]: name for name in ("UINT_8", "UINT_16", "UINT_32", "FLOAT_32", "DOUBLE")},
    **{_ARROW[name]: name for name in ("TEXT", "BLOB", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ")},
    **{_ARROW[name]: name for name in ("INTERVAL", "UUID", "JSON_TEXT")},
    pa.uint64(): "UNSIGNED64_TEXT",
    pa.float16(): "FLOAT_32",
    pa.large_string(): "TEXT",
    pa.string_view(): "TEXT",
    pa.large_binary(): "BLOB",
    pa.binary_view(): "BLOB",
    pa.null(): "TEXT",
    pa.time64("ns"): "TIME",
    pa.time32("s"): "TIME",
    pa.time32("ms"): "TIME",
    pa.date64(): "DATE",
}

_NOTES: Mapping[str, str] = {
    "UNSIGNED64_TEXT": "is stored as text: SQLite's integers end at 9223372036854775807",
    "INTERVAL": "is stored as text, as ISO 8601 spells a duration",
}

_DECIMALS = frozenset({"DECIMAL", "NUMERIC", "DEC", "NUMBER", "DECIMAL_TEXT"})
_LIST = "LIST OF "
_ARROW_DIGITS = 38
_FITS_64_BITS = 18
# Every decimal of so many digits has a 64-bit float of its own. https://en.wikipedia.org/wiki/IEEE_754
_FLOAT_DIGITS = 15
_INTEGER_DIGITS = 18

_SIZED = re.compile(r"^([^()]*)\(\s*([+-]?\d+)\s*(?:,\s*([+-]?\d+)\s*)?\)\s*$")
_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_ ]*(\( *[+-]?\d+ *(, *[+-]?\d+ *)?\))?$")

# The signs of each affinity, in the order in which SQLite looks for them.
_AFFINITIES = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)
_BY_AFFINITY: Mapping[str, pa.DataType] = {
    "INTEGER": pa.int64(),
    "TEXT": pa.string(),
    "BLOB": pa.binary(),
    "REAL": pa.float64(),
}


def affinity(declared: str) -> str:
    """The affinity of a column, by its declared type: https://www.sqlite.org/datatype3.html, §3.1.

    Example:
        >>> affinity("varchar(10)"), affinity("DECIMAL(10,2)"), affinity("DECIMAL_TEXT(38,2)"), affinity("")
        ('TEXT', 'NUMERIC', 'TEXT', 'BLOB')
    """
    name = declared.upper()
    if not name.strip():
        return "BLOB"
    return next((kind for kind, signs in _AFFINITIES if any(sign in name for sign in signs)), "NUMERIC")


def arrow_type(declared: str) -> pa.DataType:
    """The Arrow type in which the values of a column travel, by its declared type.

    Example:
        >>> arrow_type("unsigned big int"), arrow_type("decimal(12, 2)"), arrow_type("LIST OF TEXT")
        (DataType(int64), Decimal64Type(decimal64(12, 2)), ListType(list<item: string>))
    """
    if declared.upper().startswith(_LIST):
        return pa.list_(arrow_type(declared[len(_LIST) :]))
    name, sizes = _taken_apart(declared)
    if name in _DECIMALS:
        precision, scale = (*sizes, 0, 0)[:2]
        if 0 <= scale <= precision and 0 < precision <= _ARROW_DIGITS:
            return _decimal(precision, scale)
    elif name in _ARROW:
        return _ARROW[name]
    if not name:
        return pa.string()
    # What is left are numbers of any size, and names that SQLite does not know.
    return _BY_AFFINITY.get(affinity(declared)) or pa.opaque(pa.string(), declared, VENDOR)


def native_type(kind: pa.DataType) -> NativeType:
    """The declared type that an Arrow type gets, such that reading it gives the Arrow type again.

    Raises:
        KeyError: There is none.

    Example:
        >>> native_type(pa.decimal128(12, 2)).sql, native_type(pa.decimal128(38, 10)).sql
        ('DECIMAL(12, 2)', 'DECIMAL_TEXT(38, 10)')
    """
    if pa.types.is_decimal(kind):
        return _native_decimal(kind)
    if isinstance(kind, pa.OpaqueType):
        return _native_opaque(kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return NativeType(f"{_LIST}{native_type(kind.value_type).sql}", "is stored as text: a JSON array")
    if pa.types.is_timestamp(kind):
        name = "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
    elif pa.types.is_fixed_size_binary(kind):
        name = "BLOB"
    else:
        name = _NATIVE[kind]
    return NativeType(name, _NOTES.get(name))


def is_exact_number(kind: pa.DataType) -> bool:
    """Whether SQLite's numbers hold every decimal of a type, so that text need not.

    They are 64-bit integers and 64-bit floats: the shortest text of the float that is nearest to a decimal of
    15 digits is this decimal again.
    """
    if not pa.types.is_decimal(kind):
        return False
    return bool(kind.precision <= _FLOAT_DIGITS or (kind.scale == 0 and kind.precision <= _INTEGER_DIGITS))


def is_decimal_name(declared: str) -> bool:
    """Whether a declared type says that its values are decimal numbers."""
    return _taken_apart(declared)[0] in _DECIMALS


def is_wide_number(kind: pa.DataType) -> bool:
    """Whether the numbers of a type are stored as text, which SQLite does not order as numbers."""
    return kind == pa.uint64() or (pa.types.is_decimal(kind) and not is_exact_number(kind))


def _taken_apart(declared: str) -> tuple[str, tuple[int, ...]]:
    """A declared type as its name, in one spelling, and the numbers in its brackets."""
    sized = _SIZED.match(declared)
    name = sized.group(1) if sized else declared
    sizes = tuple(int(size) for size in sized.groups()[1:] if size) if sized else ()
    return " ".join(name.upper().split()), sizes


def _decimal(precision: int, scale: int) -> pa.DataType:
    if precision <= _FITS_64_BITS:
        return pa.decimal64(precision, scale)
    return pa.decimal128(precision, scale)


def _native_decimal(kind: Any) -> NativeType:
    if not 0 <= kind.scale <= kind.precision <= _ARROW_DIGITS:
        raise KeyError(kind)
    size = f"({kind.precision}, {kind.scale})"
    if is_exact_number(kind):
        return NativeType(f"DECIMAL{size}")
    return NativeType(f"DECIMAL_TEXT{size}", "is stored as text: SQLite's numbers have fewer digits")


def _native_opaque(kind: pa.OpaqueType) -> NativeType:
    if kind.vendor_name == VENDOR and _PLAIN.match(kind.type_name):
        return NativeType(kind.type_name)
    return NativeType("TEXT", f"is stored as TEXT: SQLite has no {kind.vendor_name} {kind.type_name}")
