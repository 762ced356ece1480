"""Workbooks are written row by row: numbers, days and times as cells of their kind, all else as text.

A cell's number is a float, and its time is one too. What one does not hold exactly is written as text, or
refused where the column's other values are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any, BinaryIO

import openpyxl
import pyarrow as pa
import pyarrow.compute
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import IllegalCharacterError
from typing_extensions import override

from mainstem.errors import LossyTypeError
from mainstem.files.formats.base import FormatWriter, WriteOptions, WrittenType
from mainstem.files.formats.fitting import plain_type
from mainstem.files.formats.json_text import json_text
from mainstem.files.formats.texts import in_layout
from mainstem.files.sinks import KeptOpen
from mainstem.types import cast_values

__all__ = ["ExcelWriter", "written_as"]

pc: Any = pyarrow.compute

# https://support.microsoft.com/office/excel-specifications-and-limits
_MOST_ROWS = 1_048_576
_LONGEST_TEXT = 32_767
_EXACT = 2**53
_EXACT_DIGITS = 15
# Before, Excel counts a day that never was.
_FIRST_DAY = date(1900, 3, 1)
_AFTER_LAST_DAY = date(9999, 12, 31)
_PER_MILLISECOND = {"us": 1_000, "ns": 1_000_000}
# A carriage return is no more than a line break in XML, and what looks like an escape is none.
_ESCAPED = re.compile(r"\r|_x(?=[0-9A-Fa-f]{4}_)")


def written_as(field: pa.Field[Any]) -> WrittenType:
    """What a column becomes in a sheet."""
    kind: Any = plain_type(field.type)
    if pa.types.is_string(kind):
        return WrittenType(kind, "has NULL where a text is empty")
    if _column(field) is _texts:
        return WrittenType(pa.string(), "is written as text")
    if pa.types.is_integer(kind):
        return WrittenType(pa.int64(), "is refused beyond 2^53, where Excel's numbers are not exact")
    if pa.types.is_decimal(kind):
        return WrittenType(pa.float64(), "is a number of Excel's, with 15 digits")
    return WrittenType(pa.float64() if pa.types.is_floating(kind) else kind)


class ExcelWriter(FormatWriter):
    """Writes one sheet."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> None:
        self._sink = KeptOpen(sink)
        self._saved = False
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("Sheet1")
        self._rows = 0
        self._datetime_format = options.datetime_format
        if options.header:
            self._add([[self._text(name, name)] for name in schema.names])

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        columns = []
        batch = in_layout(batch, self._datetime_format)
        for field, values in zip(batch.schema, batch.columns, strict=True):
            writer = _column(field)
            cells = writer(field, values)
            columns.append([self._cell(cell, field.name) for cell in cells])
        self._add(columns)

    def _add(self, columns: Sequence[Sequence[Any]]) -> None:
        for row in zip(*columns, strict=True):
            self._rows += 1
            if self._rows > _MOST_ROWS:
                raise LossyTypeError(
                    f"A sheet has at most {_MOST_ROWS} rows, and there are more.",
                    hint="Split the file with `file_max_rows`, or write another format.",
                )
            self._sheet.append(row)

    def _cell(self, cell: Any, column: str) -> Any:
        if not isinstance(cell, str):
            return cell
        if not isinstance(cell, _Digits):
            return self._text(cell, column)
        number = WriteOnlyCell(self._sheet, value=str(cell))
        number.data_type = "n"
        return number

    def _text(self, text: str, column: str) -> Any:
        if len(text) > _LONGEST_TEXT:
            raise LossyTypeError(
                f"Column {column}: a cell holds at most {_LONGEST_TEXT} characters; a value has {len(text)}.",
                hint="Leave the column out, or write another format.",
            )
        cell = WriteOnlyCell(self._sheet)
        escaped = _ESCAPED.sub(lambda found: "_x000D_" if found.group() == "\r" else "_x005F_x", text)
        try:
            cell.value = escaped
        except IllegalCharacterError as error:
            raise LossyTypeError(
                f"Column {column}: a value holds a control character, which no cell can: {text[:50]!r}.",
                hint="Leave the column out, or write another format.",
            ) from error
        # What begins with an equals sign is no formula.
        cell.data_type = "s"
        return cell

    @override
    def close(self) -> None:
        self._book.save(self._sink)
        self._saved = True

    def __del__(self) -> None:
        self._sink.abandoned = True
        # The library writes to a temporary file meanwhile, which it closes.
        if not self._saved:
            self._sheet.close()


