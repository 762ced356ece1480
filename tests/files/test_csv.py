from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any, BinaryIO, cast

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import ConfigError, EndpointError, LossyTypeError, ValueBreaksTypeError
from mainstem.files.formats import OpenFile, ReadOptions, WriteOptions, format_named
from mainstem.types import type_name

CSV = format_named("csv")
# The stubs know no mapping of different types.
Schema: Any = pa.schema
Rows = list[tuple[Any, ...]]


def file_of(data: str | bytes, name: str = "a.csv") -> OpenFile:
    raw = data.encode() if isinstance(data, str) else data
    return OpenFile(name, lambda: cast("BinaryIO", io.BytesIO(raw)))


def read(data: str | bytes, **options: Any) -> tuple[list[str], Rows]:
    file, said = file_of(data), ReadOptions.of(options)
    schema = CSV.describe([file], said)
    batches = list(CSV.read(file, schema, said))
    assert all(batch.schema == schema for batch in batches)
    return schema.names, [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def types(data: str | bytes, **options: Any) -> list[str]:
    return [type_name(field.type) for field in CSV.describe([file_of(data)], ReadOptions.of(options))]


def test_columns_have_names_and_types() -> None:
    text = "id,Größe (m),at,note\n1,1.50,2024-01-02,x\n2,,2024-01-03,\n"
    assert read(text)[0] == ["id", "grosse__m_", "at", "note"]
    assert types(text) == ["int64", "decimal128(24, 6)", "date32[day]", "string"]
    assert read(text, select=None)[1][1][-1] == ""


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiter_and_line_ends_are_found(delimiter: str, end: str) -> None:
    rows = [["a", "b", "c"], ["1", "x, y; z", "2024-01-01"], ["2", 'say "hi"', ""]]
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, lineterminator=end).writerows(rows)
    names, found = read(sink.getvalue())
    assert names == ["a", "b", "c"]
    assert [row[1] for row in found] == ["x, y; z", 'say "hi"']


def test_quoted_fields_hold_delimiters_quotes_and_lines() -> None:
    assert read('a,b\n"1,\n2","say ""hi"""\n')[1] == [("1,\n2", 'say "hi"')]
    assert read("a,b\n'1,2',x\n", quote="'")[1] == [("1,2", "x")]
    assert read('a,b\n"1 \\"2\\"",x\n', escape="\\")[1] == [('1 "2"', "x")]
    assert read('a,b\n1",2\n', quote="")[1] == [('1"', 2)]


def test_without_a_header_columns_are_numbered() -> None:
    assert read("1,x\n2,y\n", header=False) == (["col_001", "col_002"], [(1, "x"), (2, "y")])


def test_lines_before_the_header_are_passed_over() -> None:
    assert read("made by hand,\n\na,b\n1,2\n", skip_lines=1) == (["a", "b"], [(1, 2)])


def test_names_are_told_apart_and_may_be_missing() -> None:
    assert read("a,A,,a,1\n1,2,3,4,5\n")[0] == ["a", "a_1", "col", "a_2", "_1"]


@pytest.mark.parametrize(
    ("encoding", "python"),
    [
        ("latin1", "latin-1"),
        ("windows1252", "cp1252"),
        ("latin9", "iso8859-15"),
        ("utf16", "utf-16"),
        ("utf8_bom", "utf-8-sig"),
        (None, "utf-8-sig"),
        (None, "utf-16"),
        (None, "utf-8"),
    ],
)
def test_encodings(encoding: str | None, python: str) -> None:
    data = "größe,b\nÄpfel,1\n".encode(python)
    assert read(data, encoding=encoding) == (["grosse", "b"], [("Äpfel", 1)])


def test_another_encoding_is_told_by_the_files_name() -> None:
    with pytest.raises(EndpointError, match=r"a\.csv is not UTF-8\. Say which `encoding`"):
        read("größe\n1\n".encode("latin-1"))
    late = b"a\n" + b"1\n" * 500_000 + b"\xff\n"
    with pytest.raises(EndpointError, match=r"a\.csv is not UTF-8"):
        list(CSV.read(file_of(late), pa.schema([("a", pa.string())]), ReadOptions()))


def test_null_is_what_null_if_says_and_nothing_but_in_text() -> None:
    text = 'n,t\nNULL,NULL\n,\n5,""\n'
    assert read(text)[1] == [(None, None), (None, ""), (5, "")]
    assert read(text, empty_as_null=True)[1] == [(None, None), (None, None), (5, None)]
    assert read("n,t\n-,-\n1,NULL\n", null_if="-")[1] == [(None, None), (1, "NULL")]


