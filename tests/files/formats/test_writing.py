"""What `target_options` say of text formats, and the limits of formats that have some."""

from __future__ import annotations

import io
from datetime import date, datetime

import pyarrow as pa
import pytest

from mainstem.errors import ConfigError, LossyTypeError
from mainstem.files.formats import OpenFile, ReadOptions, WriteOptions, format_named

AT = datetime(2024, 1, 31, 12, 30)  # noqa: DTZ001
ROWS = pa.table({"day": [AT.date()], "at": [AT]})


def written(name: str, rows: pa.Table, options: WriteOptions) -> bytes:
    sink = io.BytesIO()
    writer = format_named(name).writer(sink, rows.schema, options)
    for batch in rows.to_batches():
        writer.write(batch)
    writer.close()
    return sink.getvalue()


@pytest.mark.parametrize("name", ["json", "jsonlines", "xml", "xlsx"])
def test_dates_are_written_in_the_users_layout_and_read_in_it_again(name: str) -> None:
    data = written(name, ROWS, WriteOptions(datetime_format="%d.%m.%Y %H:%M"))
    if name != "xlsx":
        assert b"31.01.2024 00:00" in data
        assert b"31.01.2024 12:30" in data
    read = ReadOptions(flatten=True, datetime_format="%d.%m.%Y %H:%M")
    file = OpenFile("rows", lambda: io.BytesIO(data))
    schema = format_named(name).describe([file], read)
    assert schema.types == [pa.timestamp("us")] * 2
    (row,) = pa.Table.from_batches(format_named(name).read(file, schema, read)).to_pylist()
    assert row == {"day": datetime(2024, 1, 31), "at": AT}  # noqa: DTZ001


@pytest.mark.parametrize("name", ["json", "jsonlines", "xml"])
def test_formats_of_utf_8_are_written_in_no_other_encoding(name: str) -> None:
    with pytest.raises(ConfigError, match="is written in UTF-8, and not in latin1"):
        written(name, ROWS, WriteOptions(encoding="latin1"))


def test_json_has_one_record_a_line_and_decimals_as_text() -> None:
    rows = pa.table(
        {"id": [1, 2], "price": pa.array(["1.50", None]).cast(pa.decimal128(10, 2)), "x": [0.1, -0.0]}
    )
    lines = b'{"id":1,"price":"1.50","x":0.1}\n{"id":2,"price":null,"x":-0.0}\n'
    assert written("jsonlines", rows, WriteOptions()) == lines
    assert written("json", rows, WriteOptions()) == b"[\n" + lines[:-1].replace(b"\n", b",\n") + b"\n]\n"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([2**53 + 1]), "Excel's numbers are floats"),
        (pa.array(["x" * 32_768]), "a cell holds at most 32767 characters"),
        (pa.array(["\x00"]), "a value holds a control character"),
    ],
)
def test_what_no_cell_holds_is_refused_with_its_column(values: pa.Array, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(LossyTypeError, match=f"Column v: .*{said}|Column v: {said}"):
        written("xlsx", pa.table({"v": values}), WriteOptions())


def test_days_before_excels_calendar_are_text_and_come_back() -> None:
    rows = pa.table({"day": [date(1492, 10, 12), date(2024, 1, 31)]})
    data = written("xlsx", rows, WriteOptions())
    file = OpenFile("rows.xlsx", lambda: io.BytesIO(data))
    found = pa.Table.from_batches(format_named("xlsx").read(file, rows.schema, ReadOptions()))
    assert found.to_pylist() == rows.to_pylist()


def test_what_no_xml_document_holds_is_refused_with_its_column() -> None:
    with pytest.raises(LossyTypeError, match="Column v: a value holds a character that no XML document can"):
        written("xml", pa.table({"v": ["a\x00"]}), WriteOptions())


def test_names_that_would_be_one_in_avro_are_refused() -> None:
    with pytest.raises(LossyTypeError, match="become one"):
        written("avro", pa.table({"a b": [1], "a_b": [2]}), WriteOptions())
