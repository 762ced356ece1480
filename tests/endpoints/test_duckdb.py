"""What is DuckDB's own: its types, its files and who holds them, its memory, and tables with indexes."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import duckdb
import pyarrow as pa
import pytest

from mainstem import replicate
from mainstem.api import plan
from mainstem.connections import connection_of
from mainstem.endpoints import ChangeType, Insert, Swap, TableKey
from mainstem.endpoints.base import Query
from mainstem.endpoints.duckdb import DuckDB, connecting, loader
from mainstem.endpoints.duckdb.memory import Cache
from mainstem.errors import (
    ConnectError,
    ConnectionConfigError,
    EndpointError,
    LossyTypeError,
    MainstemError,
    RelationNotFoundError,
    ReplicationFailedError,
    TargetBusyError,
)
from mainstem.report import StreamReport
from mainstem.schema import Column, Relation

UTC = timezone.utc


class File:
    """A DuckDB file, with our way in and the user's own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        return f"duckdb://{self.path}"

    @contextmanager
    def opened(self, **properties: Any) -> Iterator[DuckDB]:
        given = {"type": "duckdb", "instance": str(self.path), **properties}
        with DuckDB(connection_of("DUCK", given)) as endpoint:
            yield endpoint

    def execute(self, *statements: str) -> None:
        """Run statements as the user would, in a connection of their own."""
        with duckdb.connect(str(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(query).fetchall()

    def column(self, native: str, *literals: str) -> Column:
        """Make the table ``t`` with one column ``v`` of these values, and describe it."""
        values = ", ".join(f"({index}, {literal})" for index, literal in enumerate(literals))
        self.execute(f"create table t (i integer, v {native})", f"insert into t values {values}")
        with self.opened() as endpoint:
            return endpoint.describe(Relation("main", "t")).columns[1]

    def read(self, table: str = "t", **properties: Any) -> pa.Table:
        with self.opened(**properties) as endpoint:
            return read(endpoint, table)

    def write(self, rows: pa.Table, table: str = "t", *, keys: Sequence[TableKey] = ()) -> None:
        """Write a table as the engine does at a full refresh."""
        place = Relation("main", table)
        with self.opened() as endpoint, endpoint.locked(place), endpoint.stage(place, rows.schema) as staging:
            for batch in rows.to_batches():
                staging.write(batch)
            assert staging.complete() == rows.num_rows
            endpoint.publish(staging, place, [Swap(keys, columns=rows.column_names)])

    def replicate(self, other: File, table: str = "t", **stream: Any) -> StreamReport:
        """Replicate a table into another file."""
        config = {"source": "A", "target": "B", "streams": {f"main.{table}": {"object": "main.t", **stream}}}
        return replicate(config, {"A": self.url, "B": other.url}).streams[0]

    def refused(self, other: File, table: str = "t", **stream: Any) -> MainstemError:
        with pytest.raises(ReplicationFailedError) as caught:
            self.replicate(other, table, **stream)
        return caught.value.failures[0].cause


def read(endpoint: DuckDB, table: str) -> pa.Table:
    """Read a table as the engine does, by its first column."""
    described = endpoint.describe(endpoint.relation(table))
    schema = pa.schema([pa.field(column.name, column.arrow_type) for column in described.columns])
    query = Query(described.columns, relation=described.relation, order_by=described.columns[:1])
    with endpoint.read(query) as batches:
        return pa.Table.from_batches(list(batches), schema)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A file that is not there yet."""
    return File(tmp_path / "shop.duckdb")


@pytest.fixture
def other(tmp_path: Path) -> File:
    """Another one."""
    return File(tmp_path / "other.duckdb")


# Types.

# Native type → a literal for each value, the Arrow type in which they travel, and what they are there.
CARRIED: Mapping[str, tuple[Sequence[str], pa.DataType, Sequence[Any]]] = {
    "BOOLEAN": (["true"], pa.bool_(), [True]),
    "UTINYINT": (["255"], pa.uint8(), [255]),
    "UBIGINT": (["18446744073709551615"], pa.uint64(), [2**64 - 1]),
    "HUGEINT": ([f"-{10**38 - 1}"], pa.decimal128(38, 0), [Decimal(-(10**38) + 1)]),
    "DECIMAL(4,1)": (["-999.9"], pa.decimal64(4, 1), [Decimal("-999.9")]),
    "DECIMAL(18,9)": (["0.000000001"], pa.decimal64(18, 9), [Decimal("0.000000001")]),
    "DECIMAL(19,0)": ([f"{10**19 - 1}"], pa.decimal128(19, 0), [Decimal(10**19 - 1)]),
    "FLOAT": (["'-inf'", "0.1"], pa.float32(), [float("-inf"), 0.10000000149011612]),
    "VARCHAR": (["'a' || chr(0) || 'b'", "''", "NULL"], pa.string(), ["a\0b", "", None]),
    "BLOB": ([r"'\x00\xFF'"], pa.binary(), [b"\x00\xff"]),
    "DATE": (["'5881580-07-10'", "'0001-01-01'"], pa.date32(), [None, date(1, 1, 1)]),
    "TIME": (["'23:59:59.999999'"], pa.time64("us"), [time(23, 59, 59, 999999)]),
    "TIME_NS": (["'10:11:12.123456789'"], pa.time64("ns"), [time(10, 11, 12, 123456)]),
    "TIMESTAMP": (["'1000-01-01 00:00:00.000001'"], pa.timestamp("us"), [datetime(1000, 1, 1, 0, 0, 0, 1)]),  # noqa: DTZ001
    "TIMESTAMP_S": (["'9999-12-31 23:59:59'"], pa.timestamp("us"), [datetime(9999, 12, 31, 23, 59, 59)]),  # noqa: DTZ001
    "TIMESTAMP_MS": (["'1969-12-31 23:59:59.999'"], pa.timestamp("us"), [datetime(1969, 12, 31, 23, 59, 59, 999000)]),  # noqa: DTZ001, E501
    "TIMESTAMP_NS": (["'2024-01-01 10:11:12.123456000'"], pa.timestamp("ns"), [datetime(2024, 1, 1, 10, 11, 12, 123456)]),  # noqa: DTZ001, E501
    "TIMESTAMP WITH TIME ZONE": (
        ["'2024-03-31 02:30:00.000001+02'"],
        pa.timestamp("us", "UTC"),
        [datetime(2024, 3, 31, 0, 30, 0, 1, tzinfo=UTC)],
    ),
    "INTERVAL": (
        ["INTERVAL '14 months -3 days 25 hours 1 microsecond'"],
        pa.month_day_nano_interval(),
        [(14, -3, (25 * 3600 * 10**6 + 1) * 1000)],
    ),
    "UUID": (["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"], pa.uuid(), [UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),  # noqa: E501
    "JSON": ([""" '{"a": [1, null]}' """], pa.json_(), ['{"a": [1, null]}']),
    "ENUM('b', 'it''s')": (["'it''s'"], pa.string(), ["it's"]),
    "INTEGER[]": (["[1, NULL]", "[]"], pa.list_(pa.int32()), [[1, None], []]),
    "INTEGER[][]": (["[[1], NULL, []]"], pa.list_(pa.list_(pa.int32())), [[[1], None, []]]),
    "FLOAT[3]": (["[1, 2, NULL]", "NULL"], pa.list_(pa.float32()), [[1, 2, None], None]),
    "UUID[]": (
        ["['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL]"],
        pa.list_(pa.uuid()),
        [[UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), None]],
    ),
    "DECIMAL(9,1)[]": (["[1.5]"], pa.list_(pa.decimal64(9, 1)), [[Decimal("1.5")]]),
    "ENUM('a')[]": (["['a']"], pa.list_(pa.string()), [["a"]]),
    "TIMESTAMP WITH TIME ZONE[]": (
        ["['2024-01-01 00:00:00+01']"],
        pa.list_(pa.timestamp("us", "UTC")),
        [[datetime(2023, 12, 31, 23, tzinfo=UTC)]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("native", CARRIED)
def test_a_type_travels_as_arrows_own(file: File, native: str) -> None:
    literals, kind, values = CARRIED[native]
    column = file.column(native, *literals)
    assert (column.native_type, column.arrow_type, column.notes) == (native, kind, [])
    arrived = file.read()
    assert arrived.schema.field("v").type.equals(kind, check_metadata=True)
    if native == "DATE":
        # Python has no such year.
        assert arrived.column("v").cast(pa.int32())[0].as_py() == 2**31 - 2
        arrived, values = arrived.slice(1), values[1:]
    assert arrived.column("v").to_pylist() == values


# Types that Arrow has no word for, with values that are hard to write as text.
OPAQUE: Mapping[str, Sequence[str]] = {
    "UHUGEINT": ["340282366920938463463374607431768211455"],
    "BIGNUM": ["123456789012345678901234567890123456789012345678901234567890"],
    "BIT": ["'0000000001'"],
    "TIME WITH TIME ZONE": ["'10:11:12.000001+02:30'", "'00:00:00-15:59'"],
    'STRUCT(a INTEGER, "b, \'c""" VARCHAR)': [
        "{'a': 1, 'b, ''c\"': 'it''s \"x\", {y}: [z] \\'}",
        "{'a': NULL, 'b, ''c\"': 'NULL'}",
        "{'a': 2, 'b, ''c\"': chr(10) || chr(1)}",
        "NULL",
    ],
    "STRUCT(a DOUBLE, b FLOAT)[]": ["[{'a': 'nan', 'b': '0.1'}, {'a': '-0.0', 'b': 'inf'}, NULL]", "[]"],
    "STRUCT(a DECIMAL(38,18))": ["{'a': 12345678901234567890.123456789012345678}"],
    "STRUCT(a BLOB, b JSON)": [r"""{'a': '\x00\xFF', 'b': '{"k":  1}'}"""],
    "MAP(VARCHAR, INTEGER)": ["MAP {'a,b=c': 1, '': NULL}", "MAP {}"],
    "MAP(STRUCT(a INTEGER), VARCHAR)": ["MAP {{'a': 1}: 'x'}"],
    "UNION(n INTEGER, s VARCHAR)": ["union_value(n := 1)", "union_value(s := '1')", "NULL"],
    "BIT[]": ["['101', NULL]"],
}


