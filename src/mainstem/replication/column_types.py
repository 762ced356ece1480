"""The general types of columns (spec §7), and the Arrow types in which their values travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

__all__ = ["DEFAULT_DECIMAL", "GENERAL_TYPES", "NATIVE_NAMES", "ColumnType", "GeneralType"]

# Precision and scale of a `decimal` without a size (spec §7.3).
DEFAULT_DECIMAL = (24, 6)

_FITS_64_BITS = 18


class GeneralType(str, Enum):
    """The types that every system maps its own to (spec §7)."""

    BIGINT = "bigint"
    BINARY = "binary"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    DECIMAL = "decimal"
    FLOAT = "float"
    GEOMETRY = "geometry"
    INTEGER = "integer"
    JSON = "json"
    SMALLINT = "smallint"
    STRING = "string"
    TEXT = "text"
    TIME = "time"
    TIMEZ = "timez"
    TIMESTAMP = "timestamp"
    TIMESTAMPZ = "timestampz"
    UUID = "uuid"


GENERAL_TYPES = {kind.value: kind for kind in GeneralType}
# What databases call them, for "did you mean".
NATIVE_NAMES = {
    **dict.fromkeys(("int8", "int64", "bigserial", "long"), "bigint"),
    **dict.fromkeys(("int", "int4", "int32", "serial"), "integer"),
    **dict.fromkeys(("int2", "int16", "tinyint"), "smallint"),
    **dict.fromkeys(("numeric", "number", "money"), "decimal"),
    **dict.fromkeys(("double", "real", "float4", "float8", "float64"), "float"),
    **dict.fromkeys(("boolean", "bit"), "bool"),
    **dict.fromkeys(("varchar", "char", "character", "nvarchar", "str"), "string"),
    **dict.fromkeys(("timestamptz", "timestamp_tz", "datetimeoffset"), "timestampz"),
    **dict.fromkeys(("timetz",), "timez"),
    **dict.fromkeys(("jsonb", "variant", "object"), "json"),
    **dict.fromkeys(("bytea", "blob", "bytes", "varbinary"), "binary"),
    **dict.fromkeys(("geography",), "geometry"),
}

_ARROW: Mapping[GeneralType, pa.DataType] = {
    GeneralType.BIGINT: pa.int64(),
    GeneralType.BINARY: pa.binary(),
    GeneralType.BOOL: pa.bool_(),
    GeneralType.DATE: pa.date32(),
    GeneralType.DATETIME: pa.timestamp("us"),
    GeneralType.FLOAT: pa.float64(),
    GeneralType.GEOMETRY: pa.string(),
    GeneralType.INTEGER: pa.int32(),
    GeneralType.JSON: pa.json_(),
    GeneralType.SMALLINT: pa.int16(),
    GeneralType.STRING: pa.string(),
    GeneralType.TEXT: pa.string(),
    GeneralType.TIME: pa.time64("us"),
    # Arrow has no time of day with an offset.
    GeneralType.TIMEZ: pa.string(),
    GeneralType.TIMESTAMP: pa.timestamp("us"),
    GeneralType.TIMESTAMPZ: pa.timestamp("us", "UTC"),
    GeneralType.UUID: pa.uuid(),
}


@dataclass(frozen=True)
class ColumnType:
    """A general type with its size.

    Attributes:
        kind: The type.
        length: Of ``string``, ``text`` and ``binary``: the most characters or bytes. ``None`` for no limit.
        precision: Of ``decimal``: the number of digits, 1 to 38. ``None`` where no size was written.
        scale: Of ``decimal``: how many of them stand behind the point. ``None`` where none was written.
    """

    kind: GeneralType
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        sizes = [str(size) for size in (self.length, self.precision, self.scale) if size is not None]
        return f"{self.kind.value}({', '.join(sizes)})" if sizes else self.kind.value

    def arrow_type(self) -> pa.DataType:
        """Return the Arrow type in which values of this type travel.

        A decimal without a size has the default one (`DEFAULT_DECIMAL`); with a precision alone, it is a
        whole number, as in SQL.

        Example:
            >>> ColumnType(GeneralType.DECIMAL, precision=12, scale=2).arrow_type()
            Decimal64Type(decimal64(12, 2))
        """
        if self.kind is not GeneralType.DECIMAL:
            return _ARROW[self.kind]
        precision, scale = DEFAULT_DECIMAL if self.precision is None else (self.precision, self.scale or 0)
        return (
            pa.decimal64(precision, scale) if precision <= _FITS_64_BITS else pa.decimal128(precision, scale)
        )
