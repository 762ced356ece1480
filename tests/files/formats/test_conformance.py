"""Every format that there is, with every compression: values come back, or are refused by name.

The table is made of the registries: a new format or a new compression is in it as soon as it is there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import EndpointError, LossyTypeError
from mainstem.files.compression import COMPRESSIONS, compressing, uncompressed
from mainstem.files.formats import FORMATS, OpenFile, ReadOptions, WriteOptions, format_named
from mainstem.files.formats.fitting import fit_column, plain_type
from mainstem.files.formats.json_text import json_text
from mainstem.files.formats.texts import from_texts
from mainstem.types import cast_values

# Nested records become columns, one level of them: what each written row was.
OPTIONS = ReadOptions(flatten=1)

CASES = [
    (name, compression)
    for name in FORMATS
    for compression in (COMPRESSIONS if format_named(name).compressible else ["none"])
]
table_of_formats = pytest.mark.parametrize(("name", "compression"), CASES)
every_format = pytest.mark.parametrize("name", list(FORMATS))
# Any text is a CSV file, and half of one is one too; it is the compression that has an end.
told_from_others = pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
with_an_end = pytest.mark.parametrize(
    ("name", "compression"),
    [case for case in CASES if case not in (("csv", "none"), ("csv", "snappy"))],
)

# These have one way to write both an empty text and NULL.
EMPTY_IS_NULL = {"csv", "xlsx"}

MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=20)

VALUES: Sequence[tuple[pa.DataType, st.SearchStrategy[Any]]] = (
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint8(), st.integers(0, 2**8 - 1)),
    (pa.uint32(), st.integers(0, 2**32 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.decimal64(9, 2), st.decimals(-9999999, 9999999, places=2)),
    (pa.decimal128(38, 18), st.decimals(-(10**19), 10**19, places=18)),
    (pa.decimal128(20, 0), st.decimals(-(10**19), 10**19, places=0)),
    (pa.string(), TEXTS),
    (pa.string(), PRINTABLE),
    (pa.binary(), st.binary(max_size=20)),
    (pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("ns"), st.integers(-(2**62), 2**62)),
    (pa.timestamp("us", "UTC"), MOMENTS.map(lambda at: at.replace(tzinfo=timezone.utc))),
    (pa.uuid(), st.uuids().map(lambda value: value.bytes)),
    (pa.json_(), st.sampled_from(['{"a": [1, 2.50, "x\\n"]}', '"text"', "[]", "12", "true"])),
    (pa.list_(pa.int64()), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3)),
    (pa.list_(pa.string()), st.lists(st.none() | PRINTABLE, max_size=3)),
    (
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        st.fixed_dictionaries({"a": st.none() | st.integers(0, 9), "b": st.none() | PRINTABLE}),
    ),
    (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(PRINTABLE, st.integers(0, 9)).map(lambda found: [*found.items()]),
    ),
    (pa.large_string(), PRINTABLE),
    (pa.dictionary(pa.int32(), pa.string()), PRINTABLE),
)


def an_array(values: Sequence[Any], kind: Any) -> pa.Array[Any]:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    array: pa.Array[Any] = pa.array(values, kind)
    return array


@st.composite
def columns(draw: st.DrawFn) -> pa.Array[Any]:
    kind, values = draw(st.sampled_from(VALUES))
    return an_array(draw(st.lists(st.none() | values, min_size=1, max_size=5)), kind)


def a_file(data: bytes, name: str = "a.file") -> OpenFile:
    return OpenFile(name, lambda: io.BytesIO(data), size=len(data))


def written(name: str, table: pa.Table, compression: str = "none") -> OpenFile:
    sink = io.BytesIO()
    with compressing(sink, compression, f"rows.{name}") as packed:
        writer = format_named(name).writer(packed, table.schema, WriteOptions())
        for batch in table.to_batches():
            writer.write(batch)
        writer.close()
    (file,) = uncompressed(a_file(sink.getvalue(), f"rows.{name}"), compression)
    return file


def read(name: str, file: OpenFile, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(format_named(name).read(file, schema, OPTIONS), schema)


def load(name: str, packed: OpenFile, compression: str) -> list[pa.Table]:
    files = uncompressed(packed, compression)
    return [read(name, file, format_named(name).describe([file], OPTIONS)) for file in files]


def plain(values: pa.Array[Any]) -> pa.Array[Any]:
    return fit_column(values, pa.field("v", plain_type(values.type)), "")


def shown(name: str, values: pa.Array[Any]) -> list[str | None]:
    """The values as JSON, which tells not a number from NULL, and one sign of zero from the other."""
    texts = json_text(values).to_pylist()
    return [None if name in EMPTY_IS_NULL and text == '""' else text for text in texts]


def as_original(name: str, values: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    """What is written as text is the value again where the text is read as its type."""
    if pa.types.is_floating(values.type) and pa.types.is_decimal(kind):
        values = values.cast(pa.string())
    if not pa.types.is_string(values.type) or pa.types.is_string(kind):
        return fit_column(values, pa.field("v", kind), "")
    texts = [None if name in EMPTY_IS_NULL and text == "" else text for text in values.to_pylist()]
    return from_texts(pa.array(texts, pa.string()), kind)


def nested(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or isinstance(kind, pa.JsonType)


def canonical(texts: pa.Array[Any]) -> list[str]:
    """Blanks between JSON's tokens are no part of a value; and some write NULL and nothing alike."""
    return [(text or "").replace(" ", "") for text in texts.to_pylist()]


