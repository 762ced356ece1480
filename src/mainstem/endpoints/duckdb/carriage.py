"""How values of each type travel from DuckDB to Arrow: what is selected, and what is made of it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.duckdb.types import TYPES, arrow_type, is_ambiguous, is_json_text, item_type
from mainstem.errors import LossyTypeError
from mainstem.schema import Column

__all__ = ["LONG_INTERVAL", "decoded", "described", "selected"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

# What the query itself says of an interval that DuckDB would wrap around on its way to Arrow's nanoseconds.
LONG_INTERVAL = "mainstem: an interval of more than 2562046 hours"

# How infinity looks in a date, and in every timestamp.
_INFINITE_DAY = 2**31 - 1
_INFINITE_TIME = 2**63 - 1


def described(name: str, native: str, *, nullable: bool = True, comment: str | None = None) -> Column:
    """Describe a column of a DuckDB type."""
    kind = arrow_type(native)
    notes = []
    if isinstance(kind, pa.OpaqueType):
        form = "as JSON" if is_json_text(native) else "in DuckDB's own notation"
        notes = [f"Column {name}: {native} is carried as text, {form}."]
    return Column(name, native, kind, nullable, comment, notes)


def selected(column: Column, quoted: str) -> str:
    """The expression that is selected for a column, so that DuckDB exports what Arrow can carry.

    Raises:
        LossyTypeError: The type cannot travel.
    """
    if column.as_text:
        return f"CAST({quoted} AS VARCHAR)"
    if is_ambiguous(column.native_type):
        raise LossyTypeError(
            f"Column {column.name} is {column.native_type}, which cannot leave DuckDB as it is.",
            hint="Leave it out, declare it as text under `columns`, or cast it in a view over the table.",
        )
    return _expression(quoted, column.native_type)


def decoded(column: Column, values: pa.Array[Any]) -> pa.Array[Any]:
    """Make a column's exact Arrow values of what DuckDB gave.

    Raises:
        LossyTypeError: One of them cannot be carried.
    """
    try:
        if "HUGEINT" in column.native_type:
            # DuckDB says 38 digits, and gives up to 39.
            values.validate(full=True)
        arrived: pa.Array[Any] = values.cast(column.arrow_type)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {column.name} ({column.native_type}) holds a value that Arrow's {column.arrow_type}"
            f" cannot carry: {str(error).splitlines()[0]}",
            hint="Declare the column as text under `columns`, or cast it in a view over the table.",
        ) from error
    _refuse_infinity(column, arrived)
    return arrived


def _expression(value: str, native: str, depth: int = 0) -> str:
    kind = arrow_type(native)
    item = item_type(native)
    if isinstance(kind, pa.OpaqueType):
        return f"CAST(to_json({value}) AS VARCHAR)" if is_json_text(native) else f"CAST({value} AS VARCHAR)"
    if item is not None:
        variable = f"x{depth}"
        inner = _expression(variable, item, depth + 1)
        # An array of fixed length is a list like any other.
        listed = value if native.endswith("[]") else f"CAST({value} AS {item}[])"
        return listed if inner == variable else f"list_transform({listed}, lambda {variable}: {inner})"
    if native == "UUID":
        return f"unhex(replace(CAST({value} AS VARCHAR), '-', ''))"
    if native == "INTERVAL":
        long = f"abs(date_part('hour', {value})) > 2562046"
        return f"CASE WHEN {long} THEN error('{LONG_INTERVAL}') ELSE {value} END"
    if native in ("TIMESTAMP_S", "TIMESTAMP_MS"):
        return f"CAST({value} AS TIMESTAMP)"
    as_it_is = (native in TYPES and native != '"NULL"') or native.startswith("DECIMAL(")
    return value if as_it_is else f"CAST({value} AS VARCHAR)"


def _refuse_infinity(column: Column, values: pa.Array[Any]) -> None:
    flat: Any = values
    while pa.types.is_list(flat.type):
        flat = flat.flatten()
    if pa.types.is_timestamp(flat.type):
        integers, infinity = flat.cast(pa.int64()), _INFINITE_TIME
    elif pa.types.is_date(flat.type):
        integers, infinity = flat.cast(pa.int32()), _INFINITE_DAY
    else:
        return
    ends = pc.min_max(integers)
    if ends["max"].as_py() == infinity or ends["min"].as_py() == -infinity:
        raise LossyTypeError(
            f"Column {column.name} ({column.native_type}) holds infinity, which Arrow has not.",
            hint="Replace infinity by NULL or by a far date in a view, or declare the column as text.",
        )