@pytest.mark.parametrize("native", OPAQUE)
def test_a_type_that_arrow_has_no_word_for_is_the_same_in_another_file(
    file: File, other: File, native: str
) -> None:
    column = file.column(native, *OPAQUE[native])
    assert column.arrow_type == pa.opaque(pa.string(), native, "DuckDB")
    for stream in ({}, {"mode": "incremental", "primary_key": "i"}):
        assert not any("is stored as" in note for note in file.replicate(other, **stream).notes)
    other.execute(f"attach '{file.path}' as source", "create table same as select v from source.t")
    assert other.fetch("select distinct typeof(v) from t") == [(native,)]
    assert other.fetch(
        "select count(*), count(*) filter (where l.v is not distinct from r.v) from t as l"
        " positional join same as r"
    ) == [(len(OPAQUE[native]),) * 2]


def test_nested_values_are_json_elsewhere_where_json_gives_them_back(file: File) -> None:
    nested = "struct_pack(a := [1, NULL], b := MAP {'k': 1.5::double})"
    file.execute(f"create table t as select 1 as i, {nested} as v, union_value(n := 1) as u")
    with file.opened() as endpoint:
        columns = endpoint.describe(Relation("main", "t")).columns
    assert file.read().drop_columns("i").to_pylist() == [
        {"v": '{"a":[1,null],"b":{"k":1.5}}', "u": '{"n":1}'}
    ]
    assert columns[1].notes == [
        "Column v: STRUCT(a INTEGER[], b MAP(VARCHAR, DOUBLE)) is carried as text, as JSON."
    ]


