"""A value that is put into SQL is what stands there, in every dialect, and never SQL itself."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import ReplicationError
from mainstem.sqltext import Sql, Written, in_sql

NAMES = re.compile(r"\{(\w+)\}")
# What anything between quotes might end by.
PIECES = st.sampled_from(
    ["'", '"', "`", "]", "\\", "--", "#", "/*", "*/", "$$", "$a$", ";", "\n", "e'", "x", "é"]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)


def put(template: str, dialect: str, values: Mapping[str, str]) -> str:
    return in_sql(template, NAMES, lambda match: values.get(match.group(1)), dialect)


AROUND = "select '{t}' as a, 'it''s {t}' as b, '-- {t}' as c /* {t} */, 1 as \"-- {t}\" -- {t}\n, '{t}' as d"


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_a_database_reads_the_value_that_was_put_in(text: str) -> None:
    sql = put(AROUND, "sqlite", {"t": text})
    with sqlite3.connect(":memory:") as lite:
        assert lite.execute(sql).fetchone() == (text, f"it's {text}", f"-- {text}", 1, text)
    duck = put(AROUND.replace("'{t}' as d", "e'\\'{t}' as d"), "duckdb", {"t": text})
    assert duckdb.sql(duck).fetchone() == (text, f"it's {text}", f"-- {text}", 1, f"'{text}")


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from(["mysql", "snowflake", "postgres"]))
def test_a_dialect_that_is_not_here_reads_one_statement_with_the_value(text: str, dialect: str) -> None:
    sql = put(
        "select '\\'{t}' as a /* {t} */" if dialect != "postgres" else "select '{t}' as a",
        dialect,
        {"t": text},
    )
    (statement,) = sqlglot.parse(sql, dialect)
    assert statement is not None
    (value,) = statement.find_all(sqlglot.exp.Literal)
    assert value.this == (text if dialect == "postgres" else f"'{text}")


@pytest.mark.parametrize("value", ["a b", "x;y", "a--b", "1 or 1", "f()", "", 'a"b', '"a\\"', "a\nb"])
def test_outside_of_quotes_a_value_is_a_name_or_a_number_or_refused(value: str) -> None:
    with pytest.raises(ReplicationError, match="would become SQL"):
        put("select * from {t}", "duckdb", {"t": value})


@pytest.mark.parametrize("value", ["orders", "public.orders", '"a b"."c""d"', "42", "-1.5", "表"])
def test_a_name_or_a_number_stands_outside_of_quotes(value: str) -> None:
    assert put("select {t} {kept}", "duckdb", {"t": value}) == f"select {value} {{kept}}"


def test_what_is_sql_already_stays_it_outside_of_quotes() -> None:
    for kind in (Sql, Written):
        assert put("where {c}", "duckdb", {"c": kind("a > 1 or 'x' = b")}) == "where a > 1 or 'x' = b"
    assert put("say '{c}'", "duckdb", {"c": Sql("it's")}) == "say 'it''s'"


def test_a_text_in_dollars_takes_no_dollars() -> None:
    assert put("select $a$ '{t}' $a$", "postgres", {"t": "it's"}) == "select $a$ 'it's' $a$"
    with pytest.raises(ReplicationError, match="would become SQL"):
        put("select $a$ {t} $a$", "postgres", {"t": "$a$; drop table t"})


def test_a_bracketed_name_takes_no_bracket() -> None:
    assert put("select [{t}]", "sqlite", {"t": "a'b"}) == "select [a'b]"
    with pytest.raises(ReplicationError, match="would become SQL"):
        put("select [{t}]", "sqlite", {"t": "a] from t; --"})
