"""What is PostgreSQL's own: its types, its names, its locks, and what depends on its tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from mainstem import replicate
from mainstem.connections import connection_of
from mainstem.endpoints import KeyProfile, Swap, TableKey
from mainstem.endpoints.base import Query
from mainstem.endpoints.postgres import Postgres
from mainstem.endpoints.postgres import target as target_module
from mainstem.engine import run
from mainstem.errors import (
    ConnectError,
    EndpointError,
    LossyTypeError,
    MainstemError,
    ReplicationFailedError,
    TargetBusyError,
)
from mainstem.events import BatchStaged
from mainstem.report import StreamReport
from mainstem.schema import Column, Relation
from mainstem.testing.postgres import EmbeddedPostgres


class Database:
    """A schema of a server, with a way in."""

    def __init__(self, server: EmbeddedPostgres, schema: str) -> None:
        self.server = server
        self.schema = schema

    @contextmanager
    def opened(self, **properties: Any) -> Iterator[Postgres]:
        given = {
            "type": "postgres",
            "host": self.server.host,
            "port": self.server.port,
            "user": self.server.user,
            "password": self.server.password,
            "database": self.server.database,
            "schema": self.schema,
        }
        with Postgres(connection_of("PG", {**given, **properties})) as endpoint:
            yield endpoint

    def relation(self, table: str) -> Relation:
        return Relation(self.schema, table)

    def execute(self, *statements: str) -> None:
        self.server.execute(f"set local search_path to {self.schema}", *statements)

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        return self.server.fetch(query.replace("{s}", self.schema))

    def column(self, native: str, *literals: str) -> Column:
        """Make the table ``t`` with one column ``v`` of these values, and describe it."""
        values = ", ".join(f"({index}, {literal})" for index, literal in enumerate(literals))
        self.execute(f"create table t (i int, v {native})", f"insert into t values {values}")
        with self.opened() as endpoint:
            return endpoint.describe(self.relation("t")).columns[1]

    def read(self, table: str = "t", **properties: Any) -> pa.Table:
        """Read a table as the engine does, by its first column."""
        with self.opened(**properties) as endpoint:
            described = endpoint.describe(self.relation(table))
            schema = pa.schema([pa.field(column.name, column.arrow_type) for column in described.columns])
            query = Query(described.columns, relation=described.relation, order_by=described.columns[:1])
            with endpoint.read(query) as batches:
                return pa.Table.from_batches(list(batches), schema)

    def write(self, rows: pa.Table, table: str = "t", *, keys: Sequence[TableKey] = ()) -> None:
        """Write a table as the engine does at a full refresh."""
        place = self.relation(table)
        with self.opened() as endpoint, endpoint.locked(place), endpoint.stage(place, rows.schema) as staging:
            for batch in rows.to_batches():
                staging.write(batch)
            staging.complete()
            endpoint.publish(staging, place, [Swap(keys, columns=rows.column_names)])

    def tables(self) -> list[str]:
        with self.opened() as endpoint:
            return [entry.relation.name for entry in endpoint.catalog(self.schema)]

    def natives(self, table: str) -> dict[str, str]:
        """The server's own names of the types of a table's columns."""
        rows = self.fetch(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
            f" where attrelid = '{{s}}.{table}'::regclass and attnum > 0"
        )
        return dict(rows)

    def replicate(self, table: str, **stream: Any) -> StreamReport:
        """Replicate a table into this very schema."""
        config = {
            "source": "PG",
            "target": "PG",
            "streams": {f"{self.schema}.{table}": {"object": f"{self.schema}.copy", **stream}},
        }
        return replicate(config, {"PG": self.server.url}).streams[0]

    def refused(self, table: str, **stream: Any) -> MainstemError:
        with pytest.raises(ReplicationFailedError) as caught:
            self.replicate(table, **stream)
        return caught.value.failures[0].cause


@pytest.fixture
def database(postgres: EmbeddedPostgres, schema: str) -> Database:
    return Database(postgres, schema)


def one(kind: pa.DataType, *values: Any) -> pa.Table:
    """A table of one column ``v``, behind a number for each row."""
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    array: pa.Array[Any] = pa.array(values, storage)
    if isinstance(kind, pa.BaseExtensionType):
        array = pa.ExtensionArray.from_storage(kind, array)
    return pa.table({"i": pa.array(list(range(len(values))), pa.int32()), "v": array})


# Types that Arrow has no word for: their native names, and text forms that the server gives back as they are.
OPAQUE: Mapping[str, Sequence[str]] = {
    "numeric": ["1.50", "NaN", "Infinity", "-Infinity", f"0.{'0' * 40}1", f"1{'0' * 400}"],
    "numeric(40,3)": ["1234567890123456789012345678901234567.890"],
    "numeric(2,5)": ["0.00012"],
    "numeric(5,-2)": ["1200"],
    '"char"': ["a", "\\200", ""],
    "bit(3)": ["101"],
    "bit varying(5)": ["101", ""],
    "money": ["12.50", "-92233720368547758.08"],
    "time with time zone": ["10:00:00.000001+02", "24:00:00-15:59"],
    "time(3) with time zone": ["10:00:00.123+02"],
    "interval day to second(3)": ["1 day 02:03:04.567"],
    "interval year": ["5 years"],
    "inet": ["10.0.0.1", "10.0.0.1/24", "::1"],
    "cidr": ["10.0.0.0/24"],
    "macaddr": ["08:00:2b:01:02:03"],
    "int4range": ["[1,3)", "empty"],
    "tstzrange": ['["2024-01-01 00:00:00+00",)'],
    "int4multirange": ["{[1,3),[5,6)}"],
    "tsvector": ["'a' 'b':1A"],
    "tsquery": ["'a' & 'b'"],
    "jsonpath": ['$."a"'],
    "point": ["(1.1,2)"],
    "polygon": ["((0,0),(1,1),(1,0))"],
    "oid": ["4294967295"],
    "xid8": ["18446744073709551615"],
    "pg_lsn": ["16/B374D848"],
    "int2vector": ["1 2"],
    "numeric[]": ["{1.50,NaN,NULL}"],
    "money[]": ["{1.50,NULL}"],
    "inet[]": ["{10.0.0.1,NULL}", "{{10.0.0.1},{10.0.0.2}}", "[0:0]={10.0.0.1}"],
}


@pytest.mark.parametrize("native", OPAQUE)
def test_a_type_without_an_arrow_word_travels_as_its_text_and_is_itself_again(
    database: Database, native: str
) -> None:
    kind = pa.opaque(pa.string(), native, "PostgreSQL")
    rows = one(kind, *OPAQUE[native], None)
    database.write(rows)
    assert database.natives("t")["v"] == native
    assert database.read().equals(rows)


def test_a_whole_table_of_them_is_the_same_table_in_another_schema(database: Database) -> None:
    columns = ", ".join(f"c{index} {native}" for index, native in enumerate(OPAQUE))
    values = ", ".join("'" + texts[0].replace("'", "''") + "'" for texts in OPAQUE.values())
    database.execute(f"create table t ({columns})", f"insert into t values ({values})")
    report = database.replicate("t")
    assert database.natives("copy") == database.natives("t")
    assert database.fetch("select (t.*)::text from {s}.t") == database.fetch(
        "select (copy.*)::text from {s}.copy"
    )
    assert not report.notes


def test_an_xml_column_is_one_again(database: Database) -> None:
    # This server was built without XML: there can be no values.
    database.execute("create table t (v xml)")
    replicate(
        {
            "source": "PG",
            "target": "PG",
            "env": {"SLING_ALLOW_EMPTY": "true"},
            "streams": {f"{database.schema}.t": {"object": f"{database.schema}.copy"}},
        },
        {"PG": database.server.url},
    )
    assert database.natives("copy") == {"v": "xml"}


def test_an_opaque_value_of_another_system_is_stored_as_text_and_that_is_told(database: Database) -> None:
    kind = pa.opaque(pa.string(), "UNION(a INTEGER)", "DuckDB")
    with database.opened() as endpoint:
        assert endpoint.native_type(pa.field("v", kind)).sql == "text"
        assert endpoint.native_type(pa.field("v", kind)).note == "is stored as text"
        hostile = pa.opaque(pa.string(), "inet); drop table t; --", "PostgreSQL")
        assert endpoint.native_type(pa.field("v", hostile)).sql == "text"


def test_text_forms_do_not_hang_on_the_settings_of_the_session(database: Database) -> None:
    database.column("interval day to second", "'-1 day -02:03'")
    odd = "-c datestyle=German,DMY -c intervalstyle=sql_standard -c extra_float_digits=-15"
    plain, styled = database.read(), database.read(options=odd)
    assert plain.equals(styled)
    assert str(styled.column(1)[0].as_py()) == "-1 days -02:03:00"


def test_domains_however_deep_and_in_arrays_are_what_they_are_over(database: Database) -> None:
    database.execute(
        "create domain price as numeric(10,2)",
        "create domain fair_price as price check (value > 0)",
        "create domain numbers as int[]",
        "create domain small as smallint",
        "create table t (a fair_price, b fair_price[], c numbers, d small[])",
        "insert into t values (1.10, '{2.20,NULL}', '{1,2}', '{3}')",
    )
    rows = database.read()
    assert rows.schema.types == [
        pa.decimal64(10, 2),
        pa.list_(pa.decimal64(10, 2)),
        pa.list_(pa.int32()),
        pa.list_(pa.int16()),
    ]
    assert [column[0].as_py() for column in rows.columns] == [
        Decimal("1.10"),
        [Decimal("2.20"), None],
        [1, 2],
        [3],
    ]


def test_types_of_the_users_own_travel_as_text_and_that_is_told(database: Database) -> None:
    database.execute(
        "create type mood as enum ('sad', 'ok')",
        "create type pair as (a int, b text)",
        "create table t (mood mood, moods mood[], pair pair)",
        "insert into t values ('ok', '{sad,ok}', row(1, 'x'))",
    )
    rows = database.read()
    assert rows.to_pylist() == [{"mood": "ok", "moods": ["sad", "ok"], "pair": "(1,x)"}]
    with database.opened() as endpoint:
        notes = [
            note for column in endpoint.describe(database.relation("t")).columns for note in column.notes
        ]
    schema = database.schema
    assert notes == [
        f"Column mood: {schema}.mood is carried as text",
        f"Column moods: {schema}.mood[] is carried as a list of text",
        f"Column pair: {schema}.pair is carried as text",
    ]


REFUSED: Sequence[tuple[str, str, str]] = [
    ("integer[]", "'{{1,2},{3,4}}'", r"Column v of .*\.t holds arrays of more than one dimension"),
    ("integer[]", "'[0:1]={1,2}'", r"Column v of .*\.t holds arrays that are not counted from 1"),
    ("numeric(8,3)[]", "'{{1},{2}}'", "Column v of .* holds arrays of more than one dimension"),
    ("numeric(8,3)[]", "'{NaN}'", r"Column v \(numeric\(8,3\)\[\]\) holds a value"),
    ("interval", "'2562048 hours'", r"An interval column holds infinity, or more than .* cannot carry: v\."),
    ("interval[]", "'{-2562048 hours}'", r"An interval column .* cannot carry: v\."),
    ("interval", "'infinity'", r"An interval column holds infinity, .* cannot carry: v\."),
    ("time", "'24:00:00'", "Column v holds the time 24:00:00"),
    ("date", "'-infinity'", "Column v holds an infinite date or time"),
    ("timestamp", "'294276-12-31'", "Column v holds an infinite date or time, or one past the year 294246"),
    ("numeric(10,2)", "'NaN'", r"holds NaN, which no decimal can carry: v\."),
]


@pytest.mark.parametrize(("native", "literal", "said"), REFUSED)
def test_a_value_that_arrow_cannot_carry_is_refused_by_its_columns_name(
    database: Database, native: str, literal: str, said: str
) -> None:
    database.column(native, "null", literal)
    with pytest.raises(LossyTypeError, match=said):
        database.read()


@pytest.mark.parametrize(("native", "literal"), [(native, literal) for native, literal, _ in REFUSED])
def test_what_nobody_looks_at_needs_no_arrow_type_between_two_servers(
    database: Database, native: str, literal: str
) -> None:
    """The rows go from COPY to COPY as the server writes them."""
    database.column(native, literal, "null")
    assert database.replicate("t").rows == 2
    assert database.fetch("select i, v::text from {s}.copy") == database.fetch("select i, v::text from {s}.t")


# Without a limit of rows the bytes are piped through; with one the rows are batches.
WAYS: Sequence[Mapping[str, Any]] = [{}, {"batch_limit": 3}]

ALIKE = """
create table t (
    id int primary key, "a ""b" varchar(5), padded char(5), short name, body json, data jsonb,
    names varchar(9)[], at timestamp(3), days date[], mood mood, amount amount, amounts amount[],
    total numeric(12,2), anything numeric, ip inet, ips inet[], span interval, spans interval[],
    bits bit(3), one "char", when_ tstzrange, ids uuid[], flag boolean, bytes bytea, real_ real,
    time_ time(0), price money, moods mood[], codes char(3)[]
)
"""
FIRST = """
insert into t values (
    1, 'a', 'b', 'c', '{"b":1, "a":[1.0]}', '{"b":1}', '{x,NULL}', '2024-01-01 10:00:00.1234',
    '{2024-01-01}', 'ok', 1.25, '{1.25,NULL}', -0.05, '1e40', '10.0.0.1', '{::1/64}',
    '1 mon -1 day', '{1 day}', '101', 'x', '[2024-01-01,)', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', true,
    '\\x00ff', 1.1, '10:00:01', 12.5, '{sad,ok}', '{a,"b ",NULL}'
)
"""


@pytest.mark.parametrize("left_out", [["price", "moods", "codes"], []], ids=str)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_between_two_servers_rows_are_the_same_whichever_way_they_go(
    database: Database, way: Mapping[str, Any], left_out: Sequence[str]
) -> None:
    """One column whose bytes say something else at the other server, and none are piped."""
    database.execute("create type mood as enum ('sad', 'ok')", "create domain amount as numeric(10,2)", ALIKE)
    database.execute(FIRST, "insert into t (id) select generate_series(2, 9)")
    database.execute(*(f"alter table t drop column {name}" for name in left_out))
    report = database.replicate("t", target_options=way)
    assert report.rows == report.row_count == 9
    names = [name for name in database.natives("copy") if name not in ("body", "padded")]
    columns = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"::text' for name in names)
    # JSON comes as jsonb, and char as text, with its blanks.
    whole = f"select {columns}, body::jsonb::text, padded::char(5) from {{s}}."
    assert database.fetch(f"{whole}copy order by id") == database.fetch(f"{whole}t order by id")
    assert database.fetch("select octet_length(padded) from {s}.copy where id = 1") == [(5,)]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_between_two_servers_a_stream_takes_what_it_asks_for(
    database: Database, way: Mapping[str, Any]
) -> None:
    database.execute("create table t (id int, name text, at int)")
    rows = "insert into t select i, 'n' || i, i from generate_series({}, {}) i"
    database.execute(rows.format(1, 5))
    stream = {
        "mode": "incremental", "primary_key": "id", "update_key": "at", "where": "id <> 2",
        "select": ["id", "name as called", "at"], "target_options": way,
    }  # fmt: skip
    assert database.replicate("t", **stream).rows == 4
    database.execute("update t set name = 'new', at = 9 where id = 1", rows.format(6, 7))
    report = database.replicate("t", **stream)
    assert (report.rows, report.row_count) == (4, 6)
    assert database.fetch("select id, called, at from {s}.copy order by id") == [
        (1, "new", 9), (3, "n3", 3), (4, "n4", 4), (5, "n5", 5), (6, "n6", 6), (7, "n7", 7)
    ]  # fmt: skip
    assert database.replicate("t", mode="full-refresh", source_options={"limit": 2}).row_count == 2


def test_rows_that_are_piped_are_refused_as_others_are(database: Database) -> None:
    database.execute("create table t (id int, name text)", "insert into t values (1, 'abcd'), (2, 'b')")
    error = database.refused("t", columns={"name": "string(3)"})
    assert isinstance(error, LossyTypeError)
    assert "value too long for type character varying(3)" in str(error)
    error = database.refused("t", sql="select 1 / (id - 2) as id, name from {stream_name}")
    assert "division by zero" in str(error)
    assert database.tables() == ["t"]


def test_rows_that_are_piped_can_be_broken_off(database: Database) -> None:
    database.execute(
        "create table t as select i, repeat(md5(i::text), 8) as note from generate_series(1, 50000) i"
    )
    stream = {f"{database.schema}.t": {"object": f"{database.schema}.copy"}}
    events = run({"source": "PG", "target": "PG", "streams": stream}, {"PG": database.server.url})
    begun = next(event for event in events if isinstance(event, BatchStaged))
    assert 0 < begun.rows < 50000
    events.close()
    assert database.tables() == ["t"]
    assert database.fetch("select query from pg_stat_activity where application_name = 'mainstem'") == []


@pytest.mark.parametrize(("native", "literal", "text"), [
    ("integer[]", "'{{1,2},{3,4}}'", "{{1,2},{3,4}}"),
    ("interval", "'infinity'", "infinity"),
    ("time", "'24:00:00'", "24:00:00"),
    ("numeric(10,2)", "'NaN'", "NaN"),
    ("inet", "'10.0.0.1'", "10.0.0.1"),
    ("boolean", "true", "true"),
])  # fmt: skip
def test_declared_as_text_such_a_value_travels(
    database: Database, native: str, literal: str, text: str
) -> None:
    database.column(native, literal)
    database.replicate("t", columns={"v": "text"})
    assert database.fetch("select v from {s}.copy") == [(text,)]


@pytest.mark.parametrize(("native", "literals"), [
    ("date", ["'4714-11-24 BC'", "'0001-12-31 BC'", "'12024-01-01'", "'5874897-12-31'"]),
    ("timestamp", ["'4714-11-24 BC'", "'0044-03-15 12:00:00.000001 BC'", "'294246-12-31 23:59:59.999999'"]),
    ("timestamptz", ["'4714-11-24 12:00+00 BC'", "'0044-03-15 12:00:00.000001+01 BC'"]),
    ("interval", ["'-178000000 years'", "'1 mon -1 day 00:00:00.000001'", "'-2562047:47:16.854775'"]),
    ("float4", ["'NaN'", "'-Infinity'", "'-0'", "1.1", "1e-45"]),
    ("float8", ["'NaN'", "'-Infinity'", "'-0'", "0.1", "5e-324"]),
    ("bytea", [r"'\x00ff'", "''"]),
    ("text", ["''", "'a' || chr(10) || '\\.' || chr(10) || 'b'", "repeat('ä', 524288)"]),
    ("uuid[]", ["'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'", "'{}'"]),
    ("timestamptz[]", ["'{2024-01-01 00:00:00.000001+05,NULL}'", "'{0044-03-15 00:00+00 BC}'"]),
    ("interval[]", ["'{1 mon -1 day 00:00:00.000001,NULL}'"]),
    ("jsonb[]", ["""array['{"a": "x,y"}', null]::jsonb[]"""]),
    ("bytea[]", [r"array['\x00'::bytea, null, '']"]),
    ("text[]", ["""'{"a,b","c\\"d",NULL,"","NULL"}'"""]),
    ("numeric(38,10)[]", ["'{1.5,NULL}'"]),
])  # fmt: skip
def test_extreme_values_are_the_same_in_another_table(
    database: Database, native: str, literals: Sequence[str]
) -> None:
    database.column(native, *literals, "null")
    database.replicate("t")
    assert database.fetch("select v::text from {s}.copy order by i") == database.fetch(
        "select v::text from {s}.t order by i"
    )


def test_what_the_catalogue_knows_of_a_table_is_told(database: Database) -> None:
    database.execute(
        "create table t (note text, b int, a text not null, primary key (b, a) include (note))",
        "comment on table t is 'orders'",
        "comment on column t.note is 'what the customer said'",
    )
    with database.opened() as endpoint:
        table = endpoint.describe(database.relation("T"))
    assert (table.relation, table.comment) == (database.relation("t"), "orders")
    assert table.primary_key == ["b", "a"]
    assert [(column.name, column.nullable, column.comment) for column in table.columns] == [
        ("note", True, "what the customer said"),
        ("b", False, None),
        ("a", False, None),
    ]


def test_the_types_of_custom_sql_are_exact(database: Database) -> None:
    database.execute("create domain price as numeric(10,2)")
    with database.opened() as endpoint:
        table = endpoint.describe_query(
            f"select 1.5::{database.schema}.price as a, 'x'::varchar(5) as b, B'101'::bit(3) as c, 1.5 as d,"
            " '{}'::int[] as e, now()::timestamptz(3) as f, 'x' as g -- and a comment"
        )
    assert [(column.native_type, column.arrow_type) for column in table.columns] == [
        ("numeric(10,2)", pa.decimal64(10, 2)),
        ("character varying(5)", pa.string()),
        ("bit(3)", pa.opaque(pa.string(), "bit(3)", "PostgreSQL")),
        ("numeric", pa.opaque(pa.string(), "numeric", "PostgreSQL")),
        ("integer[]", pa.list_(pa.int32())),
        ("timestamp(3) with time zone", pa.timestamp("us", "UTC")),
        ("text", pa.string()),
    ]
    assert table.relation is None


def test_rows_come_in_the_order_of_the_values_and_not_of_their_text(database: Database) -> None:
    database.execute("create table t (v numeric(30,0))", "insert into t values (10), (9), (-1), (100)")
    assert [value.as_py() for value in database.read().column(0)] == [-1, 9, 10, 100]


def test_text_is_ordered_by_its_bytes(database: Database) -> None:
    database.execute(
        "create type mood as enum ('ok', 'Bad')",
        "create table t (v text, mood mood)",
        "insert into t values ('b', 'ok'), ('a', 'Bad'), ('B', 'ok'), (null, null)",
    )
    assert [value.as_py() for value in database.read().column(0)] == ["B", "a", "b", None]
    with database.opened() as endpoint:
        # This server was built without the collations of any language, which would tell.
        columns = endpoint.describe(database.relation("t")).columns
        assert [endpoint.ordered(column) for column in columns] == [
            '"v" collate "C"',
            '"mood"::text collate "C"',
        ]
        found = [endpoint.maximum(database.relation("t"), name) for name in ("v", "mood")]
    assert [value.as_py() for value in found if value] == ["b", "ok"]


@pytest.mark.parametrize(("native", "literals", "greatest"), [
    ("uuid", ["'00000000-0000-0000-0000-000000000001'", "null"], UUID(int=1)),
    ("boolean", ["false", "true"], True),
    ("numeric", ["'9'", "'10.50'"], "10.50"),
    ("timestamptz", ["'2024-01-01 00:00+02'", "null"], None),
    ("integer", ["null"], None),
])  # fmt: skip
def test_the_greatest_value_is_found_whatever_the_type(
    database: Database, native: str, literals: Sequence[str], greatest: Any
) -> None:
    database.column(native, *literals)
    with database.opened() as endpoint:
        found = endpoint.maximum(database.relation("t"), "v")
    if native == "timestamptz":
        assert found is not None
        assert str(found) == "2023-12-31 22:00:00+00:00"
    else:
        assert (found.as_py() if found is not None else None) == greatest


@pytest.mark.parametrize(("native", "text", "equal"), [
    ("timestamp(3)", "2024-01-01 00:00:00.000001", "'2024-01-01 00:00:00'"),
    ("timestamptz", "2024-01-01 00:00:00.000001+00:00", "'2024-01-01 02:00:00.000001+02'"),
    ("timestamp", "-0043-03-15 00:00:00.000000", "'0044-03-15 BC'"),
    ("timestamp", "+12024-01-01 00:00:00.000000", "'12024-01-01'"),
    ("date", "0000-12-31", "'0001-12-31 BC'"),
    ("numeric(5,2)", "1.005", "1.00"),
    ("varchar(3)", "abcd", "'abc'"),
    ("text", "it's \\ a \"quote\" \\'; drop table t; --", "'x'"),
    ("bytea", "\\x00ff", r"'\x00ff'"),
    ("interval", "P14M3DT4.005006S", "'1 year 2 mons 3 days 00:00:04.005006'"),
    ("bit(3)", "101", "B'101'"),
    ('"char"', "a", "'a'"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
])  # fmt: skip
@pytest.mark.parametrize("strings", ["on", "off"])
def test_a_literal_is_compared_exactly(
    database: Database, native: str, text: str, equal: str, strings: str
) -> None:
    column = database.column(native, equal)
    options = f"-c standard_conforming_strings={strings} -c escape_string_warning=off"
    with database.opened(options=options) as endpoint:
        literal = endpoint.literal(text, column)
        ((same,),) = endpoint.rows(f"select v = {literal} from {database.schema}.t")
    rounded = native in ("timestamp(3)", "numeric(5,2)", "varchar(3)", "text")
    assert same is (not rounded)


def test_a_literal_with_a_zero_byte_is_refused(database: Database) -> None:
    column = database.column("text", "'x'")
    with database.opened() as endpoint, pytest.raises(EndpointError, match="zero byte"):
        endpoint.literal("a\0b", column)


def test_a_table_without_columns_is_described_so(database: Database) -> None:
    database.execute("create table t ()")
    with database.opened() as endpoint:
        assert list(endpoint.describe(database.relation("t")).columns) == []
    assert "has no columns" in str(database.refused("t"))


def test_sixteen_hundred_columns_arrive(database: Database) -> None:
    names = [f"c{index}" for index in range(1600)]
    rows = pa.table({name: pa.array([index, None], pa.int16()) for index, name in enumerate(names)})
    database.write(rows)
    assert database.read().equals(rows)
    database.replicate("t")
    assert database.fetch("select c0, c1599 from {s}.copy order by c0") == [(0, 1599), (None, None)]


def test_names_of_63_bytes_are_whole_and_longer_ones_are_refused(database: Database) -> None:
    longest = "ä" * 31 + "x"
    rows = pa.table({longest: [1]})
    database.write(rows, longest)
    assert database.tables() == [longest]
    assert database.read(longest).equals(rows)
    with pytest.raises(EndpointError, match="has 64 bytes; PostgreSQL's have at most 63"):
        database.write(pa.table({"y" * 64: [1]}))
    with pytest.raises(EndpointError, match="has 64 bytes"):
        database.write(rows, "y" * 64)
    assert database.tables() == [longest]


def test_reading_leaves_no_transaction_open(database: Database) -> None:
    database.column("integer", "1", "2")
    name = f"reader {database.schema}"
    with database.opened(application_name=name) as endpoint:
        described = endpoint.describe(database.relation("t"))
        with endpoint.read(Query(described.columns, relation=described.relation)) as batches:
            next(batches)
        states = database.fetch(f"select state from pg_stat_activity where application_name = '{name}'")
    assert states == [("idle",), ("idle",)]


def test_a_table_that_was_read_to_its_end_can_be_replaced(database: Database) -> None:
    database.execute("create table t (id int)", "insert into t values (1), (2)")
    database.replicate("t", object=f"{database.schema}.t", select=["id"], where="id = 2")
    assert database.fetch("select id from {s}.t") == [(2,)]


def test_what_goes_wrong_with_the_rows_elsewhere_is_not_blamed_on_the_server(database: Database) -> None:
    database.column("integer", "1")
    with database.opened() as endpoint:
        described = endpoint.describe(database.relation("t"))
        with (
            pytest.raises(OSError, match="no room"),
            endpoint.read(Query(described.columns, relation=described.relation)),
        ):
            raise OSError("no room")


WRITTEN: Sequence[tuple[pa.DataType, Sequence[Any], str, str]] = [
    (pa.int8(), [-128, 127], "smallint", "-128,127"),
    (pa.uint8(), [255], "smallint", "255"),
    (pa.uint16(), [65535], "integer", "65535"),
    (pa.uint32(), [4294967295], "bigint", "4294967295"),
    (pa.uint64(), [2**64 - 1], "numeric(20,0)", "18446744073709551615"),
    (pa.float16(), [1.5], "real", "1.5"),
    (pa.decimal64(18, 18), [Decimal("0.000000000000000001")], "numeric(18,18)", "0.000000000000000001"),
    (pa.decimal128(38, 0), [Decimal(10**38 - 1), Decimal(10000)], "numeric(38,0)", f"{10**38 - 1},10000"),
    (pa.decimal128(3, -2), [Decimal("12300")], "numeric(5,0)", "12300"),
    (pa.decimal256(50, 10), [Decimal(10**39)], "numeric(50,10)", f"{10**39}.0000000000"),
    (pa.large_string(), ["", "é"], "text", ",é"),
    (pa.string_view(), ["", "long enough to be out of line"], "text", ",long enough to be out of line"),
    (pa.large_binary(), [b"\0"], "bytea", r"\x00"),
    (pa.binary_view(), [b"\0"], "bytea", r"\x00"),
    (pa.binary(3), [b"abc"], "bytea", r"\x616263"),
    (pa.timestamp("s"), [datetime(2024, 1, 1)], "timestamp without time zone", "2024-01-01 00:00:00"),  # noqa: DTZ001 - a type without a zone
    (pa.timestamp("ns"), [datetime(2024, 1, 1, 0, 0, 0, 1)], "timestamp without time zone",  # noqa: DTZ001 - likewise
     "2024-01-01 00:00:00.000001"),
    (pa.time32("s"), [time(23, 59, 59)], "time without time zone", "23:59:59"),
    (pa.time64("ns"), [time(23, 59, 59, 999999)], "time without time zone", "23:59:59.999999"),
    (pa.date64(), [date(2024, 1, 1)], "date", "2024-01-01"),
    (pa.duration("ms"), [1500], "interval", "00:00:01.5"),
    (pa.duration("ns"), [1500000], "interval", "00:00:00.0015"),
    (pa.list_(pa.uint64()), [[2**64 - 1, None]], "numeric(20,0)[]", "{18446744073709551615,NULL}"),
    (pa.large_list(pa.int64()), [[1, 2]], "bigint[]", "{1,2}"),
    (pa.list_(pa.int64(), 2), [[1, 2]], "bigint[]", "{1,2}"),
    (pa.null(), [None], "text", ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "native", "text"), WRITTEN, ids=str)
def test_an_arrow_type_is_written_to_a_type_that_holds_it(
    database: Database, kind: pa.DataType, values: Sequence[Any], native: str, text: str
) -> None:
    database.write(one(kind, *values, None))
    assert database.natives("t")["v"] == native
    arrived = database.fetch("select v::text from {s}.t order by i")
    assert ",".join(value for (value,) in arrived if value is not None) == text
    assert arrived[-1] == (None,)


def test_pieces_of_larger_arrays_are_written_as_they_are(database: Database) -> None:
    """A batch may be a slice, whose arrays begin somewhere in their buffers."""
    uuids = pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([UUID(int=number).bytes for number in range(5)], pa.binary(16))
    )
    whole = pa.table(
        {
            "i": pa.array(range(5), pa.int32()),
            "text": ["a\0", "", None, "x", "y\0"],
            "interval": pa.array([(1, 2, 999), (1, 2, 3000), None, (0, 0, -1000), (1, 1, 1)],
                                 pa.month_day_nano_interval()),
            "list": pa.array([[9], [1, None], None, [], [8]], pa.list_(pa.int64())),
            "uuids": pa.ListArray.from_arrays(pa.array([0, 1, 3, 3, 4, 5], pa.int32()), uuids),
        }
    )  # fmt: skip
    # What cannot be held stands in the rows that are cut off.
    rows = whole.slice(1, 3)
    database.write(rows)
    assert database.read().to_pylist() == rows.to_pylist()


UNFIT: Sequence[tuple[pa.DataType, Any, str]] = [
    (pa.string(), "a\0b", "Column v .* a text with a zero byte"),
    (pa.list_(pa.string()), ["a\0b"], "Column v .* a text with a zero byte"),
    (pa.json_(), '"\0"', "Column v .* a text with a zero byte"),
    (pa.json_(), r'"\u0000"', "a value does not fit column v for .*unsupported Unicode escape sequence"),
    (pa.json_(), "{", "a value does not fit column v for .*invalid input syntax for type json"),
    (pa.timestamp("us"), -(2**62), "Column v .* is before 4714 BC"),
    (pa.timestamp("s"), 2**62, "Column v .* would result in out of bounds timestamp"),
    (pa.timestamp("ns"), 1, "Column v .* would lose data"),
    (pa.date32(), -(2**31) + 1, "Column v .* is before 4714 BC, or too far ahead"),
    (pa.date32(), 2**31 - 1, "Column v .* is before 4714 BC, or too far ahead"),
    (pa.month_day_nano_interval(), (0, 0, 1), "Column v .* an interval with a part of a microsecond"),
    (pa.time64("ns"), 1, "Column v .* would lose data"),
    (pa.opaque(pa.string(), "inet", "PostgreSQL"), "no address", "does not fit for .*syntax for type inet"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "said"), UNFIT, ids=str)
def test_a_value_that_the_server_cannot_hold_is_refused_and_nothing_stays(
    database: Database, kind: pa.DataType, value: Any, said: str
) -> None:
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    as_number = pa.types.is_temporal(storage) and isinstance(value, int)
    number = pa.int32() if pa.types.is_date32(storage) else pa.int64()
    values = pa.array([value], number).cast(storage) if as_number else pa.array([value], storage)
    if isinstance(kind, pa.BaseExtensionType):
        values = pa.ExtensionArray.from_storage(kind, values)
    with pytest.raises(LossyTypeError, match=said):
        database.write(pa.table({"v": values}))
    assert database.tables() == []


@pytest.mark.parametrize("kind", [pa.list_(pa.list_(pa.int32())), pa.struct([("a", pa.int32())])], ids=str)
def test_a_type_that_the_server_has_not_is_refused_by_the_columns_name(
    database: Database, kind: pa.DataType
) -> None:
    with pytest.raises(LossyTypeError, match="Column v: PostgreSQL has no type for Arrow's"):
        database.write(pa.table({"v": pa.array([None], kind)}))


def test_values_go_into_the_types_of_a_table_that_is_there(database: Database) -> None:
    database.execute(
        "create type mood as enum ('sad', 'ok')",
        "create domain price as numeric(10,2)",
        "create table copy (code char(5) primary key, mood mood, size varchar(3), price price, body json,"
        " ip inet, id uuid unique, tags mood[])",
        "create table t (code char(5), mood text, size text, price numeric(10,2), body jsonb, ip inet,"
        " id text, tags text[])",
        "insert into t values ('a', 'ok', 'abc', 1.10, '[1]', '10.0.0.1',"
        " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{sad}')",
    )
    for _ in range(2):
        database.replicate("t", mode="incremental", primary_key="code")
    for mood, key in (("ok", ["mood", "tags"]), ("sad", ["id", "size", "ip"]), ("sad", ["mood"])):
        database.execute(f"update t set mood = '{mood}'")
        database.replicate("t", mode="incremental", primary_key=key)
    assert database.natives("copy")["mood"] == f"{database.schema}.mood"
    assert database.fetch("select mood::text, size, price::text, ip::text, tags::text from {s}.copy") == [
        ("sad", "abc", "1.10", "10.0.0.1/32", "{sad}")
    ]


def test_a_text_that_is_too_long_for_the_tables_column_is_refused_and_not_cut(database: Database) -> None:
    database.execute(
        "create table copy (id int, size varchar(3))",
        "create table t (id int, size text)",
        "insert into t values (1, 'abcd')",
    )
    error = database.refused("t", mode="incremental", primary_key="id")
    assert isinstance(error, LossyTypeError)
    assert f"for {database.schema}.copy: value too long for type character varying(3)" in str(error)
    assert database.fetch("select * from {s}.copy") == []


def test_a_table_that_a_view_is_made_of_is_filled_again_in_its_place(database: Database) -> None:
    database.execute(
        "create table t (id int, name text)",
        "insert into t values (1, 'one'), (2, 'two')",
        "create table copy (name text, id int primary key)",
        "insert into copy values ('old', 0)",
        "create view best as select name from copy where id = 2",
        "grant select on copy to public",
    )
    table = (
        "select oid::bigint, relacl::text from pg_class"
        " where relname = 'copy' and relnamespace = '{s}'::regnamespace"
    )
    before = database.fetch(table)
    report = database.replicate("t")
    assert database.fetch(table) == before
    assert database.fetch("select * from {s}.best") == [("two",)]
    assert (report.rows, report.row_count) == (2, 2)
    assert database.tables() == ["best", "copy", "t"]


def test_where_its_columns_have_changed_the_view_is_named_and_the_table_stays(database: Database) -> None:
    database.execute(
        "create table t (id bigint)",
        "insert into t values (1)",
        "create table copy (id int)",
        "insert into copy values (0)",
        "create view best as select * from copy",
        "create view better as select * from best",
    )
    error = database.refused("t")
    schema = database.schema
    assert f"{schema}.copy cannot be replaced" in str(error)
    assert "its columns have changed" in str(error)
    assert f"view {schema}.best depends on table {schema}.copy" in str(error)
    assert f"view {schema}.better depends on view {schema}.best" in str(error)
    assert database.fetch("select id from {s}.better") == [(0,)]
    assert database.tables() == ["best", "better", "copy", "t"]


@pytest.mark.parametrize("mode", ["full-refresh", "truncate"])
def test_rows_that_refer_to_the_table_are_not_deleted_along(database: Database, mode: str) -> None:
    database.execute(
        "create table t (id int)",
        "insert into t values (1)",
        "create table copy (id int primary key)",
        "insert into copy values (0)",
        "create table lines (order_id int references copy on delete cascade)",
        "insert into lines values (0)",
    )
    error = database.refused("t", mode=mode)
    assert "would delete or change rows of the tables that refer to it" in str(error)
    assert f"{database.schema}.lines (lines_order_id_fkey)" in str(error)
    assert database.fetch("select * from {s}.copy, {s}.lines") == [(0, 0)]


def test_rights_and_keys_are_the_new_tables_too(database: Database) -> None:
    database.execute("create table t (id int, name text)", "insert into t values (1, 'one')")
    options = {"table_keys": {"primary": ["id"], "index": ["name"]}}
    database.replicate("t", target_options=options)
    database.execute("grant select, update on copy to public")
    database.replicate("t", target_options=options)
    indexes = "select indexname::text from pg_indexes where schemaname = '{s}' order by 1"
    assert database.fetch(indexes) == [("copy_name_idx",), ("copy_pkey",)]
    rights = (
        "select privilege_type from information_schema.role_table_grants"
        " where table_schema = '{s}' and table_name = 'copy' and grantee = 'PUBLIC' order by 1"
    )
    assert database.fetch(rights) == [("SELECT",), ("UPDATE",)]
    with database.opened() as endpoint:
        assert endpoint.describe(database.relation("copy")).primary_key == ["id"]


def test_keys_whose_names_are_taken_get_others_at_every_run(database: Database) -> None:
    database.execute(
        "create table t (id int, name text)",
        "insert into t values (1, 'one')",
        "create table other (id int constraint copy_pkey primary key, name text)",
        "create index copy_name_idx on other (name)",
    )
    for _ in range(2):
        database.replicate("t", target_options={"table_keys": {"primary": ["id"], "index": ["name"]}})
        indexes = "select indexname::text from pg_indexes where schemaname = '{s}' and tablename = 'copy'"
        assert sorted(database.fetch(indexes)) == [("copy_name_idx1",), ("copy_pkey1",)]


def test_a_table_that_is_filled_in_its_place_gets_the_keys_that_it_lacks(database: Database) -> None:
    database.execute(
        "create table t (id int, name text)",
        "insert into t values (1, 'one')",
        "create table copy (id int primary key, name text)",
        "create view best as select * from copy",
    )
    keys = {"primary": ["id"], "unique": ["name"]}
    for _ in range(2):
        database.replicate("t", target_options={"table_keys": keys})
        indexes = "select indexname::text from pg_indexes where schemaname = '{s}'"
        assert sorted(database.fetch(indexes)) == [("copy_name_key",), ("copy_pkey",)]
    assert database.fetch("select * from {s}.best") == [(1, "one")]


def test_a_staging_table_of_another_schema_comes_into_the_targets(database: Database) -> None:
    other = f"{database.schema}_tmp"
    database.execute("create table t (id int)", "insert into t values (1)", f"create schema {other}")
    try:
        for _ in range(2):
            database.replicate("t", target_options={"table_tmp": f"{other}.copy"})
            assert database.fetch("select id from {s}.copy") == [(1,)]
    finally:
        database.execute(f"drop schema {other}")


def test_a_second_run_waits_for_the_first(database: Database) -> None:
    target = database.relation("t")
    order: list[str] = []

    def second() -> None:
        with database.opened() as endpoint, endpoint.locked(target):
            order.append("second")

    with database.opened() as endpoint:
        waiting = threading.Thread(target=second)
        with endpoint.locked(target):
            waiting.start()
            while not database.fetch("select 1 from pg_locks where locktype = 'advisory' and not granted"):
                assert waiting.is_alive()
            order.append("first")
        waiting.join()
    assert order == ["first", "second"]


def test_a_run_that_never_ends_is_not_waited_for_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_module, "LOCK_SECONDS", 0.2)
    target = database.relation("t")
    with database.opened(application_name="the night's run") as first, database.opened() as second:
        with first.locked(target):
            with (
                pytest.raises(TargetBusyError, match=r"Server process: \d+ \(the night's run\)"),
                second.locked(target),
            ):
                raise AssertionError("two runs had the table")
            with second.locked(database.relation("another")):
                pass
        with second.locked(target):
            pass


def test_the_lock_of_a_run_that_was_killed_is_gone(database: Database) -> None:
    target = database.relation("t")
    with ExitStack() as killed, database.opened() as next_run:
        endpoint = killed.enter_context(database.opened())
        killed.enter_context(endpoint.locked(target))
        endpoint.close()
        with next_run.locked(target):
            assert database.tables() == []


def test_a_reader_that_does_not_let_go_of_the_table_is_not_waited_for_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_module, "LOCK_SECONDS", 0.2)
    database.execute("create table t (id int)", "insert into t values (1)", "create table copy (id int)")
    with database.opened() as reader, reader.transaction():
        reader.rows(f"select * from {database.schema}.copy")
        error = database.refused("t")
    assert isinstance(error, TargetBusyError)
    assert f"a lock was not let go in time was in the way for {database.schema}.copy" in str(error)
    assert database.tables() == ["copy", "t"]
    database.replicate("t")
    assert database.fetch("select id from {s}.copy") == [(1,)]


def test_a_refused_statement_tells_the_table_and_the_servers_words(database: Database) -> None:
    database.execute(
        "create table t (id int)",
        "insert into t values (-1)",
        "create table copy (id int check (id > 0))",
    )
    error = database.refused("t", mode="truncate")
    assert f"PostgreSQL said for {database.schema}.copy: new row for relation" in str(error)
    assert 'violates check constraint "copy_id_check"' in str(error)


def test_whoever_may_not_create_schemas_can_still_write(database: Database) -> None:
    server = database.server
    database.execute("create table t (id int)", "insert into t values (1)")
    server.execute(f"revoke create on database {server.database} from {server.user}")
    try:
        database.replicate("t")
    finally:
        server.execute(f"grant create on database {server.database} to {server.user}")
    assert database.fetch("select id from {s}.copy") == [(1,)]


def test_a_script_may_do_what_no_transaction_allows(database: Database) -> None:
    database.execute("create table t (id int)", "insert into t values (1)")
    database.replicate("t", target_options={"post_sql": "vacuum {object_full_name}; select 1;"})
    error = database.refused("t", target_options={"post_sql": "begin; delete from {object_full_name}"})
    assert "began a transaction and did not commit it" in str(error)
    assert database.fetch("select id from {s}.copy") == [(1,)]


def test_breaking_off_ends_the_statement_at_the_server(database: Database) -> None:
    name = f"sleeper {database.schema}"
    running = f"select 1 from pg_stat_activity where application_name = '{name}' and state = 'active'"
    errors: list[EndpointError] = []
    with database.opened(application_name=name) as endpoint:

        def sleep() -> None:
            try:
                endpoint.run("select pg_sleep(3600)")
            except EndpointError as error:
                errors.append(error)

        sleeping = threading.Thread(target=sleep)
        sleeping.start()
        while not database.fetch(running):
            assert sleeping.is_alive()
        endpoint.cancel()
        sleeping.join()
        assert database.fetch(running) == []
    assert "canceling statement due to user request" in str(errors[0])


def test_a_server_that_dies_while_rows_are_loaded_is_told_as_that(tmp_path: Path) -> None:
    rows = one(pa.string(), *["x" * 1000] * 1000)
    with EmbeddedPostgres(tmp_path / "mortal") as server:
        database = Database(server, "public")
        place = database.relation("t")
        with (
            database.opened() as endpoint,
            endpoint.locked(place),
            endpoint.stage(place, rows.schema) as staging,
        ):
            staging.write(rows.to_batches()[0])
            server.kill()
            with pytest.raises(ConnectError, match="the connection to PostgreSQL broke"):
                staging.complete()


def test_two_places_can_be_loaded_at_once(database: Database) -> None:
    rows = one(pa.int64(), 1, 1, None)
    place = database.relation("t")
    with (
        database.opened() as endpoint,
        endpoint.stage(place, rows.schema) as first,
        endpoint.stage(place, rows.schema, purpose="keys") as second,
    ):
        for batch in rows.to_batches():
            second.write(batch)
            first.write(batch)
        assert (first.complete(), second.complete()) == (3, 3)
        assert first.profile(["v"]) == KeyProfile({"v": 1}, 1, 0)
        endpoint.publish(first, place, [Swap(columns=rows.column_names)])
    assert database.tables() == ["t"]
