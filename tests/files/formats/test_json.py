"""JSON and JSON Lines: records wherever they are, flattened as deep as is wished, exact to the digit."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mainstem.errors import ConfigError, EndpointError, ValueBreaksTypeError
from mainstem.files.formats import OpenFile, ReadOptions, format_named


def a_file(text: str | bytes, name: str = "a.json") -> OpenFile:
    data = text if isinstance(text, bytes) else text.encode()
    return OpenFile(name, lambda: io.BytesIO(data), size=len(data))


def load(text: str | bytes, name: str = "json", **options: Any) -> pa.Table:
    read = ReadOptions(**{"flatten": True, **options})
    json = format_named(name)
    schema = json.describe([a_file(text)], read)
    return pa.Table.from_batches(json.read(a_file(text), schema, read), schema)


def rows(text: str | bytes, **options: Any) -> list[dict[str, Any]]:
    return load(text, **options).to_pylist()


def types(text: str, **options: Any) -> dict[str, pa.DataType]:
    schema = load(text, **options).schema
    return dict(zip(schema.names, schema.types, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": 1}, {"id": 2}]',
        '{"id": 1}\n{"id": 2}\n',
        '{"id": 1}{"id": 2}',
        '{"id": 1}, {"id": 2}',
        '\ufeff[\n{"id": 1}\n,\n{"id": 2}]\n',
        '{"data": [{"id": 1}, {"id": 2}], "count": 2}',
        '{"records": [{"id": 1}, {"id": 2}]}',
        '[{"id": 1}][{"id": 2}]',
    ],
)
def test_records_are_found_however_they_stand_in_a_file(text: str) -> None:
    assert rows(text) == [{"id": 1}, {"id": 2}]


def test_one_object_is_one_record() -> None:
    assert rows('{"id": 1, "data": [1, 2]}') == [{"id": 1, "data": "[1,2]"}]


@pytest.mark.parametrize("text", ["", "[]", " \n"])
def test_a_file_without_records_has_no_columns(text: str) -> None:
    assert load(text).schema.names == []


NESTED = '[{"id": 1, "a": {"b": {"c": 2, "d": [1.50, {"e": null}]}}, "empty": {}}]'


@pytest.mark.parametrize(
    ("flatten", "columns"),
    [
        (True, {"id": 1, "a__b__c": 2, "a__b__d": '[1.50,{"e":null}]', "empty": "{}"}),
        (0, {"id": 1, "a__b__c": 2, "a__b__d": '[1.50,{"e":null}]', "empty": "{}"}),
        (2, {"id": 1, "a__b": '{"c":2,"d":[1.50,{"e":null}]}', "empty": "{}"}),
        (1, {"id": 1, "a": '{"b":{"c":2,"d":[1.50,{"e":null}]}}', "empty": "{}"}),
        (False, {"data": '{"id":1,"a":{"b":{"c":2,"d":[1.50,{"e":null}]}},"empty":{}}'}),
        (-1, {"data": '{"id":1,"a":{"b":{"c":2,"d":[1.50,{"e":null}]}},"empty":{}}'}),
    ],
)
def test_records_are_flattened_as_deep_as_is_wished(flatten: Any, columns: dict[str, Any]) -> None:
    assert rows(NESTED, flatten=flatten) == [columns]


def test_two_values_that_would_be_one_column_are_refused() -> None:
    with pytest.raises(EndpointError, match=r"a\.json:2: two values of a record would be the column a__b"):
        load('[\n{"a__b": 1, "a": {"b": 2}}]')


def test_values_have_the_types_that_json_says_and_texts_those_of_dates() -> None:
    text = """[{"whole": 1, "big": 12345678901234567890, "fraction": 1.25,
        "long": 0.12345678901234567890123,
        "scientific": 1e-7, "yes": true, "day": "2024-01-31", "at": "2024-01-31T10:11:12.5",
        "instant": "2024-01-31T10:11:12+02:00", "postcode": "01234", "phone": "4711", "list": [1],
        "none": null,
        "mixed": 1}, {"mixed": "a"}]"""
    assert types(text) == {
        "whole": pa.int64(),
        "big": pa.decimal128(20, 0),
        "fraction": pa.decimal128(24, 6),
        "long": pa.decimal128(38, 23),
        "scientific": pa.float64(),
        "yes": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us"),
        "instant": pa.timestamp("us", "UTC"),
        "postcode": pa.string(),
        "phone": pa.string(),
        "list": pa.json_(),
        "none": pa.string(),
        "mixed": pa.string(),
    }
    (first, second) = rows(text)
    assert first["long"] == Decimal("0.12345678901234567890123")
    assert first["big"] == Decimal("12345678901234567890")
    assert (first["day"], first["at"]) == (date(2024, 1, 31), datetime(2024, 1, 31, 10, 11, 12, 500000))  # noqa: DTZ001
    assert (first["mixed"], second["mixed"]) == ("1", "a")


def test_measurements_with_all_the_digits_of_a_float_are_floats() -> None:
    assert types('[{"x": 0.8444218515250481}, {"x": 0.7579544029403025}]') == {"x": pa.float64()}


def test_not_a_number_is_a_float_and_null_is_null() -> None:
    assert str(rows('[{"x": NaN}, {"x": null}, {"x": "Infinity"}, {"x": 1.5}]')) == (
        "[{'x': nan}, {'x': None}, {'x': inf}, {'x': 1.5}]"
    )


def test_an_empty_text_is_no_null() -> None:
    assert rows('[{"a": ""}, {"a": null}, {"a": "NULL"}]') == [{"a": ""}, {"a": None}, {"a": "NULL"}]


def test_jmespath_finds_the_records() -> None:
    text = '{"shop": {"orders": [{"id": 1, "total": 9.5}, {"id": 2, "total": 10.50}]}}'
    assert rows(text, jmespath="shop.orders[?total > `10`]") == [{"id": 2, "total": Decimal("10.500000")}]
    assert load(text, jmespath="nothing.here").num_rows == 0


def test_jmespath_looks_at_each_line_of_json_lines() -> None:
    text = '{"items": [{"id": 1}, {"id": 2}]}\n{"items": [{"id": 3}]}\n'
    assert [row["id"] for row in rows(text, name="jsonlines", jmespath="items[]")] == [1, 2, 3]


def test_a_jmespath_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be carried out"):
        load("{}", jmespath="a[")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[{"id": 1},\n{"id": ]', 2),
        ('{"id": 1}\nnot json\n', 2),
        ('[{"id": 1}\n{"id": 2}]', 2),
        ('[{"id": 1}', 1),
    ],
)
def test_what_is_no_json_is_an_error_that_names_file_and_line(text: str, line: int) -> None:
    with pytest.raises(EndpointError, match=rf"a\.json:{line}: this is no JSON"):
        load(text)


def test_a_value_that_breaks_its_type_is_named_with_file_line_and_column() -> None:
    text = '{"n": 1}\n' * 1000 + '{"n": "many"}\n'
    with pytest.raises(
        ValueBreaksTypeError, match=r"a\.json:1001: column n is int64, but holds 'many'"
    ) as caught:
        load(text, name="jsonlines")
    assert caught.value.wider == pa.string()


@pytest.mark.parametrize(
    ("first", "later", "wider"),
    [
        ("1", "1.5", pa.decimal128(25, 6)),
        ("true", "1", pa.string()),
        ('"a"', "[1]", None),
        ('"2024-01-31"', '"2024-01-31T10:00:00"', pa.timestamp("us")),
        ("null", "1", None),
    ],
)
def test_a_wider_type_holds_both(first: str, later: str, wider: pa.DataType | None) -> None:
    text = f'{{"n": {first}}}\n' * 1000 + f'{{"n": {later}}}\n'
    if wider is None:
        # Text holds anything, as JSON writes it.
        assert load(text, name="jsonlines").num_rows == 1001
        return
    with pytest.raises(ValueBreaksTypeError) as caught:
        load(text, name="jsonlines")
    assert caught.value.wider == wider


def test_a_column_behind_the_sample_is_not_lost_without_a_word() -> None:
    text = '{"n": 1}\n' * 1000 + '{"n": 1, "new": 2}\n'
    with pytest.raises(ValueBreaksTypeError, match=r"a\.json:1001: column new is not among the columns"):
        load(text, name="jsonlines")
    assert load(text, name="jsonlines", sample_size=2000).schema.names == ["n", "new"]


def test_a_column_that_nobody_asked_for_is_no_error() -> None:
    json, options = format_named("jsonlines"), ReadOptions(flatten=True)
    file = a_file('{"n": 1, "other": 2}\n' * 2000)
    json.describe([file], options)
    batches = json.read(file, pa.schema([("n", pa.int64())]), options)
    assert sum(batch.num_rows for batch in batches) == 2000


def test_half_a_character_is_an_error_that_names_it() -> None:
    with pytest.raises(EndpointError, match=r"a\.json:1: column a holds a text with half a character"):
        load('[{"a": "\\ud800"}]')


def test_other_encodings_are_read_where_they_are_said() -> None:
    assert rows('[{"a": "ä"}]'.encode("latin-1"), encoding="latin1") == [{"a": "ä"}]
    with pytest.raises(EndpointError, match=r"a\.json holds bytes that are no utf-8"):
        rows('[{"a": "ä"}]'.encode("latin-1"))


class Endless(io.RawIOBase):
    """An array that never ends, and tells how much of it was read."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        item = b'{"id": 1, "text": "' + b"x" * 980 + b'"},\n'
        data = (b"[" if not self.given else b"") + item * (len(buffer) // len(item))
        buffer[: len(data)] = data
        self.given += len(data)
        return len(data)


def test_an_array_is_read_item_by_item() -> None:
    opened: list[Endless] = []

    def opener() -> io.BufferedReader:
        opened.append(Endless())
        return io.BufferedReader(opened[-1], 1024 * 1024)

    file = OpenFile("endless.json", opener)
    json, options = format_named("json"), ReadOptions(flatten=True)
    schema = json.describe([file], options)
    batches: Any = json.read(file, schema, options)
    for _ in range(3):
        assert next(batches).num_rows > 1000
    batches.close()
    assert max(endless.given for endless in opened) < 64 * 1024 * 1024
