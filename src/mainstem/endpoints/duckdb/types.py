"""The types of DuckDB and of Arrow, in both directions.

https://duckdb.org/docs/stable/sql/data_types/overview
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
    "arrow_type",
    "is_ambiguous",
    "is_json_text",
    "item_type",
    "native_type",
]

VENDOR = "DuckDB"

# By the name that the catalogue gives. Of several types with one Arrow type the first is the one that a table
# gets which is made here; `DECIMAL(p,s)` is a decimal, `ENUM(…)` is text, and `T[]` and `T[n]` are lists.
TYPES: Mapping[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    # What sum() gives. A value of 39 digits, which no decimal of Arrow's holds, is refused.
    "HUGEINT": pa.decimal128(38, 0),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIME_NS": pa.time64("ns"),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_S": pa.timestamp("us"),
    "TIMESTAMP_MS": pa.timestamp("us"),
    "TIMESTAMP_NS": pa.timestamp("ns"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "INTERVAL": pa.month_day_nano_interval(),
    "UUID": pa.uuid(),
    "JSON": pa.json_(),
    # A query's NULL that no table has.
    '"NULL"': pa.string(),
}

# What tables that are made here have for Arrow's other types: each holds every value.
BEYOND: Mapping[pa.DataType, str] = {
    pa.null(): "VARCHAR",
    pa.float16(): "FLOAT",
    pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR",
    pa.large_binary(): "BLOB",
    pa.binary_view(): "BLOB",
    pa.date64(): "DATE",
}

# Types that Arrow has no word for. They travel as opaque text, which is exact, and are the same type again in
# another DuckDB: these, and every STRUCT, MAP and UNION.
OPAQUE = frozenset({"UHUGEINT", "BIGNUM", "BIT", "TIME WITH TIME ZONE", "GEOMETRY"})

_DECIMAL64_DIGITS = 18
_ARROW_DIGITS = 38

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_LIST = re.compile(r"(.+)\[\d*\]", re.DOTALL)
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(([\w ,()\[\]]*)\)(?:\[\d*\])*")
_FLAT = re.compile(rf"(?:{'|'.join(sorted(OPAQUE))})(?:\[\d*\])*")

# What JSON does not give back: numbers of more digits than a float has, bytes, JSON's own blanks, and keys of
# a map that are no scalars.
_NOT_IN_JSON = re.compile(
    r"\b(?:BLOB|BIT|BIGNUM|JSON|VARIANT|DECIMAL\((?:1[6-9]|[23]\d),)"
    r"|MAP\((?:STRUCT|MAP|UNION|[\w ]+(?:\([\d,]+\))?\[)"
)

_ARROW_TO_NATIVE: Mapping[pa.DataType, str] = {
    **{kind: native for native, kind in reversed(list(TYPES.items())) if native != "HUGEINT"},
    **BEYOND,
}


def arrow_type(native: str) -> pa.DataType:
    """The Arrow type in which values of a type travel.

    Example:
        >>> arrow_type("DECIMAL(10,2)"), arrow_type("INTEGER[][]"), arrow_type("ENUM('a', 'b')")
        (Decimal64Type(decimal64(10, 2)), ListType(list<item: list<item: int32>>), DataType(string))
        >>> arrow_type("STRUCT(a INTEGER)").type_name
        'STRUCT(a INTEGER)'
    """
    plain = _plain_type(native)
    return pa.opaque(pa.string(), native, VENDOR) if plain is None else plain


def is_ambiguous(native: str) -> bool:
    """Whether no text of a type gives its values back: it cannot travel.

    Example:
        >>> is_ambiguous("UNION(n INTEGER, s VARCHAR)"), is_ambiguous("UNION(b BLOB, s VARCHAR)")
        (False, True)
    """
    unquoted = _unquoted(native)
    # As text, members of a union look alike; as JSON they have their names.
    return "VARIANT" in unquoted or ("UNION(" in unquoted and not is_json_text(native))


def item_type(native: str) -> str | None:
    """The type of a list's items; ``None`` for what is no list.

    Example:
        >>> item_type("FLOAT[3]"), item_type("STRUCT(a INTEGER[])")
        ('FLOAT', None)
    """
    found = _LIST.fullmatch(native)
    return found.group(1) if found else None


def is_json_text(native: str) -> bool:
    """Whether the text of an opaque type is JSON, and not DuckDB's own way to write it.

    JSON is what other systems understand. It is only taken where DuckDB reads the very value back from it.

    Example:
        >>> is_json_text("STRUCT(a DOUBLE, b VARCHAR)"), is_json_text("STRUCT(a BLOB)"), is_json_text("BIT")
        (True, False, False)
    """
    unquoted = _unquoted(native)
    return bool(_NESTED.fullmatch(unquoted)) and not _NOT_IN_JSON.search(unquoted)


def native_type(field: pa.Field[Any]) -> NativeType:
    """The type that a column of an Arrow type gets in a table that is made here.

    Raises:
        LossyTypeError: There is none that holds its values.

    Example:
        >>> native_type(pa.field("id", pa.decimal128(38, 2))).sql, native_type(pa.field("x", pa.uuid())).sql
        ('DECIMAL(38, 2)', 'UUID')
        >>> native_type(pa.field("address", pa.opaque(pa.string(), "inet", "PostgreSQL")))
        NativeType(sql='VARCHAR', note='is stored as VARCHAR')
    """
    found = _native(field.type)
    if found is None:
        raise LossyTypeError(
            f"Column {field.name}: DuckDB has no type for Arrow's {field.type}.",
            hint="Leave the column out, or turn it into text with custom SQL.",
        )
    return found


def _plain_type(native: str) -> pa.DataType | None:
    """The type in Arrow's own words; ``None`` where it has none."""
    item = item_type(native)
    if item is not None:
        plain = _plain_type(item)
        return None if plain is None else pa.list_(plain)
    decimal = _DECIMAL.fullmatch(native)
    if decimal:
        precision, scale = int(decimal.group(1)), int(decimal.group(2))
        narrow = precision <= _DECIMAL64_DIGITS
        return pa.decimal64(precision, scale) if narrow else pa.decimal128(precision, scale)
    return pa.string() if native.startswith("ENUM(") else TYPES.get(native)