@pytest.mark.parametrize(
    ("native", "literal", "said"),
    [
        ("DATE", "'infinity'", r"Column v \(DATE\) holds infinity"),
        ("TIMESTAMP", "'-infinity'", r"Column v \(TIMESTAMP\) holds infinity"),
        ("TIMESTAMP_NS", "'infinity'", "Column v .* holds infinity"),
        ("TIMESTAMP WITH TIME ZONE[]", "['infinity']", "Column v .* holds infinity"),
        ("HUGEINT", str(10**38), r"Column v \(HUGEINT\) holds a value"),
        ("HUGEINT[]", f"[-{10**38}]", "Column v .* holds a value"),
        ("INTERVAL", "to_hours(2562048)", "more than 2562046 hours.*: v"),
        ("UNION(a BLOB, b VARCHAR)", "union_value(b := 'x')", r"Column v is UNION\(a BLOB"),
    ],
)
def test_a_value_that_cannot_travel_is_refused_by_name_and_can_be_text(
    file: File, other: File, native: str, literal: str, said: str
) -> None:
    file.column(native, literal)
    error = file.refused(other)
    assert isinstance(error, LossyTypeError)
    assert re.search(said, str(error))
    file.replicate(other, columns={"v": "text"})
    assert other.fetch("select v from t") == file.fetch("select v::varchar from t")


@pytest.mark.parametrize(("native", "unit"), [("TIMESTAMP_S", "s"), ("TIMESTAMP_MS", "ms")])
def test_a_time_too_far_for_microseconds_is_refused_by_name(
    file: File, other: File, native: str, unit: Literal["s", "ms"]
) -> None:
    with duckdb.connect(str(file.path)) as connection:
        far = pa.table({"v": pa.array([2**54], pa.timestamp(unit))})  # noqa: F841 - DuckDB finds it
        connection.execute(f"create table t (v {native})")
        connection.execute("insert into t select v from far")
    error = file.refused(other)
    assert isinstance(error, LossyTypeError)
    assert "too far away for microseconds, in which Arrow carries it: v." in str(error)


def test_a_variant_of_a_query_is_refused_by_name_and_can_be_text(file: File, other: File) -> None:
    file.execute("create table t as select 1 as i")
    sql = "select 1::variant as v"
    assert "Column v is VARIANT" in str(file.refused(other, sql=sql))
    file.replicate(other, sql=sql, columns={"v": "text"})
    assert other.fetch("select v from t") == [("1",)]


def test_a_name_that_is_more_than_a_type_is_never_part_of_a_statement(file: File) -> None:
    hostile = [
        "BIT); DROP TABLE t; --",
        "STRUCT(a INTEGER), x INTEGER",
        "STRUCT(a INTEGER)) AS SELECT (1",
        "STRUCT(a INTEGER DEFAULT (SELECT 1); --)",
        "INTEGER",
    ]
    kinds = [pa.opaque(pa.string(), name, "DuckDB") for name in hostile]
    columns = [pa.ExtensionArray.from_storage(kind, pa.array(["x"])) for kind in kinds]
    file.write(pa.table(columns, names=[f"c{index}" for index in range(len(columns))]))
    assert file.fetch("from t") == [("x",) * len(hostile)]
    assert file.fetch("select typeof(columns(*)) from t") == [("VARCHAR",) * len(hostile)]


