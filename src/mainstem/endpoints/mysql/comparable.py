"""How MySQL and MariaDB write values so that other systems write them alike, and sum them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from mainstem.endpoints.comparable import Form, FormKind, Written
from mainstem.endpoints.mysql.types import SHAPES, base_name
from mainstem.schema import Column

__all__ = ["checksum", "written"]

_SMALLEST_NORMAL = "2.2250738585072014e-308"
_MANTISSA = 2**52
_BIAS = 1023


def written(value: str, column: Column, form: Form, *, json_is_text: bool) -> Written | None:
    """Write a value of a column in a form; ``None`` where there is no way.

    Args:
        value: The expression of the value.
        column: The column that it is of.
        form: The form.
        json_is_text: The server keeps JSON as it was given.
    """
    write = _WRITERS.get(form.kind)
    if write is None:
        return None
    rewritten = None if form.kind is not FormKind.JSON or json_is_text else "a JSON type with sorted keys"
    return Written(write(f"({value})", column, form), rewritten)


def checksum(texts: Sequence[str]) -> str:
    """The sum over all rows of 60 bits of each row's MD5, as text: in whatever order they come."""
    parts = [f"coalesce(concat('=', {text}, ';'), '-')" for text in texts]
    number = f"cast(conv(substr(md5(concat({', '.join(parts)})), 1, 15), 16, 10) as unsigned)"
    # A row beyond the server's packet size has no text: it shall not be left out.
    return f"cast(coalesce(sum(coalesce({number}, 1)), 0) as char)"


def _selected(value: str, column: Column) -> str:
    """A value as it travels: see ``carriage.py``."""
    base = base_name(column.native_type)
    if base.startswith("bit"):
        return f"({value} + 0)"
    return f"hex({value})" if base in SHAPES or base == "vector" else value


def _decimal(value: str, column: Column, form: Form) -> str:
    kind = column.arrow_type
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    point = "." if form.digits and not scale else ""
    zeros = point + "0" * (form.digits - scale)
    text = f"cast({_selected(value, column)} as char)"
    return f"concat({text}, '{zeros}')" if zeros else text


def _float(value: str, _: Column, __: Form) -> str:
    """The bits of a double, by arithmetic that is exact: powers of two, and sums that need no more digits."""
    size = f"abs({value} * 1e0)"
    # The server's logarithm may be one off next to a power of two.
    power = f"cast(least(floor(log2({size})), {_BIAS}) as signed)"
    part = f"({size} / pow(2, {power}))"

    def bits(shift: int, fraction: str) -> str:
        return f"({power} + {_BIAS + shift}) * {_MANTISSA} + cast(({fraction} - 1) * {_MANTISSA} as unsigned)"

    normal = (
        f"case when {part} < 1 then {bits(-1, f'{part} * 2')}"
        f" when {part} >= 2 then {bits(1, f'{part} / 2')} else {bits(0, part)} end"
    )
    subnormal = f"cast({size} * pow(2, 537) * pow(2, 537) as unsigned)"
    sign = f"(({value} < 0) << 63)"
    number = f"case when {size} < {_SMALLEST_NORMAL} then {subnormal} else {normal} end"
    return f"case when {value} = 0 then '{'0' * 16}' else lpad(lower(hex({number} | {sign})), 16, '0') end"


def _text(value: str, column: Column, _: Form) -> str:
    text = f"convert({_selected(value, column)} using utf8mb4)"
    return f"concat(length({text}), ':', {text})"


def _own(value: str, column: Column, form: Form) -> str:
    return _text(value, Column(column.name, column.native_type, pa.string(), as_text=True), form)


def _timestamp(value: str, _: Column, form: Form) -> str:
    micros = f"timestampdiff(microsecond, timestamp'1970-01-01 00:00:00', {value})"
    return f"cast({micros}{_scaled(form)} as char)"


def _time(value: str, _: Column, form: Form) -> str:
    seconds = f"hour({value}) * 3600 + minute({value}) * 60 + second({value})"
    return f"cast((({seconds}) * 1000000 + microsecond({value})){_scaled(form)} as char)"


def _scaled(form: Form) -> str:
    return f" * {10 ** (form.digits - 6)}" if form.digits > 6 else ""  # noqa: PLR2004 - microseconds


_WRITERS: Mapping[FormKind, Callable[[str, Column, Form], str]] = {
    FormKind.BOOLEAN: lambda value, _, __: f"cast({value} + 0 as char)",
    FormKind.DECIMAL: _decimal,
    FormKind.FLOAT: _float,
    FormKind.TEXT: _text,
    FormKind.BYTES: lambda value, _, __: f"lower(hex({value}))",
    FormKind.DATE: lambda value, _, __: f"cast(to_days({value}) - 719528 as char)",
    FormKind.TIME: _time,
    FormKind.TIMESTAMP: _timestamp,
    FormKind.UUID: lambda value, _, __: f"lower(convert({value} using utf8mb4))",
    FormKind.JSON: _own,
    FormKind.OWN: _own,
}