def _column(field: pa.Field[Any]) -> Callable[[pa.Field[Any], Any], list[Any]]:
    """How a column's cells are made."""
    kind: Any = plain_type(field.type)
    if pa.types.is_decimal(kind) and kind.precision > _EXACT_DIGITS:
        return _texts
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return _texts
    return next((cells for is_so, cells in _CELLS if is_so(kind)), _texts)


def _texts(field: pa.Field[Any], values: Any) -> list[Any]:
    kind = plain_type(field.type)
    texts: list[Any]
    if pa.types.is_nested(kind) or isinstance(kind, pa.JsonType):
        texts = json_text(values).to_pylist()
    else:
        texts = cast_values(values, pa.string()).to_pylist()
    return texts


def _integers(field: pa.Field[Any], values: Any) -> list[Any]:
    numbers: list[Any] = values.to_pylist()
    for number in numbers:
        if number is not None and abs(number) > _EXACT:
            raise LossyTypeError(
                f"Column {field.name}: Excel's numbers are floats, which are not exact for {number}.",
                hint=f"Have it written as text: `columns: {{{field.name}: string}}`.",
            )
    return numbers


def _floats(_: pa.Field[Any], values: Any) -> list[Any]:
    return [
        number if number is None else _number(number) if isfinite(number) else _not_finite(number)
        for number in values.to_pylist()
    ]


class _Digits(str):
    """A number as it is to be written: the library rounds floats to 16 digits."""

    __slots__ = ()


def _number(number: float) -> float | _Digits:
    return number if float(f"{number:.16g}") == number else _Digits(repr(number))


def _not_finite(number: float) -> str:
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(number, "NaN")


def _decimals(_: pa.Field[Any], values: Any) -> list[Decimal | None]:
    decimals: list[Decimal | None] = values.to_pylist()
    return decimals


def _days(_: pa.Field[Any], values: Any) -> list[Any]:
    return _moments(values.cast(pa.date32()), None)


def _timestamps(_: pa.Field[Any], values: Any) -> list[Any]:
    kind = plain_type(values.type)
    fine = values.cast(kind)
    unit: str = fine.type.unit
    return _moments(
        fine,
        pc.equal(
            pc.multiply(pc.divide(fine.cast(pa.int64()), _PER_MILLISECOND[unit]), _PER_MILLISECOND[unit]),
            fine.cast(pa.int64()),
        ),
    )


def _moments(values: Any, exact: Any) -> list[Any]:
    """Cells of days and times, where Excel has them and exactly; the others as text."""
    within = pc.greater_equal(values, pa.scalar(_FIRST_DAY).cast(values.type))
    # Nanoseconds end long before.
    if values.type != pa.timestamp("ns"):
        within = pc.and_(within, pc.less(values, pa.scalar(_AFTER_LAST_DAY).cast(values.type)))
    good = pc.fill_null(within if exact is None else pc.and_(within, exact), False)
    texts = cast_values(values, pa.string()).to_pylist()
    held = pc.if_else(good, values, pa.scalar(None, values.type))
    cells = (held if pa.types.is_date(values.type) else held.cast(pa.timestamp("ms"))).to_pylist()
    return [cell if cell is not None else text for cell, text in zip(cells, texts, strict=True)]


_CELLS: Sequence[tuple[Callable[[Any], bool], Callable[[pa.Field[Any], Any], list[Any]]]] = (
    (pa.types.is_boolean, lambda _, values: list(values.to_pylist())),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _days),
    (pa.types.is_timestamp, _timestamps),
)