# Arrow type → what a table that is made here gets, for types that other systems and files have.
MADE: Sequence[tuple[pa.Array[Any], str, Any]] = [
    (pa.array([1.5], pa.float16()), "FLOAT", 1.5),
    (pa.array(["a"], pa.large_string()), "VARCHAR", "a"),
    (pa.array(["a"]).dictionary_encode(), "VARCHAR", "a"),
    (pa.array([b"ab"], pa.binary(2)), "BLOB", b"ab"),
    (pa.array([Decimal(1200)], pa.decimal128(4, -2)), "DECIMAL(6,0)", Decimal(1200)),
    (pa.array([Decimal("1.25")], pa.decimal64(5, 2)), "DECIMAL(5,2)", Decimal("1.25")),
    (pa.array([date(2024, 1, 1)], pa.date64()), "DATE", date(2024, 1, 1)),
    (pa.array([time(1, 2, 3)], pa.time32("s")), "TIME", time(1, 2, 3)),
    (pa.array([timedelta(seconds=1.5)], pa.duration("us")), "INTERVAL", timedelta(seconds=1.5)),
    (
        pa.array([datetime(2024, 1, 1)], pa.timestamp("ns", "Europe/Berlin")),  # noqa: DTZ001 - the type has it
        "TIMESTAMP WITH TIME ZONE",
        datetime(2024, 1, 1, tzinfo=UTC),
    ),
    (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), "TINYINT[]", [1, 2]),
    (pa.array([{"a": 1, "b": ["x"]}]), "STRUCT(a BIGINT, b VARCHAR[])", {"a": 1, "b": ["x"]}),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "MAP(VARCHAR, BIGINT)", {"k": 1}),
    (
        pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "inet", "PostgreSQL"), pa.array(["::1"])),
        "VARCHAR",
        "::1",
    ),
]


@pytest.mark.parametrize(("values", "native", "value"), MADE, ids=lambda each: str(getattr(each, "type", "")))
def test_every_type_of_arrows_has_a_place(file: File, values: pa.Array[Any], native: str, value: Any) -> None:
    file.write(pa.table({"v": values}))
    assert file.fetch("select typeof(v), v from t") == [(native, value)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([(0, 0, 1_000), None, (0, 0, 1_001)], pa.month_day_nano_interval()),
        pa.array([1], pa.timestamp("ns", "UTC")),
    ],
    ids=["interval", "timestamp"],
)
def test_nanoseconds_that_duckdb_would_drop_are_refused_by_name(file: File, values: pa.Array[Any]) -> None:
    with pytest.raises(LossyTypeError, match="Column v holds a value that DuckDB cannot"):
        file.write(pa.table({"v": values}))


def test_a_type_without_a_place_is_refused_by_name(file: File) -> None:
    with pytest.raises(LossyTypeError, match="Column v: DuckDB has no type for Arrow's decimal256"):
        file.write(pa.table({"v": pa.array([1], pa.decimal256(39, 0))}))
    assert not file.path.exists()


# What is there.


def test_a_table_is_described_with_its_comments_its_key_and_an_estimate(file: File) -> None:
    file.execute(
        "create table t (b integer, a varchar not null, c integer, primary key (a, b))",
        "insert into t select i, i, i from range(10) r(i)",
        "comment on table t is 'The table.'",
        "comment on column t.c is 'The column.'",
        "create view w as select * from t",
        "comment on view w is 'The view.'",
        "alter table t add column later integer",
    )
    with file.opened() as endpoint:
        table = endpoint.describe(Relation("MAIN", "T"))
    assert table.relation == Relation("main", "t")
    assert (table.comment, table.primary_key, table.estimated_rows) == ("The table.", ["a", "b"], 10)
    assert [(each.name, each.nullable, each.comment) for each in table.columns] == [
        ("b", False, None),
        ("a", False, None),
        ("c", True, "The column."),
        ("later", True, None),
    ]
    file.execute("create or replace view w as select c as d from t", "comment on view w is 'The view.'")
    with file.opened() as endpoint:
        view = endpoint.describe(Relation("main", "w"))
    assert ([each.name for each in view.columns], view.comment) == (["d"], "The view.")
    assert (view.primary_key, view.estimated_rows) == ((), None)


def test_what_is_not_there_is_told_with_what_is(file: File) -> None:
    file.execute("create table orders (i integer)")
    with file.opened() as endpoint:
        for name, said in {
            "order": "Did you mean orders?",
            "nowhere.orders": "There is no schema nowhere",
            "nowhere.main.orders": "no database nowhere in DUCK.*attached",
        }.items():
            with pytest.raises(RelationNotFoundError, match=said):
                endpoint.describe(endpoint.relation(name))


