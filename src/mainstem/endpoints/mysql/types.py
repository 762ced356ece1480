"""The types of MySQL and of Arrow, in both directions.

https://dev.mysql.com/doc/refman/8.4/en/data-types.html, https://mariadb.com/kb/en/data-types/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.mysql.server import Server
from mainstem.endpoints.target import NativeType
from mainstem.errors import LossyTypeError

__all__ = ["BEYOND", "OPAQUE", "SHAPES", "TYPES", "VENDOR", "arrow_type", "base_name", "native_type"]

VENDOR = "MySQL"

# By the name that the catalogue gives, without a modifier. Of several types with one Arrow type the first is
# the one that a table gets which is made here; ``decimal(p,s)`` of up to 38 digits is a decimal.
TYPES: Mapping[str, pa.DataType] = {
    # The one way to declare a truth value. Another number in it is refused.
    "tinyint(1)": pa.bool_(),
    "bit(1)": pa.bool_(),
    "tinyint": pa.int8(),
    "tinyint unsigned": pa.uint8(),
    "smallint": pa.int16(),
    "smallint unsigned": pa.uint16(),
    "int": pa.int32(),
    "int unsigned": pa.uint32(),
    "mediumint": pa.int32(),
    "mediumint unsigned": pa.uint32(),
    "bigint": pa.int64(),
    "bigint unsigned": pa.uint64(),
    "bit": pa.uint64(),
    "year": pa.int16(),
    "float": pa.float32(),
    "float unsigned": pa.float32(),
    "double": pa.float64(),
    "double unsigned": pa.float64(),
    "longtext": pa.string(),
    "mediumtext": pa.string(),
    "text": pa.string(),
    "tinytext": pa.string(),
    "varchar": pa.string(),
    "char": pa.string(),
    "enum": pa.string(),
    "set": pa.string(),
    "longblob": pa.binary(),
    "mediumblob": pa.binary(),
    "blob": pa.binary(),
    "tinyblob": pa.binary(),
    "varbinary": pa.binary(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "datetime": pa.timestamp("us"),
    # In the session's zone, which is UTC.
    "timestamp": pa.timestamp("us", "UTC"),
    "json": pa.json_(),
    "uuid": pa.uuid(),
}

# What tables that are made here have instead of a type's plain name: with all six digits of a second.
_DECLARED: Mapping[str, str] = {"time": "time(6)", "datetime": "datetime(6)"}

# What tables that are made here have for Arrow's other types: each holds every value.
BEYOND: Mapping[pa.DataType, str] = {
    pa.null(): "longtext",
    pa.large_string(): "longtext",
    pa.string_view(): "longtext",
    pa.large_binary(): "longblob",
    pa.binary_view(): "longblob",
    pa.date64(): "date",
}

# The shapes of geometry. Their text is the digits of their own bytes: the reference system, then WKB.
SHAPES = frozenset(
    {
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
        *("geometrycollection", "geomcollection"),
    }
)

# Types that Arrow has no word for. They travel as opaque text, which is exact, and are the same type again in
# another MySQL that has it.
OPAQUE = frozenset({"decimal", "decimal unsigned", "inet4", "inet6", "vector", *SHAPES})

_ARROW_DIGITS = 38
_DECIMAL64_DIGITS = 18
_DECIMAL_DIGITS = 65
# A varchar counts to the 65,535 bytes that a row's columns share: a longer one is a text from the start.
_VARCHAR_LENGTH = 16_383

_NO_SIGN = "is stored without the sign of a zero: -0.0 becomes 0"

_COMMENT = re.compile(r"/\*.*?\*/")
_MODIFIER = re.compile(r"\((\d+)(?:,(\d+))?\)")
_WHOLE_NAME = re.compile(r"[a-z0-9]+(?:\(\d+(?:,\d+)?\))?")
_BITS = (8, 16, 32, 64)

_ARROW_TO_NATIVE: Mapping[pa.DataType, str] = {
    **{kind: _DECLARED.get(native, native) for native, kind in reversed(list(TYPES.items()))},
    **BEYOND,
    pa.bool_(): "boolean",
}


def base_name(native: str) -> str:
    """A type's name without its modifier; `tinyint(1)` and `bit(1)` keep theirs, which means something.

    Example:
        >>> base_name("int(10) unsigned zerofill"), base_name("enum('a(','b')"), base_name("tinyint(1)")
        ('int unsigned', 'enum', 'tinyint(1)')
    """
    plain = _COMMENT.sub("", native).strip().lower()
    if plain.startswith(("enum(", "set(")):
        return plain.partition("(")[0]
    if plain in ("tinyint(1)", "bit(1)"):
        return plain
    words = [word for word in _MODIFIER.sub("", plain).split() if word != "zerofill"]
    return " ".join(words)


def modifier(native: str) -> tuple[int, int]:
    """The numbers of a type: digits and scale, or length; 0 where there is none.

    Example:
        >>> modifier("decimal(10,2)"), modifier("datetime")
        ((10, 2), (0, 0))
    """
    found = _MODIFIER.search(native)
    return (int(found.group(1)), int(found.group(2) or 0)) if found else (0, 0)


def arrow_type(native: str) -> pa.DataType:
    """The Arrow type in which values of a type travel.

    Example:
        >>> arrow_type("decimal(10,2) unsigned"), arrow_type("bit(9)"), arrow_type("datetime(3)")
        (Decimal64Type(decimal64(10, 2)), DataType(uint16), TimestampType(timestamp[us]))
    """
    base = base_name(native)
    digits, scale = modifier(native)
    if base.startswith("decimal") and digits <= _ARROW_DIGITS:
        return pa.decimal64(digits, scale) if digits <= _DECIMAL64_DIGITS else pa.decimal128(digits, scale)
    if base == "bit":
        bits = next(bits for bits in _BITS if digits <= bits)
        return {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}[bits]
    if base in OPAQUE:
        # A sign that is not there, and zeros before a number, are no part of the value.
        return pa.opaque(pa.string(), _opaque_name(native, base), VENDOR)
    return TYPES.get(base, pa.string())


def _opaque_name(native: str, base: str) -> str:
    digits, scale = modifier(native)
    if base.startswith("decimal"):
        return f"decimal({digits},{scale})"
    return f"{base}({digits})" if digits else base


def native_type(field: pa.Field[Any], server: Server) -> NativeType:
    """The type that a column of an Arrow type gets in a table that is made here.

    Raises:
        LossyTypeError: There is none that holds its values.

    Example:
        >>> mysql = Server("8.4.0", {})
        >>> native_type(pa.field("id", pa.uint64()), mysql).sql, native_type(pa.field("id", pa.uuid()), mysql)
        ('bigint unsigned', NativeType(sql='char(36)', note='is stored as char(36)'))
    """
    length = int((field.metadata or {}).get(b"length") or 0)
    if pa.types.is_string(field.type) and 0 < length <= _VARCHAR_LENGTH:
        return NativeType(f"varchar({length})")
    found = _of(field.type, server)
    if found is None:
        raise LossyTypeError(
            f"Column {field.name}: {server.product} has no type for Arrow's {field.type}.",
            hint="Leave the column out, or turn it into text or JSON with custom SQL.",
        )
    return found


def _of(kind: pa.DataType, server: Server) -> NativeType | None:
    for is_so, found in _FAMILIES:
        if is_so(kind):
            return found(kind, server)
    return NativeType(_ARROW_TO_NATIVE[kind]) if kind in _ARROW_TO_NATIVE else None


def _of_storage(kind: Any, server: Server) -> NativeType | None:
    stored = _of(kind.storage_type, server)
    return stored and _stored_as(stored.sql)


def _stored_as(native: str) -> NativeType:
    return NativeType(native, f"is stored as {native}")


def _of_opaque(kind: Any, server: Server) -> NativeType:
    base = base_name(kind.type_name)
    known = kind.vendor_name == VENDOR and base in OPAQUE and _WHOLE_NAME.fullmatch(kind.type_name)
    rare = base in ("inet4", "inet6", "vector")
    if known and (not rare or base in server.types) and modifier(kind.type_name)[1] <= server.decimal_scale:
        return NativeType(kind.type_name)
    return _stored_as("longtext")


def _of_decimal(kind: Any, server: Server) -> NativeType:
    # A negative scale stands for zeros before the point.
    digits, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    digits = max(digits, scale)
    if digits <= _DECIMAL_DIGITS and scale <= server.decimal_scale:
        return NativeType(f"decimal({digits},{scale})")
    return _stored_as("longtext")


def _of_timestamp(kind: Any, _: Server) -> NativeType:
    return NativeType("datetime(6)", "is stored as datetime(6), in UTC" if kind.tz else None)


def _of_float(kind: Any, _: Server) -> NativeType:
    return NativeType("double" if pa.types.is_float64(kind) else "float", _NO_SIGN)


_Family = tuple[Callable[[Any], bool], Callable[[Any, Server], NativeType | None]]

# Types that the dictionaries above do not list one by one; the first that fits.
_FAMILIES: Sequence[_Family] = (
    (lambda kind: isinstance(kind, pa.OpaqueType), _of_opaque),
    # MariaDB's own type refuses values that no standard makes, such as digests.
    (lambda kind: isinstance(kind, pa.UuidType), lambda _kind, _server: _stored_as("char(36)")),
    (pa.types.is_floating, _of_float),
    (lambda kind: isinstance(kind, pa.BaseExtensionType) and kind not in _ARROW_TO_NATIVE, _of_storage),
    (pa.types.is_interval, lambda _kind, _server: _stored_as("longtext")),
    (pa.types.is_decimal, _of_decimal),
    (pa.types.is_timestamp, _of_timestamp),
    (pa.types.is_time, lambda _kind, _server: NativeType(_DECLARED["time"])),
    (pa.types.is_fixed_size_binary, lambda _kind, _server: NativeType("longblob")),
    (pa.types.is_dictionary, lambda kind, server: _of(kind.value_type, server)),
    (pa.types.is_union, lambda _kind, _server: None),
    (pa.types.is_nested, lambda _kind, _server: _stored_as("json")),
)
