"""The `columns` of a stream: each rule of the reference, §1.7, §1.3 and §7, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import NotSupportedYetError, Position, ReplicationError
from mainstem.replication.columns import (
    ColumnSpec,
    ColumnType,
    Constraint,
    GeneralType,
    column_for,
    merge_columns,
    parse_column,
    parse_columns,
)

HERE = Position("replication.yaml", 9, 13)

thoroughly = settings(deadline=None, derandomize=True, max_examples=200)


def column(text: str) -> ColumnSpec:
    return parse_column("col", text, HERE)


def position_of(key: str | int) -> Position:
    return Position("replication.yaml", 10 + key if isinstance(key, int) else 10, 5)


def refused(text: str) -> str:
    with pytest.raises(ReplicationError) as caught:
        column(text)
    return str(caught.value)


# --- types

SEVEN = [
    *("bigint", "binary", "bool", "date", "datetime", "decimal", "float", "geometry", "integer", "json"),
    *("smallint", "string", "text", "time", "timez", "timestamp", "timestampz", "uuid"),
]


def test_7_the_general_types_are_these() -> None:
    assert sorted(kind.value for kind in GeneralType) == sorted(SEVEN)


@pytest.mark.parametrize("name", SEVEN)
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_1_7_a_type_is_a_general_type_in_any_case(name: str, spelled: Any) -> None:
    assert column(f" {spelled(name)} ") == ColumnSpec("col", ColumnType(GeneralType(name)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string(100)", ColumnType(GeneralType.STRING, length=100)),
        ("text ( 3000 )", ColumnType(GeneralType.TEXT, length=3000)),
        ("binary(16)", ColumnType(GeneralType.BINARY, length=16)),
        ("string(007)", ColumnType(GeneralType.STRING, length=7)),
        ("decimal(10)", ColumnType(GeneralType.DECIMAL, precision=10)),
        ("decimal(10,2)", ColumnType(GeneralType.DECIMAL, precision=10, scale=2)),
        ("decimal( 38 , 38 )", ColumnType(GeneralType.DECIMAL, precision=38, scale=38)),
        ("decimal(1,0)", ColumnType(GeneralType.DECIMAL, precision=1, scale=0)),
    ],
)
def test_1_7_a_type_has_a_size(text: str, expected: ColumnType) -> None:
    assert column(text).type == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bigint", pa.int64()),
        ("integer", pa.int32()),
        ("smallint", pa.int16()),
        ("decimal", pa.decimal128(24, 6)),
        ("decimal(18)", pa.decimal64(18, 0)),
        ("decimal(18,18)", pa.decimal64(18, 18)),
        ("decimal(19,2)", pa.decimal128(19, 2)),
        ("decimal(38,10)", pa.decimal128(38, 10)),
        ("float", pa.float64()),
        ("bool", pa.bool_()),
        ("string", pa.string()),
        ("string(10)", pa.string()),
        ("text", pa.string()),
        ("date", pa.date32()),
        ("datetime", pa.timestamp("us")),
        ("timestamp", pa.timestamp("us")),
        ("timestampz", pa.timestamp("us", "UTC")),
        ("time", pa.time64("us")),
        ("timez", pa.string()),
        ("json", pa.json_()),
        ("binary", pa.binary()),
        ("uuid", pa.uuid()),
        ("geometry", pa.string()),
    ],
)
def test_7_a_type_travels_as_an_arrow_type(text: str, expected: pa.DataType) -> None:
    assert column(text).type.arrow_type() == expected


# --- modifiers and constraints


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string", {"nullable": None}),
        ("string not_null", {"nullable": False}),
        ("string nullable", {"nullable": True}),
        ("string primary_key", {"primary_key": True}),
        ("string unique", {"unique": True}),
        ("string index(by_name)", {"index": "by_name"}),
        ("string index( by-name )", {"index": "by-name"}),
        ("string unique_index('by name')", {"unique_index": "by name"}),
        ('string description("what it is")', {"description": "what it is"}),
        ("string description('')", {"description": ""}),
        (
            'string(9) NOT_NULL Unique description("d") index(i) unique_index(u)',
            {"nullable": False, "unique": True, "description": "d", "index": "i", "unique_index": "u"},
        ),
        ("decimal(9,2)primary_key not_null", {"primary_key": True, "nullable": False}),
    ],
)
def test_1_7_modifiers_follow_the_type(text: str, expected: dict[str, object]) -> None:
    spec = column(text)
    assert {name: getattr(spec, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r'"say \"hi\""', 'say "hi"'),
        (r"'it\'s'", "it's"),
        (r'"a\\b"', "a\\b"),
        (r'"one\ntwo\tthree\r"', "one\ntwo\tthree\r"),
        ('"a | b) not_null"', "a | b) not_null"),
        ('"it\'s"', "it's"),
    ],
)
def test_1_7_a_description_is_quoted_and_has_escapes(written: str, expected: str) -> None:
    spec = column(f"string description({written}) not_null | value != ''")
    assert spec.description == expected
    assert spec.nullable is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decimal | value > 0", "value > 0"),
        ("string(8)| value_len > 5 and value_len <= 8 ", "value_len > 5 and value_len <= 8"),
        (
            "string not_null | value in ('a', 'b') || value == \"c|d\"",
            "value in ('a', 'b') || value == \"c|d\"",
        ),
    ],
)
def test_1_7_a_constraint_is_what_stands_behind_the_bar(text: str, expected: str) -> None:
    constraint = column(text).constraint
    assert constraint == Constraint(expected, HERE)
    assert constraint.position == HERE


def test_1_7_a_column_remembers_where_it_stands() -> None:
    assert column("bigint").position == HERE


# --- what is refused


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("integert | value > 0", "`integer`"),
        ("Stirng", "`string`"),
        ("timestmap", "`timestamp`"),
        ("varchar(30)", "`string`"),
        ("INT", "`integer`"),
        ("int8", "`bigint`"),
        ("boolean", "`bool`"),
        ("double precision", "`float`"),
        ("numeric(10,2)", "`decimal`"),
        ("timestamptz", "`timestampz`"),
        ("jsonb", "`json`"),
        ("bytea", "`binary`"),
    ],
)
def test_1_7_an_unknown_type_is_refused_with_a_guess(text: str, guess: str) -> None:
    message = refused(text)
    assert "is not a type" in message
    assert f"Did you mean {guess}?" in message


def test_1_7_a_type_unlike_any_other_is_refused_with_all_of_them() -> None:
    assert "The types are bigint, binary, bool, " in refused("xxxxxx")


@pytest.mark.parametrize(
    "text", ["", "  ", "| value > 0", "(10)", "not_null", "primary_key bigint", "default(1)"]
)
def test_1_7_the_type_comes_first(text: str) -> None:
    assert "the type comes first" in refused(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bigint(20)", "`bigint` has no size"),
        ("timestamp(6)", "`timestamp` has no size"),
        ("string()", "the length must be a whole number"),
        ("string(max)", "the length must be a whole number"),
        ("string(-1)", "the length must be a whole number"),
        ("string(1.5)", "here a `)` is missing"),
        ("string(٣)", "the length must be a whole number"),
        ("string(0)", "the length must be from 1 to"),
        ("string(99999999999)", "the length must be from 1 to"),
        ("string(1,2)", "here a `)` is missing"),
        ("string(1", "here a `)` is missing"),
        ("decimal(0)", "the precision must be from 1 to 38"),
        ("decimal(39,2)", "the precision must be from 1 to 38"),
        ("decimal(10,11)", "the scale must be from 0 to 10"),
        ("decimal(10,)", "the scale must be a whole number"),
        ("decimal(10,2,1)", "here a `)` is missing"),
    ],
)
def test_1_7_a_wrong_size_is_refused(text: str, problem: str) -> None:
    assert problem in refused(text)


@pytest.mark.parametrize("modifier", ["default", "check", "auto_increment", "identity"])
@pytest.mark.parametrize("form", ["{}", "{}(1)", "not_null {}('x')", "{}" + " | value > 0"])
def test_1_7_reserved_modifiers_are_not_yet_supported(modifier: str, form: str) -> None:
    with pytest.raises(NotSupportedYetError, match=f"`{modifier}` is not yet supported"):
        column(f"bigint {form.format(modifier)}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bigint not null", "Did you mean `not_null`?"),
        ("bigint primary key", "Did you mean `primary_key`?"),
        ("bigint uniqe", "Did you mean `unique`?"),
        ("bigint value > 0", "`value` is not a modifier. The modifiers are not_null,"),
        ("bigint > 0", "here a modifier, or `|` and a constraint, is expected"),
        ("bigint, not_null", "here a modifier, or `|` and a constraint, is expected"),
        ("bigint unique unique", "`unique` is said twice"),
        ("bigint index(a) index(b)", "`index` is said twice"),
        ("bigint not_null nullable", "`nullable` contradicts `not_null`"),
        ("bigint nullable primary_key", "`nullable` contradicts `primary_key`"),
        ("bigint unique(x)", "`unique` takes nothing in parentheses"),
        ("bigint index", "`index` is written index(name)"),
        ("bigint index()", "`index` is written index(name)"),
        ("bigint index('')", "`index` needs a name"),
        ("bigint index(a, b)", "here a `)` is missing"),
        ("bigint description", '`description` is written description("…")'),
        ("bigint description(plain)", '`description` is written description("…")'),
        ('bigint description("open)', 'the quote " is not closed'),
        ('bigint description("a"', "here a `)` is missing"),
        (r'bigint description("\d+")', r"Write a backslash as \\."),
        ('bigint description("\\', "this is not an escape"),
        ("bigint |", "a constraint is missing"),
        ("bigint |  ", "a constraint is missing"),
    ],
)
def test_1_7_a_wrong_modifier_is_refused(text: str, problem: str) -> None:
    assert problem in refused(text)


def test_1_7_a_column_has_a_name() -> None:
    with pytest.raises(ReplicationError, match="a column needs a name"):
        parse_column(" ", "bigint", HERE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "decimal(10, 12) not_null",
            "replication.yaml:9:13: Column `col`: the scale must be from 0 to 10, not `12`.\n"
            "  decimal(10, 12) not_null\n"
            "              ^",
        ),
        (
            "string\nnot_nul\n| x",
            "replication.yaml:9:13: Column `col`: `not_nul` is not a modifier. Did you mean `not_null`?\n"
            "  not_nul\n"
            "  ^",
        ),
        (
            'string description("\t名前") uniqe',
            "replication.yaml:9:13: Column `col`: `uniqe` is not a modifier. Did you mean `unique`?\n"
            '  string description(" 名前") uniqe\n'
            "                              ^",
        ),
        (
            f'string description("{"x" * 100}") uniqe {"y" * 100}',
            "replication.yaml:9:13: Column `col`: `uniqe` is not a modifier. Did you mean `unique`?\n"
            f'  …{"x" * 57}") uniqe {"y" * 34}…\n'
            f"  {' ' * 61}^",
        ),
    ],
)
def test_an_error_points_at_the_character(text: str, expected: str) -> None:
    assert refused(text) == expected


# --- all columns of a stream


def test_1_7_columns_are_a_map_in_the_order_of_the_document() -> None:
    specs = parse_columns({"b": "bigint", "a": "text not_null"}, position_of)
    assert [(spec.name, str(spec)) for spec in specs] == [("b", "bigint"), ("a", "text not_null")]


def test_1_7_the_older_list_is_accepted() -> None:
    specs = parse_columns([{"name": "b", "type": "bigint"}, {"name": "a", "type": "text | x"}], position_of)
    assert [(spec.name, str(spec)) for spec in specs] == [("b", "bigint"), ("a", "text | x")]
    assert specs[1].position == Position("replication.yaml", 11, 5)


def test_1_7_a_star_is_every_column_that_is_not_named() -> None:
    specs = parse_columns({"*": "string", "Id": "bigint"}, position_of)
    assert str(column_for(specs, "anything")) == "string"
    assert str(column_for(specs, "iD")) == "bigint"
    assert column_for(specs[1:], "anything") is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"a": None},
            "Column `a` has no type. For example `decimal(12, 2) not_null`. To take a default away",
        ),
        ({"a": 5}, "Column `a` must be text."),
        ({"a": {"type": "bigint"}}, "Column `a` must be text."),
        ({"Id": "bigint", "ID": "text"}, "Column `ID` is described twice, first as `Id`."),
        (["a"], "must be a mapping with a name and a type"),
        ([None], "must be a mapping with a name and a type"),
        ([{"id": "bigint"}], "write `columns` as a mapping: id: bigint"),
        ([{"name": 1, "type": "bigint"}], "must be a mapping with a name and a type"),
        ([{"name": "a"}], "Column `a` has no type."),
        ([{"name": "a", "type": "bigint", "typ": 1}], "has no key `typ`. Did you mean `type`?"),
        ([{"name": "a", "type": "bigint"}, {"name": "A", "type": "text"}], "described twice"),
    ],
)
def test_1_7_what_describes_no_column_is_refused(given: Any, problem: str) -> None:
    with pytest.raises(ReplicationError) as caught:
        parse_columns(given, position_of)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("replication.yaml:1")


def test_1_7_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ReplicationError) as caught:
        parse_columns({"a": "bigintt", "b": "bigint", "c": None, "d": "text default(1)"}, position_of)
    message = str(caught.value)
    assert message.count("replication.yaml:10:5: Column ") == 3
    assert "bigintt" in message
    assert "`c` has no type" in message
    assert "`default` is not yet supported" in message


# --- defaults

DEFAULTS = {"id": "bigint", "Note": "text", "*": "string"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, DEFAULTS),
        ({}, {}),
        ({"age": "integer"}, {"age": "integer"}),
        ({"+age": "integer"}, {**DEFAULTS, "age": "integer"}),
        ({"+age": "integer", "x": "date"}, {**DEFAULTS, "age": "integer", "x": "date"}),
        ({"+ID": "text"}, {"ID": "text", "Note": "text", "*": "string"}),
        ({"+age": "integer", "id": "text"}, {"id": "text", "Note": "text", "*": "string", "age": "integer"}),
        ({"+note": None}, {"id": "bigint", "*": "string"}),
        ({"+nothing": None}, DEFAULTS),
        ({"+*": None}, {"id": "bigint", "Note": "text"}),
        ({"+age": "integer", "id": None}, {"id": None, "Note": "text", "*": "string", "age": "integer"}),
    ],
)
def test_1_3_columns_replace_the_defaults_unless_a_key_begins_with_a_plus(
    own: dict[str, str | None] | None, expected: dict[str, str | None]
) -> None:
    merged = merge_columns(DEFAULTS, own)
    assert list(merged.items()) == list(expected.items())


def test_1_3_a_plus_without_defaults_is_only_a_plus() -> None:
    assert merge_columns({}, {"+id": "bigint", "+x": None}) == {"id": "bigint"}


# --- what holds for every column

SIZED = st.one_of(
    st.builds(ColumnType, st.sampled_from(list(GeneralType))),
    st.builds(
        ColumnType,
        st.sampled_from([GeneralType.STRING, GeneralType.TEXT, GeneralType.BINARY]),
        length=st.integers(1, 2**31 - 1),
    ),
    st.integers(1, 38).flatmap(
        lambda precision: st.builds(
            ColumnType,
            st.just(GeneralType.DECIMAL),
            precision=st.just(precision),
            scale=st.none() | st.integers(0, precision),
        )
    ),
)
SPECS = st.builds(
    ColumnSpec,
    name=st.text(min_size=1).filter(lambda name: bool(name.strip())),
    type=SIZED,
    nullable=st.sampled_from([None, False]),
    primary_key=st.booleans(),
    unique=st.booleans(),
    description=st.none() | st.text(),
    index=st.none() | st.text(min_size=1),
    unique_index=st.none() | st.text(min_size=1),
    constraint=st.none()
    | st.text(min_size=1).map(str.strip).filter(bool).map(lambda text: Constraint(text, HERE)),
)


@thoroughly
@given(SPECS)
def test_the_text_of_a_column_reads_back_as_the_same(spec: ColumnSpec) -> None:
    assert parse_column(spec.name, str(spec), HERE) == spec


@thoroughly
@given(SIZED)
def test_every_type_has_an_arrow_type(kind: ColumnType) -> None:
    assert pa.types.is_decimal(kind.arrow_type()) == (kind.kind is GeneralType.DECIMAL)


def problem(read: Callable[[], object]) -> str | None:
    """What a parser says is wrong; any other exception of its is a failure of the test."""
    try:
        read()
    except ReplicationError as error:
        return str(error)
    return None


WORDS = st.sampled_from(
    [
        *SEVEN,
        *("not_null", "nullable", "primary_key", "index", "description", "default", "value > 0"),
        *("(", ")", ",", "|", '"', "'", "\\", "10", "2", "99", " ", "\n"),
    ]
)
ANY_TEXT = st.one_of(st.text(), st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS).map("".join))


@thoroughly
@given(name=st.text(), text=ANY_TEXT)
def test_any_text_is_read_or_refused(name: str, text: str) -> None:
    wrong = problem(lambda: parse_column(name, text, HERE))
    if wrong is None:
        spec = parse_column(name, text, HERE)
        assert parse_column(name, str(spec), HERE) == spec
    else:
        assert wrong.startswith("replication.yaml:9:13: Column ")


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@thoroughly
@given(
    st.dictionaries(st.text(), ANY_VALUE, max_size=4)
    | st.lists(ANY_VALUE | st.fixed_dictionaries({"name": ANY_VALUE, "type": ANY_VALUE}), max_size=4)
)
def test_any_mapping_or_list_is_read_or_refused(given: Any) -> None:
    wrong = problem(lambda: parse_columns(given, position_of))
    assert wrong is None or wrong.startswith("replication.yaml:")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        f"string({'9' * 100_000})",
        f"decimal({'0' * 100_000}39)",
        "string " + "unique " * 100_000,
        'string description("' + "\\n" * 200_000,
    ],
)
def test_a_huge_text_is_refused_like_any_other(text: str) -> None:
    assert len(refused(text)) < 1000