def test_a_query_is_described_without_being_run(file: File) -> None:
    file.execute("create table t as select 1 as i")
    with file.opened() as endpoint:
        sql = "with x as (select 1 as a, 'b' as a, error('it ran') as c) select * from x -- the end"
        described = endpoint.describe_query(sql)
        assert [column.name for column in described.columns] == ["a", "a_1", "c"]
        with endpoint.read(Query(described.columns[:2], sql="select 1 as a, 'b' as a -- the end")) as batches:
            assert [batch.to_pydict() for batch in batches] == [{"a": [1], "a_1": ["b"]}]
        with pytest.raises(EndpointError, match=r"DUCK: DuckDB said: .*nowhere"):
            endpoint.describe_query("select * from nowhere")


def test_a_name_of_three_parts_says_which_database(file: File, other: File) -> None:
    other.execute("create schema s", "create table s.t as select 7 as i")
    file.execute("create table t as select 1 as i")
    with duckdb.connect(str(file.path)) as connection, file.opened() as endpoint:
        connection.execute(f"attach '{other.path}' as elsewhere")
        assert endpoint.relation("SHOP.main.t") == Relation("main", "t")
        assert read(endpoint, "shop.main.t").to_pydict() == {"i": [1]}
        assert read(endpoint, "Elsewhere.s.T").to_pydict() == {"i": [7]}
        assert [str(entry.relation) for entry in endpoint.catalog()] == ["main.t"]
        place = endpoint.relation("elsewhere.fresh.t")
        with endpoint.stage(place, pa.schema([pa.field("i", pa.int64())])) as staging:
            staging.write(pa.record_batch({"i": [8]}))
            staging.complete()
            endpoint.publish(staging, place, [Swap()])
        assert connection.execute("from elsewhere.fresh.t").fetchall() == [(8,)]
        assert endpoint.find(place) is not None
        assert endpoint.find(Relation("fresh", "t")) is None


def test_text_is_compared_by_its_bytes_whatever_its_collation(file: File, other: File) -> None:
    file.execute(
        "create table t (i integer, name varchar collate nocase, mood enum('sad', 'glad'))",
        "insert into t values (1, 'a', 'sad'), (2, 'B', 'glad'), (3, 'A', 'sad')",
    )
    file.replicate(other, mode="incremental", primary_key="name")
    assert other.fetch("select name from t order by i") == [("a",), ("B",), ("A",)]
    with file.opened() as endpoint:
        columns = endpoint.describe(Relation("main", "t")).columns
        values = [endpoint.maximum(Relation("main", "t"), name) for name in ("name", "mood")]
        assert [value.as_py() for value in values if value is not None] == ["a", "sad"]
        late = [f"{endpoint.ordered(column)} > {endpoint.literal('a', column)}" for column in columns[1:]]
        found = [endpoint.rows(f"select i from t where {condition} order by i") for condition in late]
        assert found == [[], [(1,), (2,), (3,)]]


@pytest.mark.parametrize("text", ["it's", "\\x00", "a\0b", "'; drop table t; --", "", "🦆"])
def test_a_literal_is_what_it_says_and_nothing_more(file: File, text: str) -> None:
    file.execute("create table t as select 1 as i")
    with file.opened() as endpoint:
        column = Column("v", "VARCHAR", pa.string())
        assert endpoint.rows(f"select {endpoint.literal(text, column)}") == [(text,)]
        assert endpoint.rows("select count(*) from t") == [(1,)]


