"""How values travel from Snowflake to Arrow: what is selected, and what is made of what comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.snowflake.types import arrow_type, base_name
from mainstem.errors import LossyTypeError
from mainstem.schema import Column

__all__ = ["Carriage", "carriage_of", "text_of"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_Array: TypeAlias = "pa.Array[Any]"

_DATE_FORMAT = "YYYY-MM-DD"
_TIME_FORMAT = "HH24:MI:SS.FF9"


@dataclass(frozen=True)
class Carriage:
    """How values of one column travel.

    Attributes:
        column: The column.
        arrow_type: As what they arrive.
        select: What is selected, of the column's quoted name.
        check: Another item: true where the value has digits that Arrow's type has no room for; ``None``
            where none has.
        decode: What is made of what comes.
    """

    column: Column
    arrow_type: pa.DataType
    select: Callable[[str], str]
    check: Callable[[str], str] | None
    decode: Callable[[_Array], _Array]

    def carried(self, values: _Array, checked: _Array | None) -> _Array:
        """Make Arrow's values of what came.

        Raises:
            LossyTypeError: There is one that has no Arrow value.
        """
        if checked is not None and pc.any(checked).as_py():
            raise self._lossy("holds a value with a part of a microsecond")
        try:
            return self.decode(values)
        except pa.ArrowInvalid as error:
            raise self._lossy(
                f"holds a value that Arrow's {self.arrow_type} cannot carry: {str(error).splitlines()[0]}"
            ) from error

    def _lossy(self, what: str) -> LossyTypeError:
        column = self.column
        return LossyTypeError(
            f"Column {column.name} ({column.native_type}) {what}.",
            hint=f"Declare the column as text under `columns: {{{column.name}: string}}`, or round it with"
            " custom SQL.",
        )


def carriage_of(column: Column) -> Carriage:
    """How the values of a column travel."""
    base = base_name(column.native_type)
    if column.as_text:
        return Carriage(
            column, pa.string(), lambda name: text_of(name, column.native_type), None, _cast(pa.string())
        )
    kind = arrow_type(column.native_type)
    select = _SELECTED.get(base, _plain)
    if pa.types.is_string(kind) and base != "VARCHAR":
        select = _unknown
    check = _CHECKED.get(base) if not column.native_type.endswith(_FINE_ENOUGH) else None
    return Carriage(column, kind, select, check, _decoder(kind))


def text_of(value: str, native: str) -> str:
    """An expression's value as text, in Snowflake's own way, with all its digits."""
    base = base_name(native)
    if base in ("VARIANT", "OBJECT", "ARRAY", "MAP"):
        return f"TO_JSON({value})"
    if base in OPAQUE_TEXT:
        return f"ST_ASEWKT({value})"
    formats: Mapping[str, str] = {
        "DATE": _DATE_FORMAT,
        "TIME": _TIME_FORMAT,
        "TIMESTAMP_NTZ": f"{_DATE_FORMAT} {_TIME_FORMAT}",
        "TIMESTAMP_TZ": f"{_DATE_FORMAT} {_TIME_FORMAT} TZHTZM",
        "TIMESTAMP_LTZ": f"{_DATE_FORMAT} {_TIME_FORMAT} TZHTZM",
    }
    return f"TO_VARCHAR({value}, '{formats[base]}')" if base in formats else f"TO_VARCHAR({value})"


OPAQUE_TEXT = frozenset({"GEOGRAPHY", "GEOMETRY"})

# Declared with six digits behind the second, or fewer.
_FINE_ENOUGH = tuple(f"({digits})" for digits in range(7))


def _plain(name: str) -> str:
    return name


def _unknown(name: str) -> str:
    return f"TO_VARCHAR({name})"


def _micros(name: str) -> str:
    # Not as the driver brings moments, which ends in the year 2262.
    return f"DATE_PART(EPOCH_MICROSECOND, {name})"


_SELECTED: Mapping[str, Callable[[str], str]] = {
    "TIMESTAMP_NTZ": _micros,
    "TIMESTAMP_TZ": _micros,
    "TIMESTAMP_LTZ": _micros,
    "VARIANT": lambda name: f"TO_JSON({name})",
    "OBJECT": lambda name: f"TO_JSON({name})",
    "ARRAY": lambda name: f"TO_JSON({name})",
    "MAP": lambda name: f"TO_JSON({name})",
    "GEOGRAPHY": lambda name: f"ST_ASEWKT({name})",
    "GEOMETRY": lambda name: f"ST_ASEWKT({name})",
}


def _rounded(kind: str) -> Callable[[str], str]:
    return lambda name: f"{name} <> {name}::{kind}(6)"


_CHECKED: Mapping[str, Callable[[str], str]] = {
    name: _rounded(name) for name in ("TIME", "TIMESTAMP_NTZ", "TIMESTAMP_TZ", "TIMESTAMP_LTZ")
}


def _decoder(kind: pa.DataType) -> Callable[[_Array], _Array]:
    return next((decoder(kind) for is_so, decoder in _DECODERS if is_so(kind)), _cast(kind))


def _cast(kind: pa.DataType) -> Callable[[_Array], _Array]:
    return lambda values: values.cast(kind)


def _moments(kind: pa.DataType) -> Callable[[_Array], _Array]:
    return lambda values: values.cast(pa.int64()).view(kind)


def _extended(kind: Any) -> Callable[[_Array], _Array]:
    return lambda values: pa.ExtensionArray.from_storage(kind, values.cast(pa.string()))


_DECODERS: Sequence[tuple[Callable[[Any], bool], Callable[[Any], Callable[[_Array], _Array]]]] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extended),
    (pa.types.is_timestamp, _moments),
)
