"""How values of each type travel from PostgreSQL to Arrow: what is selected, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.postgres.types import TYPES, base_name, decimal_type, opaque_type
from mainstem.errors import LossyTypeError
from mainstem.schema import Column

__all__ = ["Carriage", "carriage_as_text", "carriage_of", "decoded"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

# The server's first day is 4714-11-24 BC. A value before it is an infinity, or a year past 294246, that
# wrapped around when the driver moved it to the Unix epoch.
# https://www.postgresql.org/docs/current/datatype-datetime.html
_FIRST_DAY = -2_440_588
_FIRST_MICROSECOND = _FIRST_DAY * 86_400_000_000
_DAY_OF_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class Carriage:
    """How values of one type travel.

    Attributes:
        arrow_type: The Arrow type in which they arrive.
        select: From the quoted column to the expression that is selected.
        decode: From what the driver gives to the Arrow type.
        is_list: Its values are arrays, which arrive as lists: of one dimension, counted from 1.
        note: What the user should know, to be read after the column's type.
    """

    arrow_type: pa.DataType
    select: Callable[[str], str] = lambda column: column
    decode: Callable[[pa.Array[Any]], pa.Array[Any]] = lambda values: values
    is_list: bool = False
    note: str | None = None


def carriage_as_text(native: str) -> Carriage:
    """How values travel that the server renders as text."""
    if native == "inet":
        # As text(inet) does not, this leaves out the mask of a single host, as the server itself does.
        return Carriage(pa.string(), lambda column: f"abbrev({column})")
    if base_name(native) == "money":
        # Its own text form is in the language of the server.
        number = "numeric[]" if native.endswith("[]") else "numeric"
        return Carriage(pa.string(), lambda column: f"{column}::{number}::text")
    return Carriage(pa.string(), lambda column: f"{column}::text")


def carriage_of(native: str) -> Carriage:
    """How a type travels, by the name that ``format_type`` gives it."""
    opaque = opaque_type(native)
    decimal = decimal_type(native)
    if opaque is not None and decimal is None:
        return _opaque(native, opaque)
    if native.endswith("[]"):
        return _array(native, decimal)
    if decimal is not None:
        return _decimal(decimal)
    kind = TYPES.get(base_name(native))
    if kind is None:
        return replace(carriage_as_text(native), note="is carried as text")
    return Carriage(kind, decode=lambda values: _typed(values, kind))


def decoded(column: Column, carriage: Carriage, values: pa.Array[Any]) -> pa.Array[Any]:
    """Make a column's Arrow values of what the driver gave.

    Raises:
        LossyTypeError: One of them cannot be carried.
    """
    try:
        arrived = carriage.decode(values)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {column.name} ({column.native_type}) holds a value that Arrow's {column.arrow_type}"
            f" cannot carry: {str(error).splitlines()[0]}",
            hint="Leave the column out, or cast it in a view over the table.",
        ) from error
    _check_times(column.name, arrived)
    return arrived


def _opaque(native: str, kind: pa.OpaqueType) -> Carriage:
    def opaque(values: pa.Array[Any]) -> pa.Array[Any]:
        return pa.ExtensionArray.from_storage(kind, values)

    return replace(carriage_as_text(native), arrow_type=kind, decode=opaque)


def _array(native: str, decimal: pa.DataType | None) -> Carriage:
    kind = TYPES.get(base_name(native))
    if kind is not None:
        listed = pa.list_(kind)
        # The driver does not know an array of a domain; as an array of the domain's type it does.
        return Carriage(listed, lambda column: f"{column}::{native}", _relisted(kind), is_list=True)
    listed = pa.list_(decimal or pa.string())
    note = None if decimal else "is carried as a list of text"
    return Carriage(
        listed,
        lambda column: f"{column}::text[]",
        lambda values: values.cast(listed),
        is_list=True,
        note=note,
    )


def _decimal(kind: pa.DataType) -> Carriage:
    """Decimals decide how fast a read is: scaled integers up to 18 digits, text and a cast up to 38."""
    if pa.types.is_decimal64(kind):
        scaled = 10**kind.scale
        return Carriage(
            kind, lambda column: f"({column} * {scaled})::bigint", lambda values: _viewed(values, kind)
        )
    return Carriage(kind, lambda column: f"{column}::text", lambda values: values.cast(kind))


def _viewed(values: Any, kind: pa.DataType) -> pa.Array[Any]:
    found: pa.Array[Any] = values.view(kind)
    return found


def _typed(values: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    """What the driver gives, in Arrow's own type: older drivers know a UUID and JSON only as opaque."""
    if values.type == kind or not isinstance(kind, pa.BaseExtensionType):
        return values
    storage = values.storage if isinstance(values, pa.ExtensionArray) else values
    return pa.ExtensionArray.from_storage(kind, storage.cast(kind.storage_type))


def _relisted(item: pa.DataType) -> Callable[[pa.Array[Any]], pa.Array[Any]]:
    """Drop the driver's own field metadata inside a list, which would make the types unequal."""

    def relisted(values: pa.Array[Any]) -> pa.Array[Any]:
        if isinstance(item, pa.BaseExtensionType):
            lists = cast("pa.ListArray[Any]", values)
            inner = _typed(lists.values, item)
            return pa.ListArray.from_arrays(lists.offsets, inner, mask=lists.is_null())
        return values.cast(pa.list_(item))

    return relisted


def _check_times(name: str, values: pa.Array[Any]) -> None:
    """Refuse dates and times that Arrow has no number for, or that wrapped around in the driver."""
    flat = pc.list_flatten(values) if pa.types.is_list(values.type) else values
    kind = flat.type
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        integer, first = (
            (pa.int32(), _FIRST_DAY) if pa.types.is_date32(kind) else (pa.int64(), _FIRST_MICROSECOND)
        )
        smallest = pc.min(flat.cast(integer)).as_py()
        if smallest is not None and smallest < first:
            raise LossyTypeError(
                f"Column {name} holds an infinite date or time, or one past the year 294246: Arrow has none.",
                hint="Replace infinity by NULL or by a far date in a view over the table.",
            )
    elif pa.types.is_time64(kind):
        greatest = pc.max(flat.cast(pa.int64())).as_py()
        if greatest is not None and greatest >= _DAY_OF_MICROSECONDS:
            raise LossyTypeError(
                f"Column {name} holds the time 24:00:00: Arrow's day ends a microsecond before.",
                hint="Replace it in a view over the table, or declare the column as text under `columns`.",
            )