@every_format
@settings(max_examples=150, deadline=None, derandomize=True)
@given(values=columns())
def test_a_value_comes_back_as_it_left_or_its_column_is_refused(name: str, values: pa.Array[Any]) -> None:
    # Beside a column that is never NULL: a row has something in it.
    table = pa.table({"n": pa.array(range(len(values))), "v": values})
    try:
        becomes = format_named(name).written_type(table.schema.field("v")).type
        file = written(name, table)
    except LossyTypeError as error:
        assert "v" in str(error)  # noqa: PT017 - it is one of two ways to be right
        return
    kind = becomes if nested(values.type) or pa.types.is_string(becomes) else plain_type(values.type)
    back: Any = read(name, file, pa.schema([("v", kind)])).column("v").combine_chunks()
    assert back.type == kind
    original: Any = plain(values)
    if nested(values.type) and not pa.types.is_nested(kind):
        found = canonical(back.cast(pa.string()) if isinstance(kind, pa.JsonType) else back)
        assert found in (canonical(json_text(original)), canonical(cast_values(original, pa.string())))
    else:
        assert shown(name, as_original(name, back, original.type)) == shown(name, original)


@every_format
@settings(max_examples=60, deadline=None, derandomize=True)
@given(values=columns())
def test_what_describe_tells_of_a_written_file_holds_its_values(name: str, values: pa.Array[Any]) -> None:
    table = pa.table({"n": pa.array(range(len(values))), "v": values})
    try:
        file = written(name, table)
    except LossyTypeError:
        return
    schema = format_named(name).describe([file], OPTIONS)
    assert schema.names in (["n", "v"], ["n"])
    rows = read(name, file, schema)
    assert rows.schema == schema
    assert rows.num_rows == len(values)
    assert rows.column("n").to_pylist() == list(range(len(values)))


def shop(rows: int = 1000) -> pa.Table:
    at = datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "name": [f"Ünï {number}" if number % 3 else None for number in range(rows)],
            "price": pa.array([Decimal(number) / 100 for number in range(rows)], pa.decimal128(12, 2)),
            "sold": pa.array([at.replace(microsecond=number * 100) for number in range(rows)]),
            "day": pa.array([date(2024, 1, 1 + number % 28) for number in range(rows)]),
            "at": pa.array([time(number % 24, 1, 2) for number in range(rows)], pa.time64("us")),
            "open": pa.array([number % 2 == 0 for number in range(rows)]),
        }
    )


@table_of_formats
def test_a_table_comes_back_through_every_format_and_compression(name: str, compression: str) -> None:
    table = shop()
    file = written(name, table, compression)
    schema = format_named(name).describe([file], OPTIONS)
    assert schema.names == table.schema.names
    rows = read(name, file, schema).combine_chunks()
    for field in table.schema:
        values: Any = rows.column(field.name).combine_chunks()
        wanted: Any = table.column(field.name).combine_chunks()
        assert shown(name, as_original(name, values, field.type)) == shown(name, wanted)


@table_of_formats
def test_a_table_without_rows_comes_back(name: str, compression: str) -> None:
    file = written(name, shop(0), compression)
    schema = format_named(name).describe([file], OPTIONS)
    assert set(schema.names) <= set(shop(0).schema.names)
    assert read(name, file, shop(0).schema).num_rows == 0


@with_an_end
def test_a_file_cut_short_is_an_error_that_names_it(name: str, compression: str) -> None:
    sink = io.BytesIO()
    with compressing(sink, compression, f"rows.{name}") as packed:
        writer = format_named(name).writer(packed, shop().schema, WriteOptions())
        for batch in shop().to_batches():
            writer.write(batch)
        writer.close()
    whole = sink.getvalue()
    cut = a_file(whole[: len(whole) * 2 // 3], f"cut.{name}")
    with pytest.raises(EndpointError, match=f"cut.{name}"):
        load(name, cut, compression)


@told_from_others
def test_what_is_no_such_file_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(EndpointError, match=r"wrong\.file"):
        format_named(name).describe([a_file(b"\x00\x01nothing of this kind", "wrong.file")], OPTIONS)


@every_format
def test_a_column_that_a_file_lacks_is_null_and_others_are_left_out(name: str) -> None:
    schema = pa.schema([("extra", pa.uuid()), ("id", pa.int64())])
    format_ = format_named(name)
    file = written(name, shop(3))
    format_.describe([file], OPTIONS)
    rows = pa.Table.from_batches(format_.read(file, schema, OPTIONS), schema)
    assert rows.to_pylist() == [{"extra": None, "id": number} for number in range(3)]


@every_format
def test_columns_of_several_files_are_put_together_by_name(name: str) -> None:
    one = written(name, pa.table({"id": [1], "a": ["x"]}))
    two = written(name, pa.table({"b": [True], "id": [2]}))
    assert format_named(name).describe([one, two], OPTIONS).names == ["id", "a", "b"]


@every_format
def test_a_value_that_breaks_its_type_is_named_with_its_file_and_column(name: str) -> None:
    file = written(name, pa.table({"id": [1, 2], "v": ["12", "twelve"]}))
    with pytest.raises(LossyTypeError, match=r"rows\..*: column v is int64, but holds 'twelve'") as caught:
        read(name, file, pa.schema([("v", pa.int64())]))
    assert getattr(caught.value, "wider", None) == pa.string()


@every_format
def test_a_file_that_is_given_up_takes_no_more_once_its_sink_is_closed(name: str) -> None:
    sink = io.BytesIO()
    writer = format_named(name).writer(sink, shop().schema, WriteOptions())
    writer.write(shop().to_batches()[0])
    begun = len(sink.getvalue())
    del writer
    assert len(sink.getvalue()) == begun