def test_a_time_without_a_zone_is_in_utc(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    column = file.column("TIMESTAMP WITH TIME ZONE", "'2024-01-01 00:00:00+00'")
    with file.opened() as endpoint:
        literal = endpoint.literal("2024-01-01 00:00:00", column)
        assert endpoint.rows(f"select count(*) from t where v = {literal}") == [(1,)]


# Files, and who holds them.


def test_nothing_but_a_write_makes_a_file(file: File, other: File) -> None:
    hint = "there is no DuckDB file .*shop.duckdb. Mend the path"
    with file.opened() as endpoint:
        for look in (
            endpoint.connect,
            endpoint.catalog,
            lambda: endpoint.describe(Relation("main", "t")),
            lambda: endpoint.describe_query("select 1 as one"),
            lambda: endpoint.execute("create table t (i integer)"),
        ):
            with pytest.raises(ConnectError, match=hint):
                look()
        endpoint.connect_to_write()
        assert endpoint.inspect(Relation("main", "t")) is None
    assert isinstance(file.refused(other), ConnectError)
    assert not file.path.exists()
    assert not other.path.exists()
    other.execute("create table t as select 1 as i")
    config = {"source": "A", "target": "B", "streams": {"main.t": {"object": "t"}}}
    plan(config, {"A": other.url, "B": file.url})
    assert not file.path.exists()
    other.replicate(file)
    assert file.fetch("from t") == [(1,)]


def test_a_stream_that_fails_leaves_no_table_and_no_schema(file: File, other: File) -> None:
    file.column("DATE", "'infinity'")
    file.refused(other, object="fresh.t")
    assert other.fetch("select count(*) from duckdb_schemas() where schema_name = 'fresh'") == [(0,)]
    assert other.fetch("select count(*) from duckdb_tables()") == [(0,)]


@pytest.mark.parametrize("content", [b"", b"no database " * 1000])
def test_a_file_that_is_no_database_is_told(file: File, content: bytes) -> None:
    file.path.write_bytes(content)
    with (
        file.opened() as endpoint,
        pytest.raises(ConnectError, match=r"DUCK: DuckDB cannot open .*not a valid"),
    ):
        endpoint.connect()


@pytest.mark.parametrize("name", ["with space.duckdb", "ünï 漢.db", "quo'te.duckdb", "plain", "main.duckdb"])
def test_a_path_may_have_any_name_and_start_anywhere(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = File(tmp_path / name)
    file.write(pa.table({"i": [1]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / name, Path(name), Path("~") / name, Path("..") / tmp_path.name / name):
        elsewhere = File(path)
        with elsewhere.opened() as endpoint:
            ((catalog,),) = endpoint.rows("select current_database()")
            assert endpoint.relation(f'"{catalog}".main.t') == Relation("main", "t")
            assert read(endpoint, "t").to_pydict() == {"i": [1]}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_is_read_and_written_at_once_in_one_process(file: File) -> None:
    file.execute("create table t as select range as i from range(500000)")
    with duckdb.connect(str(file.path)) as mine, file.opened() as source:
        described = source.describe(Relation("main", "t"))
        with source.read(Query(described.columns, relation=described.relation)) as batches:
            first = next(batches)
            file.write(pa.table({"i": [-1]}))
            assert mine.execute("from t").fetchall() == [(-1,)]
            # What is being read is as it was when that began.
            assert first.num_rows + sum(batch.num_rows for batch in batches) == 500_000


def test_a_database_in_memory_is_shared_by_its_name_and_else_private(other: File) -> None:
    name = f":memory:shop{uuid4().hex}"
    config = {"source": "A", "target": "B", "streams": {"main.t": {"object": "main.copy"}}}
    with duckdb.connect(name) as mine:
        mine.execute("create table t as select 1 as i")
        replicate(config, {"A": f"duckdb://{name}", "B": f"duckdb://{name}"})
        assert mine.execute("from copy").fetchall() == [(1,)]
    other.execute("create table t as select 2 as i")
    assert replicate(config, {"A": other.url, "B": "duckdb://:memory:"}).rows == 1


def test_a_connection_that_only_reads_cannot_write(file: File) -> None:
    file.execute("create table t as select 1 as i")
    with file.opened(read_only="true") as endpoint:
        assert read(endpoint, "t").to_pydict() == {"i": [1]}
        with pytest.raises(ConnectionConfigError, match="DUCK is `read_only`"):
            endpoint.run_script("insert into t values (2)")
        with pytest.raises(EndpointError, match=r"read-only mode.*`read_only`"):
            endpoint.execute("insert into t values (2)")
    with duckdb.connect(str(file.path)), file.opened(read_only="true") as endpoint:
        # A database that this process writes is one that it reads as well.
        assert read(endpoint, "t").to_pydict() == {"i": [1]}
        with pytest.raises(ConnectionConfigError, match="DUCK is `read_only`"):
            endpoint.run_script("insert into t values (2)")
    with duckdb.connect(str(file.path), read_only=True), file.opened() as endpoint:
        assert read(endpoint, "t").to_pydict() == {"i": [1]}


def test_a_file_that_this_process_has_open_otherwise_is_a_clear_message(file: File) -> None:
    file.execute("create table t as select 1 as i")
    with (
        duckdb.connect(str(file.path), config={"threads": 1}),
        file.opened() as endpoint,
        pytest.raises(ConnectError, match=r"this process has .* open with other settings. Close it there"),
    ):
        endpoint.connect()


def test_a_file_that_is_attached_to_another_database_is_a_clear_message(
    file: File, other: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.execute("create table t as select 1 as i")
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 0.0)
    with duckdb.connect() as mine, file.opened() as endpoint:
        mine.execute(f"attach '{file.path}' as elsewhere")
        with pytest.raises(ConnectError, match=r"attached by database .elsewhere.\. Detach it there"):
            endpoint.connect()


def test_connections_come_and_go_in_many_threads(file: File) -> None:
    file.execute("create table t as select 1 as i")
    failures: list[BaseException] = []

    def come_and_go() -> None:
        try:
            for _ in range(30):
                with file.opened() as endpoint:
                    assert endpoint.rows("from t") == [(1,)]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


HOLD = """
import sys, duckdb
held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reading")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: File, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a file open, until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(file.path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.communicate()


def test_a_file_that_another_process_writes_is_waited_for(file: File, other: File) -> None:
    file.execute("create table t as select 1 as i")
    with held(file, "writing") as holder:
        run = threading.Thread(target=file.replicate, args=(other,))
        run.start()
        holder.communicate()
        run.join()
    assert other.fetch("from t") == [(1,)]


def test_whoever_does_not_let_go_is_named(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    file.execute("create table t as select 1 as i")
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 0.0)
    with held(file, "writing") as holder, file.opened() as endpoint:
        for get_in in (endpoint.connect, endpoint.connect_to_write):
            with pytest.raises(TargetBusyError, match=f"held by process {holder.pid} and was not released"):
                get_in()


def test_a_file_that_others_only_read_is_read_with_them(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    file.execute("create table t as select 1 as i")
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 0.0)
    with file.opened() as endpoint:
        with held(file, "reading") as holder:
            assert read(endpoint, "t").to_pydict() == {"i": [1]}
            with pytest.raises(TargetBusyError, match=f"process {holder.pid}"):
                endpoint.run_script("insert into t values (2)")
        endpoint.run_script("insert into t values (2)")
        assert read(endpoint, "t").to_pydict() == {"i": [1, 2]}


def test_a_schema_that_two_streams_make_at_once_is_made_once(file: File) -> None:
    schema = pa.schema([pa.field("i", pa.int64())])
    file.execute("create table main.t as select 1 as i")
    with file.opened() as one, file.opened() as two:
        first, second = Relation("fresh", "a"), Relation("fresh", "b")
        waiting = threading.Event()

        def late() -> None:
            waiting.set()
            with two.stage(second, schema) as staging:
                staging.complete()
                two.publish(staging, second, [Swap()])

        run = threading.Thread(target=late)
        with one.stage(first, schema) as staging:
            run.start()
            waiting.wait()
            staging.write(pa.record_batch({"i": [1]}))
            staging.complete()
            one.publish(staging, first, [Swap()])
        run.join()
        assert {entry.relation.name for entry in one.catalog("fresh")} == {"a", "b"}


def test_a_query_that_runs_can_be_broken_off(file: File) -> None:
    file.execute("create table t as select 1 as i")
    with file.opened() as endpoint:
        query = Query(
            endpoint.describe_query("select 1::bigint as i").columns,
            sql="select count(*) as i from range(100000000000) a, range(100000) b",
        )

        def broken() -> None:
            while not done.wait(0.05):
                endpoint.cancel()

        done = threading.Event()
        canceller = threading.Thread(target=broken)
        canceller.start()
        with pytest.raises(EndpointError, match=r"(?i)interrupt"), endpoint.read(query) as batches:
            list(batches)
        done.set()
        canceller.join()


# Tables with indexes and keys.

KEYS = [TableKey("index", ["v"]), TableKey("unique", ["i"]), TableKey("primary", ["i"])]


def test_a_table_with_keys_is_replaced_again_and_again(file: File) -> None:
    for value in ("a", "b"):
        file.write(pa.table({"i": [1, 2], "v": [value, value]}), keys=KEYS)
    assert file.fetch("from t") == [(1, "b"), (2, "b")]
    assert file.fetch("select index_name from duckdb_indexes() order by 1") == [("t_i_key",), ("t_v_idx",)]
    with file.opened() as endpoint:
        assert endpoint.describe(Relation("main", "t")).primary_key == ["i"]


def test_a_type_changes_where_an_index_or_a_key_is_in_the_way(file: File) -> None:
    file.execute(
        "create schema s",
        """create table s."t(1)" (i integer primary key, "a b" varchar collate nocase default 'x, y',
           n integer not null check (n > 0))""",
        """insert into s."t(1)" values (1, 'a', 10), (2, 'b', 20)""",
        """create index n_idx on s."t(1)"(n)""",
        """comment on table s."t(1)" is 'Mine.'""",
        """comment on column s."t(1)".n is 'It''s n.'""",
    )
    place = Relation("s", "t(1)")
    changed: list[pa.Field[Any]] = [
        pa.field("i", pa.int64()),
        pa.field("n", pa.decimal64(12, 2)),
        pa.field("a b", pa.string()),
    ]
    rows = pa.table({"i": pa.array([3], pa.int64()), "n": pa.array([Decimal("30.25")], pa.decimal64(12, 2))})
    with file.opened() as endpoint, endpoint.stage(place, rows.schema) as staging:
        staging.write(rows.to_batches()[0])
        staging.complete()
        endpoint.publish(
            staging, place, [*(ChangeType(field) for field in changed), Insert(list(rows.schema))]
        )
        table = endpoint.describe(place)
    assert [column.native_type for column in table.columns] == ["BIGINT", "VARCHAR", "DECIMAL(12,2)"]
    assert (table.primary_key, table.comment, table.columns[2].comment) == (["i"], "Mine.", "It's n.")
    assert file.fetch("""select i, n, "a b" from s."t(1)" where "a b" in ('A', 'X, Y') order by i""") == [
        (1, Decimal("10.00"), "a"),
        (3, Decimal("30.25"), "x, y"),
    ]
    assert file.fetch("select index_name, schema_name from duckdb_indexes()") == [("n_idx", "s")]
    with pytest.raises(duckdb.ConstraintException, match="CHECK"):
        file.execute("""insert into s."t(1)" (i, n) values (4, -1)""")


def test_a_table_that_cannot_be_made_anew_stays_as_it_is(file: File) -> None:
    file.execute("create table t (i integer primary key, twice integer generated always as (i * 2))")
    place = Relation("main", "t")
    with file.opened() as endpoint, endpoint.stage(place, pa.schema([pa.field("i", pa.int64())])) as staging:
        staging.complete()
        with pytest.raises(EndpointError, match=r"keeps DuckDB from changing the type of i.*full-refresh"):
            endpoint.publish(staging, place, [ChangeType(pa.field("i", pa.int64()))])
    assert file.fetch("select data_type from duckdb_columns() where table_name = 't'") == [("INTEGER",)] * 2


def test_a_merge_goes_on_while_a_reader_keeps_what_it_saw(file: File, other: File) -> None:
    file.execute("create table t as select range as i, 'new' as v, [range] as l from range(3)")
    other.execute(
        "create table t (i bigint primary key, v varchar unique, l bigint[])",
        "insert into t values (0, 'zero', [7]), (5, 'five', [])",
    )
    file.execute("update t set v = v || i")
    with duckdb.connect(str(other.path)) as reader:
        reader.begin()
        before = reader.execute("from t order by i").fetchall()
        for strategy in ("delete_insert", "update_insert", "delete_insert"):
            options = {"merge_strategy": strategy}
            file.replicate(other, mode="incremental", primary_key="i", target_options=options)
        assert reader.execute("from t order by i").fetchall() == before
    assert other.fetch("select i, v, l from t order by i") == [
        (0, "new0", [0]),
        (1, "new1", [1]),
        (2, "new2", [2]),
        (5, "five", []),
    ]


# Memory.


def test_rows_are_written_in_whole_row_groups_however_they_come(file: File) -> None:
    rows = 300_000
    sizes = [1, 70_000, 129_000, 40, 122_880]
    table = pa.table({"i": pa.array(range(rows), pa.int32())})
    place = Relation("main", "t")
    with file.opened() as endpoint, endpoint.stage(place, table.schema) as staging:
        start = 0
        while start < rows:
            size = sizes[start % len(sizes)]
            for batch in table.slice(start, size).combine_chunks().to_batches():
                staging.write(batch)
            start += size
        assert staging.complete() == rows
        endpoint.publish(staging, place, [Swap()])
    groups = file.fetch(
        "select row_group_id, max(start + count) from pragma_storage_info('t') group by 1 order by 1"
    )
    assert groups == [(0, 122_880), (1, 122_880), (2, rows - 2 * 122_880)]
    assert file.fetch("select bool_and(i = rowid) from t") == [(True,)]


def test_wide_rows_are_not_kept_until_there_are_many(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_PENDING_BYTES", 2_000_000)
    batch = pa.record_batch({"v": pa.array(["x" * 100_000] * 15)})
    with file.opened() as endpoint, endpoint.stage(Relation("main", "t"), batch.schema) as staging:
        before = pa.total_allocated_bytes()
        for _ in range(20):
            staging.write(batch)
            assert pa.total_allocated_bytes() - before < 5 * batch.nbytes
        assert staging.complete() == 300


def test_duckdb_lets_go_of_what_it_read_and_keeps_its_memory_limit(file: File) -> None:
    file.execute("create table t as select hash(range) as a, hash(range + 1) as b from range(5000000)")
    used = "select coalesce(sum(memory_usage_bytes), 0) from duckdb_memory() where tag = 'BASE_TABLE'"
    with duckdb.connect(str(file.path)) as mine, file.opened() as endpoint:
        mine.execute("set memory_limit = '1 GiB'")
        mine.execute("select sum(a % 7), sum(b % 7) from t").fetchall()
        ((before,),) = mine.execute(used).fetchall()
        mine.execute("create temp table mine as select range as i from range(1000)")
        assert before > 48 * 1024 * 1024
        Cache(endpoint._duckdb, endpoint.database).trim()
        ((after,),) = mine.execute(used).fetchall()
        assert after < before / 10
        assert mine.execute("select current_setting('memory_limit')").fetchall() == [("1.0 GiB",)]
        # A gigabyte, and not what was asked for in between.
        assert mine.execute("select count(*) from t where hash(a) % 2 < 2").fetchall() == [(5_000_000,)]
        assert mine.execute("select count(*) from mine").fetchall() == [(1000,)]


def test_a_locked_configuration_is_left_alone(file: File, other: File) -> None:
    file.execute("create table t as select range as i, hash(range) as v from range(200000)")
    with duckdb.connect(str(file.path)) as mine:
        mine.execute("set lock_configuration = true")
        assert file.replicate(other).rows == 200_000
        assert file.replicate(file, object="copy").rows == 200_000