def test_short_rows_end_in_null_and_stay_in_their_place() -> None:
    rows = "a,b,c\n" + "".join(f"{n},x,y\n" if n % 7 else f"{n}\n" for n in range(1000))
    found = read(rows)[1]
    assert [row[0] for row in found] == list(range(1000))
    assert found[7] == (7, None, None)
    with pytest.raises(EndpointError, match=r"a\.csv:2: the row has 1 fields, but there are 3 columns"):
        read(rows, fields_per_rec=3)


def test_long_rows_are_an_error_where_something_would_be_lost() -> None:
    assert read("a,b\n1,2,,\n")[1] == [(1, 2)]
    with pytest.raises(EndpointError, match=r"a\.csv:4: the row has 3 fields, but there are 2 columns"):
        read('a,b\n"x\ny",2\n1,2,3\n')


def test_a_quote_that_is_never_closed_is_told() -> None:
    with pytest.raises(EndpointError, match=r"a\.csv:3: a quote is never closed"):
        read('a,b\n1,2\n"3,4\n5,6\n')


def test_a_quote_that_would_swallow_the_rest_of_the_file_is_told() -> None:
    with pytest.raises(EndpointError, match=r"a\.csv: a quote is never closed, so that"):
        read('a,b\n1,"2\n3,4\n5,6\n')
    with pytest.raises(EndpointError, match=r"a\.csv: a quote is never closed, so that"):
        read('a\n"1\n2\n')
    assert read('a,b\n1,5" pipe\n2,x\n')[1] == [(1, '5" pipe'), (2, "x")]


def test_blank_lines_are_no_rows_but_in_a_single_column() -> None:
    assert read("a,b\n1,2\n\n3,4\n\n\n")[1] == [(1, 2), (3, 4)]
    assert read("a\nx\n\ny\n")[1] == [("x",), ("",), ("y",)]
    assert read("a\nx\n\ny\n", skip_blank_lines=True)[1] == [("x",), ("y",)]


@pytest.mark.parametrize("data", ["", "\n", "a,b", "a,b\n", "\ufeffa,b\n"])
def test_a_file_without_rows_has_none(data: str) -> None:
    assert read(data)[1] == []


def test_the_last_line_may_lack_its_end() -> None:
    assert read("a,b\n1,2")[1] == [(1, 2)]


def test_a_value_beyond_the_sample_names_file_line_column_and_value() -> None:
    text = "id,t\n" + '1,"two\nlines"\n' * 1000 + "12.5,x\n"
    with pytest.raises(ValueBreaksTypeError) as caught:
        read(text)
    error = caught.value
    assert (error.file, error.line, error.column, error.value) == ("a.csv", 2002, "id", "12.5")
    assert error.wider == pa.decimal128(38, 6)
    assert str(error) == (
        "a.csv:2002: column id is int64, but holds '12.5'. Declare it: `columns: {id: string}`."
    )
    assert types(text, sample_size=2000)[0] == "decimal128(24, 6)"


def test_columns_are_read_as_they_are_asked_for() -> None:
    file = file_of("a,b,c\n007,2,3\n")
    schema = Schema({"c": pa.decimal128(38, 6), "a": pa.string(), "gone": pa.int64()})
    (batch,) = CSV.read(file, schema, ReadOptions())
    assert [str(value) for value in batch.to_pylist()[0].values()] == ["3.000000", "007", "None"]


def test_files_of_one_stream_are_put_together_by_name() -> None:
    files = [file_of("a,b\n1,x\n"), file_of("b,c,a\ny,2024-01-01,1.5\n"), file_of(""), file_of("a\n\n")]
    schema = CSV.describe(files, ReadOptions())
    assert {field.name: type_name(field.type) for field in schema} == {
        "a": "decimal128(38, 6)",
        "b": "string",
        "c": "date32[day]",
    }
    rows = [
        row
        for file in files[:2]
        for batch in CSV.read(file, schema, ReadOptions())
        for row in batch.to_pylist()
    ]
    assert [(str(row["a"]), row["b"], str(row["c"])) for row in rows] == [
        ("1.000000", "x", "None"),
        ("1.500000", "y", "2024-01-01"),
    ]


@pytest.mark.parametrize("option", [{"delimiter": "::"}, {"quote": "''"}, {"escape": "ä"}])
def test_an_option_that_makes_no_sense_is_told(option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"`{next(iter(option))}` is"):
        read("a\n1\n", **option)


