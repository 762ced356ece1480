"""How PostgreSQL writes values so that other systems write them alike, and sums them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from mainstem.endpoints.comparable import Form, FormKind, Written, joined, row_text
from mainstem.endpoints.postgres.carriage import carriage_as_text, carriage_of
from mainstem.endpoints.postgres.types import base_name
from mainstem.schema import Column

__all__ = ["checksum", "written"]

_PADDED = frozenset({"character", "bpchar"})


def written(value: str, column: Column, form: Form) -> Written | None:
    """Write a value of a column in a form; ``None`` where there is no way.

    Example:
        >>> column = Column("n", "numeric(8,2)", pa.decimal64(8, 2))
        >>> print(written('"n"', column, Form(FormKind.DECIMAL, 3)).sql)
        (("n")::text || '0')
    """
    write = _WRITERS.get(form.kind)
    sql = None if write is None else write(f"({value})", column, form)
    rewritten = "jsonb" if form.kind is FormKind.JSON and base_name(column.native_type) == "jsonb" else None
    return None if sql is None else Written(sql, rewritten)


def checksum(texts: Sequence[str]) -> str:
    """The sum over all rows of 60 bits of each row's MD5, as text: in whatever order they come."""
    row = joined(row_text(texts))
    number = f"('x0' || substr(md5(convert_to({row}, 'UTF8')), 1, 15))::bit(64)::bigint"
    return f"coalesce(sum({number}), 0)::text"


def _decimal(value: str, column: Column, form: Form) -> str | None:
    kind = column.arrow_type
    if pa.types.is_boolean(kind):
        value = f"({value}::int)"
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    point = "." if form.digits and not scale else ""
    zeros = point + "0" * (form.digits - scale)
    return f"({value}::text || '{zeros}')" if zeros else f"{value}::text"


def _float(value: str, _: Column, __: Form) -> str:
    # A negative zero and a zero make a zero.
    bits = f"encode(float8send({value}::float8 + 0.0), 'hex')"
    return f"case when {value} = 'NaN' then 'nan' else {bits} end"


def _text(value: str, column: Column, _: Form) -> str:
    base = base_name(column.native_type)
    if base in _PADDED and not column.native_type.endswith("[]"):
        # A cast would take the blanks off; a function that takes any type does not.
        text = f"case when {value} is not null then concat({value}) end"
    else:
        carriage = (carriage_as_text if column.as_text else carriage_of)(column.native_type)
        text = f"{carriage.select(value)}::text"
    return f"(octet_length(convert_to({text}, 'UTF8')) || ':' || {text})"


def _own(value: str, column: Column, form: Form) -> str:
    return _text(value, Column(column.name, column.native_type, pa.string(), as_text=True), form)


def _date(value: str, _: Column, __: Form) -> str:
    return f"({value} - date '1970-01-01')::text"


def _timestamp(value: str, column: Column, form: Form) -> str:
    if pa.types.is_date(column.arrow_type):
        value = f"({value}::timestamp)"
    seconds = f"extract(epoch from date_trunc('second', {value}))::bigint"
    micros = f"extract(microseconds from {value})::bigint % 1000000"
    return f"(({seconds} * 1000000 + {micros}){_scaled(form)})::text"


def _time(value: str, _: Column, form: Form) -> str:
    return f"({_micros(value)}{_scaled(form)})::text"


def _interval(value: str, _: Column, __: Form) -> str:
    months = f"(extract(year from {value})::bigint * 12 + extract(month from {value})::bigint)"
    return f"({months} || '|' || extract(day from {value})::bigint || '|' || {_micros(value)})"


def _list(value: str, _: Column, __: Form) -> str:
    item = "coalesce(octet_length(convert_to(item, 'UTF8')) || ':' || item, '-')"
    items = f"unnest({value}::text[]) with ordinality as each(item, place)"
    joined_items = f"coalesce((select string_agg({item}, ',' order by place) from {items}), '')"
    return f"case when {value} is not null then '[' || {joined_items} || ']' end"


def _micros(value: str) -> str:
    hours, minutes = f"extract(hour from {value})::bigint", f"extract(minute from {value})::bigint"
    return f"({hours} * 3600000000 + {minutes} * 60000000 + extract(microseconds from {value})::bigint)"


def _scaled(form: Form) -> str:
    return f" * {10 ** (form.digits - 6)}" if form.digits > 6 else ""  # noqa: PLR2004 - microseconds


_WRITERS: Mapping[FormKind, Callable[[str, Column, Form], str | None]] = {
    FormKind.BOOLEAN: lambda value, _, __: f"{value}::int::text",
    FormKind.DECIMAL: _decimal,
    FormKind.FLOAT: _float,
    FormKind.TEXT: _text,
    FormKind.BYTES: lambda value, _, __: f"encode({value}, 'hex')",
    FormKind.DATE: _date,
    FormKind.TIME: _time,
    FormKind.TIMESTAMP: _timestamp,
    FormKind.UUID: lambda value, _, __: f"lower({value}::text)",
    FormKind.JSON: _own,
    FormKind.INTERVAL: _interval,
    FormKind.LIST: _list,
    FormKind.OWN: _own,
}
