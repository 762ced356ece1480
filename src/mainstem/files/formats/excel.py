"""Excel's workbooks: a sheet as a table, typed by its cells.

A sheet is held in memory while it is read, as the library has it; writing needs no more than a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import fastexcel
import pyarrow as pa
import pyarrow.compute
from typing_extensions import override

from mainstem.errors import ConfigError, EndpointError
from mainstem.files import archives
from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.excel_range import Cells, parse_sheet
from mainstem.files.formats.excel_writer import ExcelWriter, written_as
from mainstem.files.formats.fitting import broken_value, check_names, fit_column, slices, united
from mainstem.files.formats.texts import from_texts, moment_type
from mainstem.files.spooling import open_seekable

__all__ = ["Excel"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_BATCH_ROWS = 8192
_UNNAMED = "__UNNAMED__"
# Whole numbers beyond this are not told apart by the cells of a sheet.
_EXACT = 2**53
# Where a time of day without a day is.
_DAY_ZERO = (pa.scalar("1899-12-30").cast(pa.date32()), pa.scalar("1899-12-31").cast(pa.date32()))
_ZIP = b"PK"

# It tells of each column without a type of its own that it is text, which is what is wanted.
logging.getLogger("fastexcel").setLevel(logging.ERROR)


class Excel(FileFormat):
    """Workbooks of Excel, and of others that it reads."""

    name = "xlsx"
    extensions = (".xlsx", ".xls", ".xlsb", ".ods")
    compressible = False
    is_text = True

    @override
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        return united([(file.name, _table(file, options).schema) for file in files])

    @override
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        for part in slices(_table(file, options), _BATCH_ROWS):
            arrays = [_fitted(part, field, file, options) for field in schema]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    @override
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        return ExcelWriter(sink, schema, options)

    @override
    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        return written_as(field)


def _table(file: OpenFile, options: ReadOptions) -> pa.RecordBatch:
    """The cells that are wanted, with the type that all cells of a column have."""
    cells = parse_sheet(options.sheet)
    batch = _loaded(file, cells, header=options.header)
    names = [
        f"col_{at + 1:03d}" if name.startswith(_UNNAMED) else name
        for at, name in enumerate(batch.schema.names)
    ]
    check_names(file.name, names)
    arrays = [_typed(values, options) for values in batch.columns]
    whole = pa.RecordBatch.from_arrays(arrays, names=names)
    if not arrays:
        return whole
    # A row without anything in it is no row: sheets end in many of them.
    anything = [values.is_valid() for values in arrays]
    while len(anything) > 1:
        anything = [pc.or_(anything[0], anything[1]), *anything[2:]]
    return whole.filter(anything[0])


def _loaded(file: OpenFile, cells: Cells, *, header: bool) -> pa.RecordBatch:
    with open_seekable(file) as source:
        data = source.read()
    if data.startswith(_ZIP):
        # A workbook is an archive, and may be one that is made to fill a machine.
        archives.members(file)
    first = (cells.first_row or 1) - 1
    rows = None if cells.last_row is None else cells.last_row - first - (1 if header else 0)
    try:
        book = fastexcel.read_excel(data)
        sheet = _sheet(file, book, cells)
        loaded = book.load_sheet(
            sheet,
            header_row=first if header else None,
            skip_rows=None if header or cells.first_row is None else first,
            n_rows=rows,
            schema_sample_rows=None,
            use_columns=cells.columns,
        )
        return loaded.to_arrow()
    except fastexcel.FastExcelError as error:
        message = str(error).split("\nContext:")[0]
        raise EndpointError(
            f"{file.name} cannot be read as a workbook: {message}.",
            hint="It may be cut short, locked by a password, or of another format.",
        ) from error


def _sheet(file: OpenFile, book: fastexcel.ExcelReader, cells: Cells) -> str:
    names = book.sheet_names
    if not names:
        raise EndpointError(f"{file.name} has no sheet.", hint="It may be broken: have it written again.")
    if cells.sheet is None:
        return names[0]
    found = [name for name in names if name.lower() == cells.sheet.lower()]
    if not found:
        raise ConfigError(f"{file.name} has no sheet {cells.sheet!r}.", hint=f"It has {', '.join(names)}.")
    return found[0]


def _typed(values: Any, options: ReadOptions) -> pa.Array[Any]:
    """A column's cells as what they are: whole numbers, days, times of day, or what is written in them."""
    known = pc.drop_null(values)
    if pa.types.is_floating(values.type) and len(known):
        # There is no integer for the zero that has a sign.
        whole = pc.and_not(pc.equal(pc.floor(known), known), pc.equal(known.cast(pa.string()), "-0"))
        whole = pc.and_(whole, pc.less_equal(pc.abs(known), _EXACT))
        return _cast(values, pa.int64()) if pc.all(whole).as_py() else _cast(values, pa.float64())
    if pa.types.is_timestamp(values.type) and len(known):
        days = known.cast(pa.date32(), safe=False)
        if pc.all(pc.is_in(days, pa.array([day.as_py() for day in _DAY_ZERO]))).as_py():
            return _cast(values.cast(pa.time32("ms"), safe=False), pa.time64("us"))
        if pc.all(pc.equal(days.cast(known.type), known)).as_py():
            return _cast(values, pa.date32())
        return _cast(values, pa.timestamp("us"))
    if pa.types.is_string(values.type) and len(known):
        moment = moment_type(known.to_pylist(), options.datetime_format)
        return from_texts(values, moment, options.datetime_format) if moment else values
    return _cast(values, pa.string()) if pa.types.is_null(values.type) else _cast(values, values.type)


def _cast(values: Any, kind: pa.DataType) -> pa.Array[Any]:
    array: pa.Array[Any] = values.cast(kind)
    return array


def _fitted(
    batch: pa.RecordBatch, field: pa.Field[Any], file: OpenFile, options: ReadOptions
) -> pa.Array[Any]:
    at = batch.schema.get_field_index(field.name)
    values: Any = pa.nulls(batch.num_rows) if at < 0 else batch.column(at)
    if pa.types.is_integer(values.type) and pa.types.is_floating(field.type):
        # Whole numbers of a sheet are floats that are exact.
        values = values.cast(pa.float64())
    if pa.types.is_floating(values.type) and pa.types.is_decimal(field.type):
        # By its digits: what a cell shows is the shortest text of its float.
        values = values.cast(pa.string())
    if not pa.types.is_string(values.type) or pa.types.is_string(field.type):
        return fit_column(values, field, file.name)

    def fits(some: pa.Array[Any], wanted: pa.Field[Any]) -> bool:
        try:
            from_texts(some, wanted.type, options.datetime_format)
        except pa.ArrowException:
            return False
        return True

    try:
        return from_texts(values, field.type, options.datetime_format)
    except pa.ArrowException as error:
        raise broken_value(values, field, file.name, fits) from error
