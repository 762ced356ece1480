"""Files that other programs wrote load with the right types, and theirs read ours."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import fastavro
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mainstem.errors import ConfigError, EndpointError, LossyTypeError
from mainstem.files.formats import OpenFile, ReadOptions, WriteOptions, format_named
from mainstem.files.formats.fitting import plain_schema

UTC = timezone.utc
NOON = datetime(2024, 1, 31, 12, 30, 15, 123456)  # noqa: DTZ001
ID = UUID("12345678-1234-5678-1234-567812345678")


def a_file(data: bytes, name: str = "theirs") -> OpenFile:
    return OpenFile(name, lambda: io.BytesIO(data), size=len(data))


def load(name: str, data: bytes, **options: Any) -> pa.Table:
    read = ReadOptions(**{"flatten": True, **options})
    format_ = format_named(name)
    schema = format_.describe([a_file(data)], read)
    return pa.Table.from_batches(format_.read(a_file(data), schema, read), schema)


def types(table: pa.Table) -> dict[str, pa.DataType]:
    return dict(zip(table.schema.names, table.schema.types, strict=True))


# Parquet.


def test_duckdbs_parquet_has_duckdbs_types(tmp_path: Path) -> None:
    path = tmp_path / "duck.parquet"
    duckdb.connect().execute(
        f"""copy (select 1::tinyint t, 2::ubigint u, 1.50::decimal(10,2) d, 'x'::blob b,
        time '10:11:12.5' c, timestamptz '2024-01-31 12:30:15Z' z,
        timestamp '2024-01-31 12:30:15.123456' n,
        interval '2 days' i,
        '{ID}'::uuid id, '[1, 2]'::json j, [1, null] l, {{'a': 1}} s,
        'a'::enum('a', 'b') e, '' empty, null nil)
        to '{path}'"""
    )
    table = load("parquet", path.read_bytes())
    assert types(table) == {
        "t": pa.int8(),
        "u": pa.uint64(),
        "d": pa.decimal128(10, 2),
        "b": pa.binary(),
        "c": pa.time64("us"),
        "z": pa.timestamp("us", "UTC"),
        "n": pa.timestamp("us"),
        "i": pa.month_day_nano_interval(),
        "id": pa.uuid(),
        "j": pa.json_(),
        "l": pa.list_(pa.int32()),
        "s": pa.struct([("a", pa.int32())]),
        "e": pa.string(),
        "empty": pa.string(),
        "nil": pa.int32(),
    }
    (row,) = table.to_pylist()
    assert (row["d"], row["n"], row["id"], row["i"]) == (Decimal("1.50"), NOON, ID, (0, 2, 0))


def test_pandas_parquet_has_pandas_types() -> None:
    sink = io.BytesIO()
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["a", "b"]),
            "at": pd.Series(["2024-01-31 12:30:15.123456789"] * 2).astype("datetime64[ns]"),
            "here": pd.Series([datetime(2024, 1, 31, 12)] * 2).dt.tz_localize("Europe/Paris"),  # noqa: DTZ001
            "maybe": pd.array([1, None], dtype="Int64"),
        }
    )
    frame.to_parquet(sink)
    table = load("parquet", sink.getvalue())
    assert types(table) == {
        "category": pa.string(),
        "at": pa.timestamp("ns"),
        "here": pa.timestamp("us", "UTC"),
        "maybe": pa.int64(),
    }
    assert table.column("here").to_pylist()[0] == datetime(2024, 1, 31, 11, tzinfo=UTC)


def a_parquet_file(rows: int = 10) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": range(rows), "text": [f"row {row}" for row in range(rows)]}), sink)
    return sink.getvalue()


def test_sparks_old_timestamps_are_read_beyond_the_years_of_nanoseconds() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"at": pa.array([NOON])}), sink, use_deprecated_int96_timestamps=True)
    assert load("parquet", sink.getvalue()).column("at").to_pylist() == [NOON]


def test_a_footer_that_lies_about_its_rows_is_an_error() -> None:
    whole = a_parquet_file()
    length = struct.unpack("<I", whole[-8:-4])[0]
    footer = whole[-8 - length : -8]
    # Thrift writes a small number as twice itself: 10 rows are 0x14.
    lied = footer.replace(b"\x16\x14", b"\x16\x28")
    assert lied != footer
    with pytest.raises(EndpointError, match="theirs"):
        load("parquet", whole[: -8 - length] + lied + whole[-8:])


@pytest.mark.parametrize("at", [0.05, 0.3, 0.6])
def test_bytes_of_a_row_group_that_changed_are_found_by_their_checksum(at: float) -> None:
    sink = io.BytesIO()
    writer = format_named("parquet").writer(sink, pa.schema([("id", pa.int64())]), WriteOptions())
    writer.write(pa.record_batch({"id": [row * row for row in range(100_000)]}))
    writer.close()
    whole = bytearray(sink.getvalue())
    whole[int(len(whole) * at)] ^= 1
    with pytest.raises(EndpointError, match="theirs"):
        load("parquet", bytes(whole))


def test_columns_of_the_same_name_are_refused() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), sink)
    with pytest.raises(EndpointError, match="theirs has several columns of the same name: a"):
        load("parquet", sink.getvalue())


def test_other_programs_read_our_parquet(tmp_path: Path) -> None:
    path = tmp_path / "ours.parquet"
    rows = pa.table({"id": [1, 2], "price": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2))})
    with path.open("wb") as sink:
        writer = format_named("parquet").writer(sink, rows.schema, WriteOptions(batch_limit=1))
        for batch in rows.to_batches():
            writer.write(batch)
        writer.close()
    read = duckdb.connect().execute(f"select * from '{path}'").fetchall()
    assert read == [(1, Decimal("1.50")), (2, None)]
    assert pq.ParquetFile(path).num_row_groups == 2


# Arrow.


def test_arrow_files_streams_and_feather_are_all_read() -> None:
    table = pa.table({"id": [1, 2], "kind": pa.array(["a", "b"]).dictionary_encode()})
    files = []
    for opener in (pa.ipc.new_file, pa.ipc.new_stream):
        sink = pa.BufferOutputStream()
        with opener(sink, table.schema) as writer:
            writer.write_table(table)
        files.append(sink.getvalue().to_pybytes())
    feather = io.BytesIO()
    pyarrow.feather.write_feather(table, feather, compression="lz4")
    for data in (*files, feather.getvalue()):
        found = load("arrow", data)
        assert types(found) == {"id": pa.int64(), "kind": pa.string()}
        assert found.to_pylist() == table.to_pylist()


def test_a_stream_cut_between_two_batches_is_an_error() -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({"id": [1, 2]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
        writer.write_table(table)
    whole = sink.getvalue().to_pybytes()
    with pytest.raises(EndpointError, match="theirs cannot be read as an Arrow file: it has no end"):
        load("arrow", whole[:-8])


# Excel.


def a_workbook(*sheets: tuple[str, Sequence[Sequence[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


ORDERS: list[list[Any]] = [
    ["id", "name", "price", "day", "at", "hour", "open", "postcode", "mixed", "created at"],
    [1, "Ä", 1.5, date(2024, 1, 31), datetime(2024, 1, 31, 12, 30), time(10, 11, 12), True, "01234", 1, "x"],  # noqa: DTZ001
    [None] * 10,
    [2, None, 2, date(1900, 1, 1), datetime(2024, 1, 31), None, False, "1", "a", None],  # noqa: DTZ001
]


def test_excels_cells_have_their_types_and_empty_rows_are_none() -> None:
    table = load("xlsx", a_workbook(("Orders", ORDERS)))
    assert types(table) == {
        "id": pa.int64(),
        "name": pa.string(),
        "price": pa.float64(),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
        "hour": pa.time64("us"),
        "open": pa.bool_(),
        "postcode": pa.string(),
        "mixed": pa.string(),
        "created at": pa.string(),
    }
    assert table.num_rows == 2
    first = table.to_pylist()[0]
    assert (first["hour"], first["postcode"], first["mixed"]) == (time(10, 11, 12), "01234", "1")


GRID = [[f"{column}{row}" for column in "ABCD"] for row in range(1, 7)]


@pytest.mark.parametrize(
    ("sheet", "header", "columns", "rows"),
    [
        (None, True, ["x"], 1),
        ("Grid", True, ["A1", "B1", "C1", "D1"], 5),
        ("grid", True, ["A1", "B1", "C1", "D1"], 5),
        ("Grid!B2:C4", True, ["B2", "C2"], 2),
        ("Grid!B:C", True, ["B1", "C1"], 5),
        ("Grid!A3:D", True, ["A3", "B3", "C3", "D3"], 3),
        ("'Grid'!$A$1:$B$2", True, ["A1", "B1"], 1),
        ("Grid!B2:C4", False, ["col_001", "col_002"], 3),
        ("Grid", False, ["col_001", "col_002", "col_003", "col_004"], 6),
    ],
)
def test_sheets_and_ranges_are_what_they_say(
    sheet: str | None, header: bool, columns: list[str], rows: int
) -> None:
    book = a_workbook(("First", [["x"], [1]]), ("Grid", GRID))
    table = load("xlsx", book, sheet=sheet, header=header)
    assert table.schema.names == columns
    assert table.num_rows == rows


def test_a_sheet_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no sheet 'Second'. It has First, Grid"):
        load("xlsx", a_workbook(("First", [["x"], [1]]), ("Grid", GRID)), sheet="Second!A1:B2")


def test_excel_reads_our_workbooks() -> None:
    at = datetime(2024, 1, 31, 12, 30, 15)  # noqa: DTZ001
    rows = pa.table(
        {"id": [1], "at": [at], "day": [at.date()], "formula": ["=1+1"], "text": ["a\r\nb _x0041_"]}
    )
    sink = io.BytesIO()
    writer = format_named("xlsx").writer(sink, rows.schema, WriteOptions())
    for batch in rows.to_batches():
        writer.write(batch)
    writer.close()
    sheet = openpyxl.load_workbook(io.BytesIO(sink.getvalue())).active
    (header, row) = sheet.iter_rows(values_only=True)
    assert header == ("id", "at", "day", "formula", "text")
    assert row[:3] == (1, at, datetime(2024, 1, 31))  # noqa: DTZ001
    assert sheet["D2"].data_type == "s"
    assert load("xlsx", sink.getvalue()).to_pylist()[0]["text"] == "a\r\nb _x0041_"


# XML.


def xml(text: str, **options: Any) -> list[dict[str, Any]]:
    return load("xml", text.encode(), **options).to_pylist()


def test_the_repeated_element_is_the_record_wherever_it_is() -> None:
    row = "<order id='7'><total>1.5</total><line n='1'>a</line><line n='2'>b</line><empty/></order>"
    wanted = {
        "_id": 7,
        "total": Decimal("1.5"),
        "line": '[{"_n":"1","_text":"a"},{"_n":"2","_text":"b"}]',
        "empty": "",
    }
    for text in (
        f"<orders>{row}{row}</orders>",
        f"<feed><title>t</title><orders>{row}{row}</orders></feed>",
        f"<feed><title>t</title>{row}<link/><link/>{row}</feed>",
        f"<s:shop xmlns:s='u'><s:orders>{row}{row}</s:orders></s:shop>",
    ):
        assert xml(text) == [wanted, wanted]


def test_one_record_is_found_without_another() -> None:
    assert xml("<rows><row><a>1</a><b>x</b></row></rows>") == [{"a": 1, "b": "x"}]
    assert xml("<rows/>") == []


def test_nested_elements_are_flattened_as_deep_as_is_wished() -> None:
    text = "<r><x><a><b>1</b></a></x><x><a><b>2</b></a></x></r>"
    assert xml(text) == [{"a__b": 1}, {"a__b": 2}]
    assert xml(text, flatten=1) == [{"a": '{"b":"1"}'}, {"a": '{"b":"2"}'}]
    assert xml(text, flatten=False) == [{"data": '{"a":{"b":"1"}}'}, {"data": '{"a":{"b":"2"}}'}]


def test_other_encodings_are_read_as_the_document_says() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><r><x><a>ä</a></x></r>'
    assert load("xml", text.encode("latin-1")).to_pylist() == [{"a": "ä"}]


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        "<!DOCTYPE r>",
    ],
)
def test_a_document_type_and_with_it_every_entity_is_refused(doctype: str) -> None:
    with pytest.raises(EndpointError, match="document type"):
        xml(f"{doctype}<r><x><a>&a;</a></x></r>")


def test_a_document_cut_short_is_an_error_with_its_line() -> None:
    with pytest.raises(EndpointError, match=r"theirs:2: this is no XML"):
        xml("<r>\n<x><a>1</a></x><x><a>")


# Avro.


def an_avro_file(fields: list[dict[str, Any]], *rows: dict[str, Any], codec: str = "null") -> bytes:
    sink = io.BytesIO()
    fastavro.writer(sink, {"type": "record", "name": "r", "fields": fields}, rows, codec=codec)
    return sink.getvalue()


def test_avros_logical_types_are_what_they_say() -> None:
    logical = {
        "price": ("bytes", "decimal", Decimal("1.50"), pa.decimal128(10, 2)),
        "day": ("int", "date", date(2024, 1, 31), pa.date32()),
        "at": ("long", "timestamp-micros", NOON.replace(tzinfo=UTC), pa.timestamp("us", "UTC")),
        "milli": ("long", "timestamp-millis", datetime(2024, 1, 31, tzinfo=UTC), pa.timestamp("us", "UTC")),
        "local": ("long", "local-timestamp-micros", NOON, pa.timestamp("us")),
        "time": ("long", "time-micros", time(10, 11, 12, 5), pa.time64("us")),
        "id": ("string", "uuid", ID, pa.uuid()),
    }
    fields = [
        {"name": name, "type": ["null", {"type": base, "logicalType": kind, "precision": 10, "scale": 2}]}
        for name, (base, kind, _, _) in logical.items()
    ]
    row = {name: value for name, (_, _, value, _) in logical.items()}
    table = load("avro", an_avro_file(fields, row, dict.fromkeys(row), codec="deflate"))
    assert types(table) == {name: kind for name, (_, _, _, kind) in logical.items()}
    assert table.to_pylist() == [row, dict.fromkeys(row)]


def test_avros_nested_types_and_unions_are_what_they_say() -> None:
    point = {"type": "record", "name": "point", "fields": [{"name": "x", "type": "int"}]}
    fields: list[dict[str, Any]] = [
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["A", "B"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "here", "type": point},
        {"name": "there", "type": ["null", "point"]},
        {"name": "counts", "type": {"type": "map", "values": "long"}},
        {"name": "either", "type": ["int", "long"]},
        {"name": "any", "type": ["null", "string", {"type": "array", "items": "int"}]},
    ]
    row = {"kind": "A", "tags": ["a"], "here": {"x": 1}, "there": None, "counts": {"n": 1}, "either": 5}
    table = load("avro", an_avro_file(fields, {**row, "any": [1]}, {**row, "any": "text"}))
    assert types(table) == {
        "kind": pa.string(),
        "tags": pa.list_(pa.string()),
        "here": pa.struct([("x", pa.int32())]),
        "there": pa.struct([("x", pa.int32())]),
        "counts": pa.map_(pa.string(), pa.int64()),
        "either": pa.int64(),
        "any": pa.json_(),
    }
    assert table.column("any").to_pylist() == ["[1]", '"text"']


def test_a_type_within_itself_is_refused() -> None:
    fields = [{"name": "next", "type": ["null", "r"]}]
    with pytest.raises((LossyTypeError, EndpointError), match="within itself"):
        load("avro", an_avro_file(fields, {"next": None}))


def test_fastavro_reads_our_files() -> None:
    rows = pa.table({"created at": pa.array([NOON.replace(tzinfo=UTC)]), "price": [Decimal("1.50")]})
    sink = io.BytesIO()
    writer = format_named("avro").writer(sink, rows.schema, WriteOptions())
    for batch in rows.to_batches():
        writer.write(batch)
    writer.close()
    assert list(fastavro.reader(io.BytesIO(sink.getvalue()))) == [
        {"created_at": NOON.replace(tzinfo=UTC), "price": Decimal("1.50")}
    ]
    assert load("avro", sink.getvalue()).schema == plain_schema(rows.schema)


# JSON Lines.


def test_pandas_and_duckdbs_json_lines_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "name": ["a", None], "x": [1.5, 2.25]})
    wanted = [{"id": 1, "name": "a", "x": Decimal("1.5")}, {"id": 2, "name": None, "x": Decimal("2.25")}]
    theirs = frame.to_json(orient="records", lines=True)
    assert load("jsonlines", theirs.encode()).to_pylist() == wanted
    assert load("json", frame.to_json(orient="records").encode()).to_pylist() == wanted
    path = tmp_path / "duck.json"
    duckdb.connect().execute(f"copy (select 1 id, [1, 2] l, date '2024-01-31' d) to '{path}'")
    assert load("json", path.read_bytes()).to_pylist() == [{"id": 1, "l": "[1,2]", "d": date(2024, 1, 31)}]