def test_long_rows_are_read_and_none_twice() -> None:
    lengths = [1, 2_000_000, 1, 10_000_000, 5] * 3
    rows = [f"{number},{'x' * length}" for number, length in enumerate(lengths)]
    schema = Schema({"n": pa.int64(), "t": pa.string()})
    text = "n,t\n" + "0,y\n" * 200_000 + "\n".join(rows)
    batches = list(CSV.read(file_of(text), schema, ReadOptions()))
    numbers = [number for batch in batches for number in batch.column(0).to_pylist()]
    assert numbers == [0] * 200_000 + list(range(len(rows)))
    assert [len(batch.column(1)[row].as_py()) for batch in batches for row in range(batch.num_rows)][
        200_000:
    ] == lengths


def test_a_row_longer_than_a_block_is_told() -> None:
    with pytest.raises(EndpointError, match=r"a\.csv: a row is longer than 32 MiB"):
        list(
            CSV.read(
                file_of("a,b\n1," + "x" * 70_000_000 + "\n"), pa.schema([("a", pa.string())]), ReadOptions()
            )
        )


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    writer = CSV.writer(sink, table.schema, WriteOptions.of(options))
    for batch in table.to_batches():
        writer.write(batch)
    writer.close()
    return sink.getvalue()


def test_what_is_written_is_told_apart_by_others() -> None:
    table = pa.table({"n": [1, None], "t": ['a "b", c\nd', ""], "f": [1.5, None], "b": [True, False]})
    assert list(csv.reader(io.StringIO(written(table).decode(), newline=""))) == [
        ["n", "t", "f", "b"],
        ["1", 'a "b", c\nd', "1.5", "true"],
        ["", "", "", "false"],
    ]
    assert written(table, header=False, delimiter=";").startswith(b'1;"a ""b"", c')


def test_encodings_are_written_or_refused() -> None:
    table = pa.table({"t": ["größe", "€"]})
    assert "größe" in written(table.slice(0, 1), encoding="latin1").decode("latin-1")
    assert written(table, encoding="utf16").decode("utf-16").endswith('"€"\n')
    with pytest.raises(LossyTypeError, match="'€' cannot be written in latin1"):
        written(table, encoding="latin1")


def test_dates_are_written_in_the_users_layout() -> None:
    table = pa.table({"d": pa.array([0], pa.date32()), "t": pa.array([0], pa.timestamp("us", "UTC"))})
    assert written(table, datetime_format="DD.MM.YYYY HH:mm").splitlines()[1].replace(b'"', b"") == (
        b"01.01.1970 00:00,01.01.1970 00:00"
    )


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20), st.integers(-9, 9)
        ),
        min_size=1,
    )
)
@settings(deadline=None, max_examples=60)
def test_any_text_survives_the_way_through_a_file(rows: list[tuple[str, int]]) -> None:
    table = pa.table({"t": [text for text, _ in rows], "n": [number for _, number in rows]})
    schema = Schema({"t": pa.string(), "n": pa.int64()})
    options = ReadOptions.of({"null_if": "", "delimiter": ","})
    batches = list(CSV.read(file_of(written(table)), schema, options))
    assert [tuple(row.values()) for batch in batches for row in batch.to_pylist()] == rows


def test_files_of_other_programs_have_the_right_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [1, 2], "price": [1.25, None], "at": [pd.Timestamp("2024-01-02 03:04:05"), pd.NaT]}
    )
    frame.to_csv(tmp_path / "pandas.csv", index=False)
    duckdb.sql(
        "copy (select 1 as id, 1.25 as price, timestamptz '2024-01-02 03:04:05+00' as at, true as ok)"
        f" to '{tmp_path / 'duck.csv'}' (header, delimiter ';')"
    )
    found = {path.stem: types(path.read_bytes()) for path in sorted(tmp_path.iterdir())}
    assert found == {
        "duck": ["int64", "decimal128(24, 6)", "timestamp[us, tz=UTC]", "bool"],
        "pandas": ["int64", "decimal128(24, 6)", "timestamp[us]"],
    }


def test_random_dialects_are_read_as_pythons_own_reader_does() -> None:
    chance = random.Random(7)  # noqa: S311 - the same in every run
    letters = 'ab ,;|\t"\n1é'
    for _ in range(40):
        delimiter = chance.choice(",;|\t")
        rows = [
            ["x" + "".join(chance.choices(letters, k=chance.randrange(6))) for _ in range(3)]
            for _ in range(30)
        ]
        sink = io.StringIO(newline="")
        csv.writer(sink, delimiter=delimiter, lineterminator="\n").writerows([["a", "b", "c"], *rows])
        assert [list(row) for row in read(sink.getvalue(), delimiter=delimiter)[1]] == rows