def _unquoted(native: str) -> str:
    """A type with every quoted name and value in it replaced by a letter."""
    return _QUOTED.sub("q", native)


def _native(kind: Any) -> NativeType | None:
    if isinstance(kind, pa.OpaqueType):
        own = kind.vendor_name == VENDOR and _is_own(kind.type_name)
        return NativeType(kind.type_name) if own else NativeType("VARCHAR", "is stored as VARCHAR")
    if isinstance(kind, pa.BaseExtensionType) and kind not in _ARROW_TO_NATIVE:
        stored = _native(kind.storage_type)
        return stored and NativeType(stored.sql, f"is stored as {stored.sql}")
    if kind in _ARROW_TO_NATIVE:
        return NativeType(_ARROW_TO_NATIVE[kind])
    family = next((native for is_so, native in _FAMILIES if is_so(kind)), None)
    return family and family(kind)


def _is_own(name: str) -> bool:
    """Whether a name is a type of DuckDB's and nothing else: it becomes part of a statement."""
    unquoted = _unquoted(name)
    nested = _NESTED.fullmatch(unquoted)
    if nested is None:
        return bool(_FLAT.fullmatch(unquoted))
    depth = 0
    for character in nested.group(1):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _decimal(kind: Any) -> NativeType | None:
    # A negative scale stands for zeros before the point.
    precision, scale = kind.precision - min(kind.scale, 0), max(kind.scale, 0)
    precision = max(precision, scale)
    return NativeType(f"DECIMAL({precision}, {scale})") if precision <= _ARROW_DIGITS else None


def _listed(kind: Any) -> NativeType | None:
    item = _native(kind.value_type)
    return item and NativeType(f"{item.sql}[]", item.note)


def _structure(kind: Any) -> NativeType | None:
    fields = [(kind.field(index).name, _native(kind.field(index).type)) for index in range(kind.num_fields)]
    known = [f"{_quoted(name)} {native.sql}" for name, native in fields if native is not None]
    whole = len(known) == len(fields) > 0
    return NativeType(f"STRUCT({', '.join(known)})") if whole else None


def _mapping(kind: Any) -> NativeType | None:
    key, value = _native(kind.key_type), _native(kind.item_type)
    return NativeType(f"MAP({key.sql}, {value.sql})") if key and value else None


def _timestamp(kind: Any) -> NativeType:
    if kind.tz:
        return NativeType("TIMESTAMP WITH TIME ZONE")
    return NativeType("TIMESTAMP_NS" if kind.unit == "ns" else "TIMESTAMP")


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


_FAMILIES: tuple[tuple[Callable[[Any], bool], Callable[[Any], NativeType | None]], ...] = (
    (pa.types.is_decimal, _decimal),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_time, lambda _: NativeType("TIME")),
    (pa.types.is_duration, lambda _: NativeType("INTERVAL")),
    (pa.types.is_fixed_size_binary, lambda _: NativeType("BLOB")),
    (pa.types.is_dictionary, lambda kind: _native(kind.value_type)),
    (pa.types.is_list, _listed),
    (pa.types.is_large_list, _listed),
    (pa.types.is_fixed_size_list, _listed),
    (pa.types.is_struct, _structure),
    (pa.types.is_map, _mapping),
)
