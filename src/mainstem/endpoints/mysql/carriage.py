"""How values travel from the server to Arrow: what is selected, and what is made of its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.mysql.types import SHAPES, TYPES, arrow_type, base_name
from mainstem.errors import LossyTypeError
from mainstem.schema import Column

__all__ = ["Carriage", "carriage_of", "carried"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_Array: TypeAlias = "pa.Array[Any]"
_UUID_BYTES = 16


@dataclass(frozen=True)
class Carriage:
    """How values of one column travel.

    Attributes:
        arrow_type: As what they arrive.
        select: What is selected, of the column's quoted name.
        decode: What is made of the bytes that come.
    """

    arrow_type: pa.DataType
    select: Callable[[str], str]
    decode: Callable[[_Array], _Array]


def carriage_of(column: Column) -> Carriage:
    """How the values of a column travel."""
    base = base_name(column.native_type)
    if column.as_text:
        select = _selected(base) if base != "uuid" else lambda name: name
        return Carriage(pa.string(), select, _text)
    kind = arrow_type(column.native_type)
    return Carriage(kind, _selected(base), _decoder(kind))


def carried(column: Column, carriage: Carriage, values: _Array) -> _Array:
    """Make Arrow's values of what came.

    Raises:
        LossyTypeError: There is one that has no Arrow value.
    """
    try:
        return carriage.decode(values)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {column.name} ({column.native_type}) holds a value that Arrow's {carriage.arrow_type}"
            f" cannot carry: {str(error).splitlines()[0]}",
            hint="Declare the column as text under `columns`, or replace such values with custom SQL.",
        ) from error


def _selected(base: str) -> Callable[[str], str]:
    if base.startswith("bit"):
        return lambda name: f"{name} + 0"
    if base.startswith(("float", "double")):
        # A float prints rounded, a double that does not.
        return lambda name: f"{name} * 1e0"
    if base == "uuid":
        return lambda name: f"cast({name} as binary({_UUID_BYTES}))"
    if base in SHAPES or base == "vector":
        return lambda name: f"hex({name})"
    if base not in TYPES and not base.startswith(("decimal", "inet")):
        return lambda name: f"cast({name} as char)"
    return lambda name: name


def _decoder(kind: pa.DataType) -> Callable[[_Array], _Array]:
    return next((decoder(kind) for is_so, decoder in _DECODERS if is_so(kind)), _cast(kind))


def _cast(kind: pa.DataType) -> Callable[[_Array], _Array]:
    return lambda values: _text(values).cast(kind)


def _extended(kind: Any) -> Callable[[_Array], _Array]:
    return lambda values: pa.ExtensionArray.from_storage(kind, _text(values))


def _zoned(kind: pa.DataType) -> Callable[[_Array], _Array]:
    return lambda values: _text(values).cast(pa.timestamp("us")).view(kind)


def _text(values: _Array) -> _Array:
    # Checks that it is UTF-8.
    return values.cast(pa.string())


def _truths(values: _Array) -> _Array:
    numbers: _Array = _text(values).cast(pa.int8())
    _refuse_others(numbers, pc.is_in(numbers, value_set=pa.array([0, 1], pa.int8())), "is neither 0 nor 1")
    return numbers.cast(pa.bool_())


def _times(values: _Array) -> _Array:
    text = _text(values)
    # A time reaches from -838 to 838 hours: it may be a duration, which Arrow's time of day cannot be.
    _refuse_others(text, pc.match_substring_regex(text, "^([01][0-9]|2[0-3]):"), "is no time of day")
    moments = pc.binary_join_element_wise("1970-01-01", text, " ").cast(pa.timestamp("us"))
    times: _Array = moments.view(pa.time64("us"))
    return times


def _uuids(values: _Array) -> _Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), values.cast(pa.binary(_UUID_BYTES)))


def _refuse_others(values: _Array, fits: _Array, why: str) -> None:
    others = pc.filter(values, pc.and_(values.is_valid(), pc.invert(pc.fill_null(fits, False))))
    if len(others):
        raise pa.ArrowInvalid(f"{others[0]} {why}")


_DECODERS: Sequence[tuple[Callable[[Any], bool], Callable[[Any], Callable[[_Array], _Array]]]] = (
    (lambda kind: isinstance(kind, pa.UuidType), lambda _: _uuids),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extended),
    (pa.types.is_binary, lambda _: lambda values: values),
    (pa.types.is_boolean, lambda _: _truths),
    (pa.types.is_time, lambda _: _times),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None, _zoned),
)
