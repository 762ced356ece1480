"""The language of transforms and constraints: what it computes, and what it refuses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import LossyTypeError, Position, ReplicationError
from mainstem.expressions import (
    ENCODINGS,
    FUNCTIONS,
    NOT_BUILT,
    Entry,
    ProgramBuilder,
    decoded,
    encoded,
    evaluated,
    parse,
)

HERE = Position("r.yaml", 7, 9)
DOCUMENTS = ['{"name": "Ann", "tags": ["a", "b"], "age": 41}', None, "{}"]
COLUMNS: Mapping[str, pa.Array[Any]] = {
    "s": pa.array([" Crème brûlée ", None, ""]),
    "i": pa.array([7, None, -3], pa.int64()),
    "d": pa.array([1, None, 2], pa.decimal64(10, 2)),
    "t": pa.array([1_700_000_000_123_456, None, 0], pa.timestamp("us")),
    "l": pa.array([["a", "b"], None, []], pa.list_(pa.string())),
    "b": pa.array([b"\x01\xff", None, b""], pa.binary()),
    "p": pa.array([True, None, False]),
    "j": pa.ExtensionArray.from_storage(pa.json_(), pa.array(DOCUMENTS)),
}
SCHEMA = [(name, values.type) for name, values in COLUMNS.items()]


def computed(text: str, value: str | None = None, env: Mapping[str, str] | None = None) -> pa.Array[Any]:
    builder = ProgramBuilder(SCHEMA, env)
    builder.stage([Entry("made", parse(text, HERE, "Transform of `made`"), value)])
    (values,) = builder.program().run(list(COLUMNS.values()))
    return values


# Each expression, and what DuckDB has for it: the two are computed by different roads.
ORACLE = {
    "lower(record.s)": "lower(s)",
    "upper(record.s)": "upper(s)",
    "trim_space(record.s)": "trim(s)",
    "trim(record.s, ' C')": "trim(s, ' C')",
    "replace(record.s, 'b', 'B')": "replace(s, 'b', 'B')",
    "replace_accents(record.s)": "strip_accents(s)",
    "remove_diacritics(record.s)": "strip_accents(s)",
    "empty_as_null(record.s)": "nullif(s, '')",
    "length(record.s)": "length(s)",
    "length(record.l)": "len(l)",
    "contains(record.s, 'br')": "contains(s, 'br')",
    "'br' in record.s": "contains(s, 'br')",
    "contains(record.l, 'a')": "list_contains(l, 'a')",
    "starts_with(record.s, ' C')": "starts_with(s, ' C')",
    "ends_with(record.s, ' ')": "ends_with(s, ' ')",
    "substring(record.s, 1, 3)": "substring(s, 2, 2)",
    "record.s[1:3]": "substring(s, 2, 2)",
    "split(record.s, ' ')": "string_split(s, ' ')",
    "strpos(record.s, 'b')": "strpos(s, 'b') - 1",
    "concat(record.s, record.i)": "concat(s, i)",
    "regex_match(record.s, '^ C')": "regexp_matches(s, '^ C')",
    "regex_replace(record.s, '[èû]', '?')": "regexp_replace(s, '[èû]', '?', 'g')",
    "regex_extract(record.s, 'b.')": "regexp_extract(s, 'b.')",
    "hash(record.s)": "md5(s)",
    "hash(record.s, 'sha256')": "sha256(s)",
    "hash_md5(record.i)": "md5(i::varchar)",
    "hash_sha1(record.s)": "sha1(s)",
    "hash_sha256(record.s)": "sha256(s)",
    "int_parse('12')": "12::bigint",
    "float_parse('1.5')": "1.5::double",
    "bool_parse('true')": "true",
    "cast(record.i, 'decimal(12, 3)')": "i::decimal(12, 3)",
    "cast(record.d, 'string')": "d::varchar",
    "try_cast(record.s, 'bigint')": "try_cast(s as bigint)",
    "type_of(record.d)": "typeof(d)",
    "date_parse('02/01/2024', '%d/%m/%Y')": "strptime('02/01/2024', '%d/%m/%Y')",
    "date_parse('2024-01-02')": "timestamp '2024-01-02'",
    "date_format(record.t, '%Y-%m-%d')": "strftime(t, '%Y-%m-%d')",
    "date_add(record.t, 2, 'months')": "t + interval 2 month",
    "date_diff(record.t, date_add(record.t, 3))": "if(t is null, null, 3)::bigint",
    "date_trunc(record.t, 'month')": "date_trunc('month', t)",
    "date_part(record.t, 'year')": "year(t)",
    "is_null(record.s)": "s is null",
    "record.s == null": "s is null",
    "record.s != null": "s is not null",
    "is_empty(record.s)": "coalesce(s, '') = ''",
    "is_empty(record.l)": "coalesce(len(l), 0) = 0",
    "coalesce(record.i, 0)": "coalesce(i, 0)",
    "nullif(record.i, 7)": "nullif(i, 7)",
    "greatest(record.i, 0)": "greatest(i, 0)",
    "least(record.i, 0)": "least(i, 0)",
    "if(record.i > 0, 'plus', 'minus')": "case when i > 0 then 'plus' else 'minus' end",
    "record.i > 0 ? 'plus' : 'minus'": "case when i > 0 then 'plus' else 'minus' end",
    "round(record.d / 3, 2)": "round(d / 3, 2)",
    "abs(record.i)": "abs(i)",
    "floor(record.d)": "floor(d)",
    "ceil(record.d)": "ceil(d)",
    "join(record.l, ', ')": "array_to_string(l, ', ')",
    "record.l[0]": "l[1]",
    "record.l[-1]": "l[-1]",
    "record.l + ['c']": "list_concat(l, ['c'])",
    "binary_to_hex(record.b)": "lower(hex(b))",
    "record.i + 1": "i + 1",
    "record.i * record.d": "i * d",
    "record.i % 2": "i % 2",
    "-record.i": "-i",
    "1 + 2 * 3 - 4 / 2": "1 + 2 * 3 - 4 / 2",
    "(1 + 2) * 3": "9",
    "record.d + 0.1": "d + 0.1",
    "record.s + '-' + record.i": "s || '-' || i",
    "record.p && record.i > 0 || !record.p": "p and i > 0 or not p",
    "record.i in [7, 8]": "i in (7, 8)",
    "record.t > '2000-01-01'": "t > timestamp '2000-01-01'",
    "record.d >= 1.5": "d >= 1.5",
    "record.S": "s",
    'record["s"]': "s",
}


@pytest.mark.parametrize("text", ORACLE)
def test_an_expression_computes_what_the_database_does(text: str) -> None:
    columns = {name: values for name, values in COLUMNS.items() if name != "j"}
    with duckdb.connect() as database:
        database.register("given", pa.table(columns))
        expected = database.execute(f"select {ORACLE[text]} from given").to_arrow_table().column(0)
    assert computed(text).to_pylist() == expected.to_pylist()


# What DuckDB has no one function for.
BY_HAND: Mapping[str, list[Any]] = {
    "record.j.name": ["Ann", None, None],
    "record.j['tags'][1]": ["b", None, None],
    "int_parse(record.j.age) + 1": [42, None, None],
    # What an index takes out of JSON is text.
    "length(record.j.tags)": [9, None, None],
    "length(json_parse(record.j.tags))": [2, None, None],
    "json_parse('[1, 2]')[0]": ["1", "1", "1"],
    "keys(record.j)": [["name", "tags", "age"], None, []],
    'pluck(\'[{"a": 1}, {"a": 2}]\', "a")': [["1", "2"]] * 3,
    "split_part(record.s, ' ', 1)": ["Crème", None, None],
    "parse_bit(record.b)": [511, None, None],
    "replace_0x00('a')": ["a", "a", "a"],
    "replace_non_printable('a\\té' + record.s)": ["aé Crème brûlée ", None, "aé"],
    "trim_space('\\t\u00a0x\\n')": ["x", "x", "x"],
    "parse_uuid('00112233445566778899AABBCCDDEEFF') == '00112233-4455-6677-8899-aabbccddeeff'": [True] * 3,
    "encode_utf8(record.s) == encode_utf8(record.s)": [True, None, True],
    "decode_utf8(encode_utf8('é'))": ["é"] * 3,
    "decode_utf8_bom(encode_utf8_bom('é'))": ["é"] * 3,
    **{f"decode_{name}(encode_{name}('é'))": ["é"] * 3 for name in ENCODINGS},
    "duckdb_list_to_text(record.l)": ['["a","b"]', None, "[]"],
    "length(uuid())": [36] * 3,
    "date_diff(now(), now()) == 0": [True] * 3,
    "null": [None] * 3,
    "env.WHO": ["me"] * 3,
    "true && nil == null": [True] * 3,
}


@pytest.mark.parametrize("text", BY_HAND)
def test_an_expression_computes_what_is_written_here(text: str) -> None:
    assert computed(text, env={"WHO": "me"}).to_pylist() == BY_HAND[text]


def test_bytes_become_numbers_and_identifiers() -> None:
    guid = pa.array([bytes.fromhex("33221100554477668899aabbccddeeff")], pa.binary())
    builder = ProgramBuilder([("g", guid.type)])
    texts = ("parse_ms_uuid(record.g)", "binary_to_decimal(record.g[0:2])", "type_of(record.g)")
    builder.stage([Entry(text, parse(text, HERE)) for text in texts if "[" not in text])
    uuid, kind = builder.program().run([guid])
    assert str(uuid[0].as_py()) == "00112233-4455-6677-8899-aabbccddeeff"
    assert kind.to_pylist() == ["BLOB"]


@pytest.mark.parametrize("name", ENCODINGS)
@given(st.data())
@settings(deadline=None, max_examples=30)
def test_texts_in_other_encodings_are_what_python_makes_of_them(name: str, data: st.DataObject) -> None:
    codec = ENCODINGS[name]
    texts = data.draw(st.lists(st.none() | st.text(st.characters(codec=codec), max_size=5)))
    values = pa.array(["ab", *texts], pa.string())[1:]
    as_bytes = encoded(values, name)
    as_bytes.validate(full=True)
    assert as_bytes.to_pylist() == [text if text is None else text.encode(codec) for text in texts]
    back = decoded(as_bytes, name)
    back.validate(full=True)
    assert back.to_pylist() == texts


@pytest.mark.parametrize(
    ("text", "values", "why"),
    [
        ("decode_windows1252(value)", [b"\x81"], "character maps to <undefined> (windows1252)"),
        ("decode_utf16(value)", [b"a", b"b"], "an odd number of bytes (utf16)"),
        ("decode_utf16(value)", [b"\x3d\xd8", b"\x00\xde"], "half of a surrogate pair (utf16)"),
        ("encode_latin1(decode_utf8(value))", ["€".encode()], "ordinal not in range(256) (latin1)"),
    ],
)
def test_what_an_encoding_does_not_have_is_refused(text: str, values: list[bytes], why: str) -> None:
    builder = ProgramBuilder([("b", pa.binary())])
    builder.stage([Entry("b", parse(text, HERE))])
    program = builder.program()
    with pytest.raises(
        LossyTypeError, match=re.escape(f"Column b: `{text}` cannot take a value: ") + ".*" + re.escape(why)
    ):
        program.run([pa.array(values, pa.binary())])


def test_a_mark_of_the_byte_order_is_no_character() -> None:
    builder = ProgramBuilder([("b", pa.binary())])
    builder.stage([Entry("b", parse("decode_utf16(value)", HERE))])
    assert builder.program().run([pa.array(["\ufeffé".encode("utf-16-le")])])[0].to_pylist() == ["é"]


def test_a_value_that_doubles_with_each_stage_ends_in_an_error() -> None:
    builder = ProgramBuilder([("s", pa.string())])
    for _ in range(30):
        builder.stage([Entry("s", parse("value + value", HERE))])
    program = builder.program()
    with pytest.raises(LossyTypeError, match="Column s"):
        program.run([pa.array(["a" * 100])])


def test_every_function_has_an_expression_in_these_tables() -> None:
    written = " ".join([*ORACLE, *BY_HAND, "parse_ms_uuid( binary_to_decimal("])
    assert [name for name in FUNCTIONS if f"{name}(" not in written] == []


@pytest.mark.parametrize("name", sorted(NOT_BUILT))
def test_a_function_that_is_not_built_is_refused_by_name(name: str) -> None:
    with pytest.raises(ReplicationError, match=f"`{name}` is not supported yet"):
        computed(f"{name}(record.s)")


def test_stages_see_what_the_stage_before_made() -> None:
    builder = ProgramBuilder(SCHEMA)
    stages = [{"i": "value + 1", "twice": "record.i * 2"}, {"twice": "value + record.i"}]
    for stage in stages:
        builder.stage([Entry(column, parse(text, HERE)) for column, text in stage.items()])
    program = builder.program()
    values = program.run(list(COLUMNS.values()))
    assert {made.name: column.to_pylist() for made, column in zip(program.computed, values, strict=True)} == {
        "i": [8, None, -2],
        "twice": [22, None, -8],
    }
    assert [(made.name, list(made.sources), made.is_new) for made in program.computed] == [
        ("i", ["i"], False),
        ("twice", ["i"], True),
    ]
    assert [SCHEMA[index][0] for index in program.needs] == ["i"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "an expression is missing"),
        ("1 +", "here a value is missing"),
        ("(1", "here a `)` is missing"),
        ("1 2", "here it should end"),
        ("'a", "the quote ' is not closed"),
        ("a ~ b", "this character has no meaning here"),
        ("record.nmae", "there is no column `nmae`"),
        ("uper(record.s)", "Did you mean `upper`"),
        ("upper(record.l)", "`upper` does not take a list"),
        ("replace(record.s)", "`replace` takes 3 arguments, not 1"),
        ("record.s > 1", "`>` does not take a text and a number. Make a number of the text"),
        ("record.i ? 1 : 2", "a condition is true or false, not a number"),
        ("record.p ? 1 : 'a'", "a text does not go together with a number"),
        ("record.p && 1", "`&&` does not take a truth value and a number"),
        ("-record.s", "`-` does not take a text"),
        ("value", "a new column has no `value`"),
        ("s", "Write record.s"),
        ("env.SECRET", "`env` has no `SECRET`"),
        ("cast(record.s, 'number')", "`number` is no type"),
        ("cast(record.s, record.s)", "a text that stands here: a type"),
        ("date_add(record.t, 1, 'fortnight')", "`fortnight` is no unit"),
        ("regex_match(record.s, '(')", "this is no pattern"),
        ("regex_match(record.s, record.s)", "a text that stands here: a pattern"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ReplicationError) as caught:
        computed(text)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("r.yaml:7:9: Transform of `made`: ")


def test_the_caret_is_under_the_part_at_fault() -> None:
    with pytest.raises(ReplicationError) as caught:
        computed("record.i + length(record.p)")
    assert str(caught.value).endswith("\n  record.i + length(record.p)\n                           ^")


def test_a_value_that_cannot_be_computed_fails_with_its_column() -> None:
    with pytest.raises(LossyTypeError, match=r"Column made: `int_parse\(record.s\)` cannot take a value"):
        computed("int_parse(record.s)")


HOSTILE = {
    "deep parentheses": "(" * 5_000 + "1" + ")" * 5_000,
    "many signs": "-" * 5_000 + "1",
    "deep lists": "[" * 5_000 + "]" * 5_000,
    "a long chain": "+".join(["1"] * 4_000),
    "nested calls": "is_empty(" * 500 + "'a'" + ")" * 500,
    "too long": "'" + "a" * 1_000_000 + "'",
    "a long number": "9" * 5_000,
    "a repeated repetition": "regex_match(record.s, '((a{1,999}){1,999}){1,999}')",
    "a long pattern": f"regex_match(record.s, '{'(a*)*' * 500}')",
    "a quote for the database": 'record["s\' ; drop table rows; --"]',
    "a file": "read_csv('x')",
    "the environment": "getenv('HOME')",
    "another statement": "1); install httpfs; select (1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_expression_ends_in_an_error_and_soon(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ReplicationError) as caught:
        computed(text)
    assert len(str(caught.value)) < 2_000
    # A bound on the work, not a measurement: what explodes needs minutes.
    assert time.process_time() - began < 5


def test_a_pattern_that_is_catastrophic_elsewhere_is_computed() -> None:
    values = pa.array(["a" * 10_000 + "!"])
    builder = ProgramBuilder([("s", values.type)])
    builder.stage([Entry("m", parse("regex_match(record.s, '^(a+)+$')", HERE))])
    assert builder.program().run([values])[0].to_pylist() == [False]


@pytest.mark.parametrize("text", ["it's", 'a"b', "a\\b", "{0}", "%s", "$1", "é\u2028", "--", "a\tb"])
def test_a_text_is_a_value_whatever_is_in_it(text: str) -> None:
    assert computed(json.dumps(text, ensure_ascii=False)).to_pylist() == [text] * 3


EXPRESSIONS = st.sampled_from([text for text in ORACLE if "record.i" in text or "record.s" in text])


@settings(max_examples=40, deadline=None)
@given(
    text=EXPRESSIONS,
    rows=st.lists(st.tuples(st.none() | st.text(), st.none() | st.integers(-(2**31), 2**31)), max_size=20),
)
def test_an_expression_never_changes_the_number_of_rows(text: str, rows: list[tuple[Any, Any]]) -> None:
    given_rows = {name: pa.nulls(len(rows), kind) for name, kind in SCHEMA if name != "j"}
    given_rows["s"] = pa.array([row[0] for row in rows], pa.string())
    given_rows["i"] = pa.array([row[1] for row in rows], pa.int64())
    builder = ProgramBuilder([(name, values.type) for name, values in given_rows.items()])
    builder.stage([Entry("made", parse(text, HERE))])
    program = builder.program()
    (values,) = program.run(list(given_rows.values()))
    assert len(values) == len(rows)
    assert [made.name for made in program.computed] == ["made"]


def test_conditions_are_computed_over_what_is_known_of_a_run() -> None:
    known = {
        "run": {"status": "success", "total_rows": 5},
        "state": {"q": {"result": [{"n": 3}]}},
        "store": {},
    }
    for text, value in {
        "run.status == 'success' && run.total_rows > 3": True,
        "state.q.result[0].n * 2": 6,
        "store.nothing == null": True,
        "is_null(state.later.status)": True,
        "length(state.q.result)": 1,
    }.items():
        assert evaluated(text, known, HERE, "The condition") == value
    with pytest.raises(ReplicationError, match=r"`rnu` is nothing here\. Did you mean `run`"):
        evaluated("rnu.status", known, HERE, "The condition")
