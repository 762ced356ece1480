"""How DuckDB writes values so that other systems write them alike, and sums them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from mainstem.endpoints.comparable import Form, FormKind, Written, joined, row_text
from mainstem.endpoints.duckdb.carriage import selected
from mainstem.schema import Column

__all__ = ["checksum", "written"]


def written(value: str, column: Column, form: Form) -> Written | None:
    """Write a value of a column in a form; ``None`` where there is no way."""
    write = _WRITERS.get(form.kind)
    return None if write is None else Written(write(f"({value})", column, form))


def checksum(texts: Sequence[str]) -> str:
    """The sum over all rows of 60 bits of each row's MD5, as text: in whatever order they come."""
    number = f"CAST('0x0' || substr(md5({joined(row_text(texts))}), 1, 15) AS BIGINT)"
    return f"CAST(coalesce(sum({number}), 0) AS VARCHAR)"


def _decimal(value: str, column: Column, form: Form) -> str:
    kind = column.arrow_type
    if pa.types.is_boolean(kind):
        value = f"CAST({value} AS INTEGER)"
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    point = "." if form.digits and not scale else ""
    zeros = point + "0" * (form.digits - scale)
    text = f"CAST({value} AS VARCHAR)"
    return f"({text} || '{zeros}')" if zeros else text


def _float(value: str, _: Column, __: Form) -> str:
    # A negative zero and a zero make a zero.
    bits = f"CAST(CAST({value} AS DOUBLE) + 0.0::DOUBLE AS BIT)"
    return f"CASE WHEN isnan({value}) THEN 'nan' ELSE lower(hex(CAST({bits} AS BLOB))) END"


def _text(value: str, column: Column, _: Form) -> str:
    text = f"CAST({selected(column, value)} AS VARCHAR)"
    return f"(strlen({text}) || ':' || {text})"


def _own(value: str, _: Column, __: Form) -> str:
    text = f"CAST({value} AS VARCHAR)"
    return f"(strlen({text}) || ':' || {text})"


def _date(value: str, _: Column, __: Form) -> str:
    return f"CAST(date_diff('day', DATE '1970-01-01', {value}) AS VARCHAR)"


def _timestamp(value: str, column: Column, form: Form) -> str:
    if pa.types.is_date(column.arrow_type) or column.native_type in ("TIMESTAMP_S", "TIMESTAMP_MS"):
        value = f"CAST({value} AS TIMESTAMP)"
    return _counted(value, column, form)


def _counted(value: str, column: Column, form: Form) -> str:
    """Units since the beginning, which is midnight for a time."""
    if getattr(column.arrow_type, "unit", "us") == "ns":
        return f"CAST(epoch_ns({value}) AS VARCHAR)"
    scaled = f" * {10 ** (form.digits - 6)}" if form.digits > 6 else ""  # noqa: PLR2004 - microseconds
    return f"CAST(CAST(epoch_us({value}) AS HUGEINT){scaled} AS VARCHAR)"


def _list(value: str, _: Column, __: Form) -> str:
    item = "coalesce(strlen(item) || ':' || item, '-')"
    items = f"list_transform(CAST({value} AS VARCHAR[]), lambda item: {item})"
    return f"('[' || array_to_string({items}, ',') || ']')"


def _interval(value: str, _: Column, __: Form) -> str:
    def part(name: str) -> str:
        return f"date_part('{name}', {value})"

    months = f"({part('year')} * 12 + {part('month')})"
    micros = f"({part('hour')} * 3600000000 + {part('minute')} * 60000000 + {part('microseconds')})"
    return f"({months} || '|' || {part('day')} || '|' || {micros})"


_WRITERS: Mapping[FormKind, Callable[[str, Column, Form], str]] = {
    FormKind.BOOLEAN: lambda value, _, __: f"CAST(CAST({value} AS INTEGER) AS VARCHAR)",
    FormKind.DECIMAL: _decimal,
    FormKind.FLOAT: _float,
    FormKind.TEXT: _text,
    FormKind.BYTES: lambda value, _, __: f"lower(hex({value}))",
    FormKind.DATE: _date,
    FormKind.TIME: _counted,
    FormKind.TIMESTAMP: _timestamp,
    FormKind.UUID: lambda value, _, __: f"lower(CAST({value} AS VARCHAR))",
    FormKind.JSON: _own,
    FormKind.INTERVAL: _interval,
    FormKind.LIST: _list,
    FormKind.OWN: _own,
}
