"""What is SQLite's own: types that bind no value, one file, one writer, and tables that cannot be altered."""

from __future__ import annotations

import datetime as dt
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem import ReplicationReport, replicate
from mainstem.connections import Connection
from mainstem.endpoints import (
    AddColumn,
    ChangeType,
    Delete,
    Empty,
    Insert,
    Key,
    Swap,
    TableKey,
    Update,
    locks,
)
from mainstem.endpoints.base import Query, SourceTable
from mainstem.endpoints.sqlite import SQLite, connecting, filelock
from mainstem.endpoints.steps import Deduplicate, Step
from mainstem.errors import (
    ConnectError,
    ConnectionConfigError,
    EndpointError,
    LossyTypeError,
    RelationNotFoundError,
    ReplicationFailedError,
    TargetBusyError,
)
from mainstem.schema import Column, Relation

UTC = dt.timezone.utc
# SQLite has these without a zone.
LEAP_DAY = dt.datetime(2024, 2, 29)  # noqa: DTZ001
NOON = LEAP_DAY.replace(hour=12)


class Lite:
    """A SQLite file, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = Connection("LITE", "sqlite", {"instance": str(path)})

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        with self.opened() as connection:
            for statement in statements:
                connection.execute(statement)

    def put(self, sql: str, *rows: Sequence[Any]) -> None:
        with self.opened() as connection:
            connection.execute("begin")
            connection.executemany(sql, rows)
            connection.execute("commit")

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        with self.opened() as connection:
            return connection.execute(sql).fetchall()

    def describe(self, table: str = "t") -> SourceTable:
        with SQLite(self.connection) as endpoint:
            return endpoint.describe(Relation("main", table))

    def read(self, table: str = "t", as_text: bool = False) -> pa.Table:
        with SQLite(self.connection) as endpoint:
            described = endpoint.describe(Relation("main", table))
            columns = [texted(column) if as_text else column for column in described.columns]
            return batches_of(endpoint, Query(columns=columns, relation=described.relation))

    def query(self, sql: str) -> pa.Table:
        with SQLite(self.connection) as endpoint:
            return batches_of(endpoint, Query(columns=endpoint.describe_query(sql).columns, sql=sql))

    def publish(self, table: str, rows: pa.Table, *steps: Step) -> None:
        relation = Relation("main", table)
        with SQLite(self.connection) as endpoint, endpoint.stage(relation, rows.schema) as staging:
            for batch in rows.to_batches():
                staging.write(batch)
            staging.complete()
            endpoint.publish(staging, relation, steps or [Swap()])

    def tables(self) -> list[str]:
        return [
            name for (name,) in self.fetch("select name from sqlite_master where type = 'table' order by 1")
        ]


def texted(column: Column) -> Column:
    return Column(column.name, column.native_type, pa.string(), as_text=True)


def batches_of(endpoint: SQLite, query: Query) -> pa.Table:
    schema = pa.schema([pa.field(column.name, column.arrow_type) for column in query.columns])
    with endpoint.read(query) as batches:
        return pa.Table.from_batches(list(batches), schema)


@pytest.fixture
def lite(tmp_path: Path) -> Lite:
    return Lite(tmp_path / "it's a file?.db")


def replicated(lite: Lite, stream: str = "main.t", **options: Any) -> ReplicationReport:
    config = {"source": "LITE", "target": "LITE", "streams": {stream: {"object": "main.copy", **options}}}
    return replicate(config, [lite.connection])


# Reading: what a declared type means.

DECLARED: list[tuple[str, Any, pa.DataType, Any]] = [
    ("INTEGER", -(2**63), pa.int64(), -(2**63)),
    ("unsigned big int", 2**63 - 1, pa.int64(), 2**63 - 1),
    ("tinyint(1)", 300, pa.int64(), 300),
    ("REAL", 0.1, pa.float64(), 0.1),
    ("double precision", float("inf"), pa.float64(), float("inf")),
    ("FLOAT", 3, pa.float64(), 3.0),
    ("BOOLEAN", 1, pa.bool_(), True),
    ("bool", 0, pa.bool_(), False),
    ("DATE", "2024-02-29", pa.date32(), dt.date(2024, 2, 29)),
    ("DATETIME", "2024-02-29 12:00:00", pa.timestamp("us"), NOON),
    ("timestamp", "2024-02-29T12:00:00.000001", pa.timestamp("us"), NOON.replace(microsecond=1)),
    ("datetime", "2024-02-29", pa.timestamp("us"), LEAP_DAY),
    (
        "timestamp with time zone",
        "2024-02-29T12:00:00.5+02:00",
        pa.timestamp("us", "UTC"),
        dt.datetime(2024, 2, 29, 10, 0, 0, 500_000, UTC),
    ),
    ("TIME", "23:59:59.999999", pa.time64("us"), dt.time(23, 59, 59, 999_999)),
    ("TIME", "07:30", pa.time64("us"), dt.time(7, 30)),
    ("DECIMAL(10,2)", 12, pa.decimal64(10, 2), Decimal("12.00")),
    ("DECIMAL(10,2)", 12.1, pa.decimal64(10, 2), Decimal("12.10")),
    ("numeric(38, 0)", 2**63 - 1, pa.decimal128(38, 0), Decimal(2**63 - 1)),
    ("NUMERIC(38,20)", 1e-20, pa.decimal128(38, 20), Decimal("1E-20")),
    ("DECIMAL_TEXT(38,2)", "9" * 36 + ".01", pa.decimal128(38, 2), Decimal("9" * 36 + ".01")),
    ("varchar(3)", "longer", pa.string(), "longer"),
    ("CLOB", "zero\0byte", pa.string(), "zero\0byte"),
    ("TEXT", "", pa.string(), ""),
    ("BLOB", b"\x00\xff", pa.binary(), b"\x00\xff"),
    ("varbinary(2)", b"abc", pa.binary(), b"abc"),
    ("JSON", '{"a": 1}', pa.json_(), '{"a": 1}'),
    ("JSON", 1.5, pa.json_(), "1.5"),
    (
        "uuid",
        "A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11",
        pa.uuid(),
        uuid.UUID("a0eebc999c0b4ef8bb6d6bb9bd380a11"),
    ),
    ("uuid", uuid.UUID(int=7).bytes, pa.uuid(), uuid.UUID(int=7)),
    ("", 7, pa.string(), "7"),
    ("", 0.1, pa.string(), "0.1"),
    ("", "seven", pa.string(), "seven"),
    ("NUMERIC", 2**60 + 1, pa.opaque(pa.string(), "NUMERIC", "SQLite"), str(2**60 + 1)),
    ("string", "n/a", pa.opaque(pa.string(), "string", "SQLite"), "n/a"),
]


@pytest.mark.parametrize(("declared", "stored", "kind", "value"), DECLARED)
def test_a_declared_type_says_how_its_values_travel(
    lite: Lite, declared: str, stored: Any, kind: pa.DataType, value: Any
) -> None:
    lite.run(f"create table t (id integer primary key, v {declared})")
    lite.put("insert into t (v) values (?)", (stored,), (None,))
    column = lite.read().column("v")
    assert column.type == kind
    assert column.to_pylist() == [value, None]


MISFITS: list[tuple[str, Any, str]] = [
    ("INTEGER", "many", "a text"),
    ("INTEGER", 1.5, "a real number"),
    ("INTEGER", b"1", "a blob"),
    ("INT_8", 128, "an integer"),
    ("UINT_32", -1, "an integer"),
    ("FLOAT_32", 0.1, "a real number"),
    ("REAL", "much", "a text"),
    ("BOOLEAN", 2, "an integer"),
    ("BOOLEAN", "t", "a text"),
    ("DATE", 19782, "an integer"),
    ("DATE", 2460369.5, "a real number"),
    ("DATE", "29/02/2024", "a text"),
    ("DATETIME", "2024-02-29 12:00:00Z", "a text"),
    ("DATETIME", "2024-02-29 12:00:00.123456789", "a text"),
    ("TIMESTAMPTZ", "2024-02-29 12:00:00", "a text"),
    ("TIME", "noon", "a text"),
    ("TIME", "24:00:01", "a text"),
    ("DECIMAL(10,2)", 12.345, "a real number"),
    ("DECIMAL(4,2)", 123, "an integer"),
    ("DECIMAL(10,2)", "twelve", "a text"),
    ("TEXT", b"bytes", "a blob"),
    ("BLOB", "text", "a text"),
    ("JSON", b"{}", "a blob"),
    ("uuid", "no uuid", "a text"),
    ("", b"bytes", "a blob"),
]


@pytest.mark.parametrize(("declared", "stored", "what"), MISFITS)
def test_a_value_that_its_columns_type_cannot_carry_is_refused_by_name(
    lite: Lite, declared: str, stored: Any, what: str
) -> None:
    lite.run(f"create table t (id integer primary key, v {declared})")
    lite.put("insert into t values (?, ?)", *((number, None) for number in range(1000)), (4711, stored))
    with pytest.raises(LossyTypeError) as caught:
        lite.read()
    assert f"Column v ({declared or 'no declared type'}) holds {what}" in str(caught.value)
    assert "the row with rowid 4711" in str(caught.value)
    assert "`v: text`" in str(caught.value)


@pytest.mark.parametrize(("declared", "stored", "what"), MISFITS)
def test_what_is_declared_as_text_carries_every_value(
    lite: Lite, declared: str, stored: Any, what: str
) -> None:
    lite.run(f"create table t (v {declared})")
    lite.put("insert into t values (?)", (stored,), (None,))
    expected = f"\\x{stored.hex()}" if isinstance(stored, bytes) else str(stored)
    assert lite.read(as_text=True).column("v").to_pylist() == [expected, None]


@pytest.mark.parametrize("declared", ["TEXT", "", "JSON"])
def test_a_text_that_is_no_text_is_refused_by_name_and_never_cut(lite: Lite, declared: str) -> None:
    lite.run(f"create table t (a text, v {declared})")
    lite.run(
        "insert into t values ('fine', 'fine')", "insert into t values ('fine', cast(x'61ff62' as text))"
    )
    with pytest.raises(
        LossyTypeError, match=r"Column v holds a text that is not UTF-8 in the row with rowid 2"
    ):
        lite.read()
    assert lite.query("select cast(v as blob) as v from t where rowid = 2").to_pylist() == [{"v": b"a\xffb"}]


def test_a_misfit_in_a_table_without_rowid_is_refused_too(lite: Lite) -> None:
    lite.run("create table t (id text primary key, v int) without rowid", "insert into t values ('a', 'b')")
    with pytest.raises(LossyTypeError, match=r"Column v \(INT\) holds a text that int64 cannot carry"):
        lite.read()


def test_numbers_of_one_column_may_be_stored_in_every_way(lite: Lite) -> None:
    lite.run("create table t (v decimal(38, 10))")
    lite.put("insert into t values (?)", (2**62 + 1,), (0.5,), (7,), (None,))
    assert lite.read().column("v").to_pylist() == [Decimal(2**62 + 1), Decimal("0.5"), Decimal(7), None]


# Reading: what a table is.


def test_a_table_is_described_with_its_keys_and_its_generated_columns(lite: Lite) -> None:
    lite.run(
        """create table "T 1" (b text not null, a integer, sum integer generated always as (a + 1) stored,
           half real as (a / 2.0), primary key (b, a)) without rowid""",
        """insert into "T 1" (b, a) values ('x', 3)""",
    )
    table = lite.describe("t 1")
    assert table.relation == Relation("main", "T 1")
    assert [column.name for column in table.columns] == ["b", "a", "sum", "half"]
    assert [column.nullable for column in table.columns] == [False, False, True, True]
    assert table.primary_key == ["b", "a"]
    assert lite.read("T 1").to_pylist() == [{"b": "x", "a": 3, "sum": 4, "half": 1.5}]


def test_a_view_has_the_types_of_its_columns_and_of_what_its_expressions_give(lite: Lite) -> None:
    lite.run(
        "create table t (id integer, price decimal(10,2), day date, raw blob, odd)",
        "insert into t values (1, 1.25, '2024-01-01', x'00', 'a'), (2, 2.5, '2024-01-02', x'01', 2)",
        """create view v as select id, price, day, raw, count(*) over () as n, id / 2.0 as half, odd,
           null as never, id || 'x' as label, raw as again,
           case id when 1 then 1 else 0.5 end as mixed from t""",
    )
    kinds = {column.name: column.arrow_type for column in lite.describe("v").columns}
    assert kinds == {
        "id": pa.int64(),
        "price": pa.decimal64(10, 2),
        "day": pa.date32(),
        "raw": pa.binary(),
        "n": pa.int64(),
        "half": pa.float64(),
        "odd": pa.string(),
        "never": pa.string(),
        "label": pa.string(),
        "again": pa.binary(),
        "mixed": pa.float64(),
    }
    assert [row["mixed"] for row in lite.read("v").to_pylist()] == [1.0, 0.5]


def test_custom_sql_has_the_types_of_its_columns_and_values(lite: Lite) -> None:
    lite.run("create table t (day date, v decimal(10,2))", "insert into t values ('2024-01-01', 1.5)")
    found = lite.query(
        "with x as (select day, v from t) select day, max(v) as v, count(*) as n, 1 as n from x -- all"
    )
    assert found.schema.types == [pa.date32(), pa.float64(), pa.int64(), pa.int64()]
    assert [column.to_pylist() for column in found.columns] == [[dt.date(2024, 1, 1)], [1.5], [1], [1]]


@pytest.mark.parametrize(
    "sql", ["select nothing from nowhere", "selec 1", "delete from t", "select 1; select 2"]
)
def test_custom_sql_that_is_no_query_is_refused(lite: Lite, sql: str) -> None:
    lite.run("create table t (a int)", "insert into t values (1)")
    with SQLite(lite.connection) as endpoint, pytest.raises(EndpointError, match="SQLite said"):
        endpoint.describe_query(sql)
    assert lite.fetch("select * from t") == [(1,)]


@pytest.mark.parametrize(
    "name", ["with space", 'quo"te', "bra]cket", "back`tick", "it's", "dot.ted", "sélect", "select"]
)
def test_a_name_may_be_anything(lite: Lite, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    lite.run(f"create table {quoted} ({quoted} text)", f"insert into {quoted} values ('v')")
    assert lite.read(name).to_pylist() == [{name: "v"}]


def test_a_column_that_is_gone_is_an_error_and_not_its_own_name(lite: Lite) -> None:
    lite.run("create table t (a text)", "insert into t values ('v')")
    query = Query(columns=[Column("gone", "TEXT", pa.string())], relation=Relation("main", "t"))
    with SQLite(lite.connection) as endpoint, pytest.raises(EndpointError, match="no such column"):
        batches_of(endpoint, query)


def test_two_thousand_columns_travel(lite: Lite) -> None:
    names = [f"c{number}" for number in range(2000)]
    lite.publish("t", pa.table({name: pa.array([1], pa.int32()) for name in names}))
    lite.publish(
        "t",
        pa.table({name: pa.array([2], pa.int32()) for name in names}),
        Insert([pa.field(name, pa.int32()) for name in names]),
    )
    lite.publish("t", lite.read(), ChangeType(pa.field("c7", pa.string())))
    assert lite.fetch("select c0, c7, c1999 from t") == [(1, "1", 1), (2, "2", 2)]


def test_the_tables_behind_a_virtual_one_are_not_listed(lite: Lite) -> None:
    lite.run(
        "create virtual table search using fts5(body)",
        "insert into search values ('text')",
        "create view v as select 1 as a",
    )
    with SQLite(lite.connection) as endpoint:
        listed = endpoint.catalog()
    names = [entry.relation.name for entry in listed]
    if sqlite3.sqlite_version_info >= (3, 37):
        assert names == ["search", "v"]
    assert {"search", "v"} <= set(names)
    assert [entry.relation.name for entry in listed if entry.is_view] == ["v"]
    assert lite.read("search").to_pylist() == [{"body": "text"}]


def test_rows_are_estimated_where_they_were_counted(lite: Lite) -> None:
    lite.run("create table t (a int)", "create index i on t (a)", "insert into t values (1), (2), (3)")
    assert lite.describe().estimated_rows is None
    lite.run("analyze")
    assert lite.describe().estimated_rows == 3


def test_conditions_order_and_bounds_are_the_systems(lite: Lite) -> None:
    lite.run(
        "create table t (id integer, name text)",
        "insert into t values (1, 'b'), (2, 'a'), (3, 'C'), (4, null)",
    )
    table = lite.describe()
    name = table.columns[1]
    with SQLite(lite.connection) as endpoint:
        query = Query(
            columns=[name],
            relation=table.relation,
            where=["t.id < 4 -- all but the last", "main.t.name <> 'x'"],
            limit=2,
            offset=1,
            order_by=[name],
        )
        assert batches_of(endpoint, query).column(0).to_pylist() == ["a", "b"]


def test_a_statements_rows_are_shown_by_what_they_hold(lite: Lite) -> None:
    lite.run(
        "create table t (a, b, c)",
        "insert into t values (1, 'x', null), (2.5, x'00', 9007199254740993), (3, 1, 1.5)",
    )
    with SQLite(lite.connection) as endpoint:
        assert endpoint.execute("select * from t").to_pylist() == [
            {"a": 1.0, "b": "x", "c": None},
            {"a": 2.5, "b": "\\x00", "c": "9007199254740993"},
            {"a": 3.0, "b": "1", "c": "1.5"},
        ]
        assert endpoint.execute("select a from t order by rowid", 2).num_rows == 2
        assert endpoint.execute("insert into t values (4, 4, 4)").column_names == []
    assert lite.fetch("select count(*) from t") == [(4,)]


# Reading: one moment, one file.


def many(lite: Lite, rows: int = 100_000) -> None:
    lite.run(
        "create table t (id integer, v text)",
        f"insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})"
        " select i, 'first' from n",
    )


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_all_rows_are_those_of_one_moment(lite: Lite, journal: str) -> None:
    lite.run(f"pragma journal_mode = {journal}")
    many(lite)
    with SQLite(lite.connection) as endpoint:
        table = endpoint.describe(Relation("main", "t"))
        with endpoint.read(Query(columns=table.columns, relation=table.relation)) as batches:
            first = next(batches)
            if journal == "wal":
                lite.run("update t set v = 'second'", "insert into t values (0, 'second')")
            else:
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    lite.run("pragma busy_timeout = 0", "update t set v = 'second'")
            rows = pa.Table.from_batches([first, *batches])
            assert rows.num_rows == 100_000
            assert set(rows.column("v").to_pylist()) == {"first"}
            # There are no more: the file is let go, though the reader is not left.
            lite.run("update t set v = 'third'")


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_file_is_read_and_written_in_one_run(lite: Lite, journal: str) -> None:
    lite.run(f"pragma journal_mode = {journal}")
    many(lite, 50_000)
    for options in (
        {"mode": "full-refresh"},
        {"mode": "incremental", "primary_key": "id"},
        {"mode": "truncate"},
    ):
        report = replicated(lite, **options)
        assert report.streams[0].row_count == 50_000
    assert lite.fetch("pragma journal_mode") == [(journal,)]
    assert lite.fetch("select * from t except select * from copy") == []


def test_a_file_that_is_not_there_is_no_source_and_is_not_made(lite: Lite) -> None:
    with pytest.raises(ConnectError, match="there is no SQLite file"):
        lite.describe()
    with pytest.raises(ConnectError, match="there is no SQLite file"):
        lite.query("select 1")
    with SQLite(lite.connection) as endpoint:
        endpoint.connect()
        assert endpoint.inspect(Relation("main", "t")) is None
    assert not lite.path.exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    lite = Lite(tmp_path / "nowhere" / "x.db")
    with SQLite(lite.connection) as endpoint, pytest.raises(ConnectError, match="folder"):
        endpoint.connect()


def test_a_file_that_is_no_database_is_told(lite: Lite) -> None:
    lite.path.write_text("id,name\n" * 1000)
    with pytest.raises(ConnectError, match=r"file is not a database.*another kind of file"):
        lite.describe()


@pytest.mark.parametrize("instance", [":memory:", "file::memory:?cache=shared"])
def test_a_database_in_memory_is_refused(instance: str) -> None:
    with pytest.raises(ConnectionConfigError, match="in memory"):
        SQLite(Connection("LITE", "sqlite", {"instance": instance}))


def test_another_schema_than_main_is_refused(lite: Lite) -> None:
    with SQLite(lite.connection) as endpoint:
        assert endpoint.relation("MAIN.t") == endpoint.relation("t") == Relation("main", "t")
        with pytest.raises(RelationNotFoundError, match=r"Write main\.t"):
            endpoint.relation("public.t")


def test_a_file_that_another_process_holds_is_waited_for(lite: Lite) -> None:
    lite.run("create table t (a int)", "insert into t values (1)")
    with holding(lite) as letting_go:
        threading.Timer(0.5, letting_go).start()
        assert lite.read().to_pylist() == [{"a": 1}]


def test_a_file_that_is_not_let_go_is_told(lite: Lite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 0.1)
    lite.run("create table t (a int)")
    with holding(lite):
        with pytest.raises(ConnectError, match="is held by another connection") as caught:
            lite.read()
        assert str(lite.path) in str(caught.value)
    with holding(lite, "begin immediate"), pytest.raises(TargetBusyError, match="held by another connection"):
        lite.publish("t", pa.table({"a": [1]}))


@contextmanager
def holding(lite: Lite, begin: str = "begin exclusive") -> Iterator[Callable[[], None]]:
    """Another process has a transaction open, until it is told to let go."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute(sys.argv[2]); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(lite.path), begin]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process.stdin.close
        process.stdin.close()


def test_a_statement_can_be_broken_off(lite: Lite) -> None:
    lite.run("create table t (a int)")
    endless = (
        "select count(*) from (with recursive n(i) as (select 1 union all select i from n) select i from n)"
    )
    with SQLite(lite.connection) as endpoint:
        endpoint.connect()
        threading.Timer(0.2, endpoint.cancel).start()
        with pytest.raises(EndpointError, match="interrupted"):
            endpoint.execute(endless)


# Writing: what is stored.

STORED: list[tuple[pa.DataType, Any, str, str, Any]] = [
    (pa.int8(), -128, "INT_8", "integer", -128),
    (pa.int32(), 7, "INT_32", "integer", 7),
    (pa.int64(), 2**63 - 1, "BIGINT", "integer", 2**63 - 1),
    (pa.uint32(), 2**32 - 1, "UINT_32", "integer", 2**32 - 1),
    (pa.uint64(), 2**64 - 1, "UNSIGNED64_TEXT", "text", str(2**64 - 1)),
    (pa.float32(), 1.5, "FLOAT_32", "real", 1.5),
    (pa.float64(), 0.1, "DOUBLE", "real", 0.1),
    (pa.float64(), float("-inf"), "DOUBLE", "real", float("-inf")),
    (pa.float64(), float("nan"), "DOUBLE", "text", "NaN"),
    (pa.float64(), -0.0, "DOUBLE", "text", "-0.0\u00a0"),
    (pa.bool_(), True, "BOOLEAN", "integer", 1),
    (pa.decimal64(15, 2), Decimal("9999999999999.99"), "DECIMAL(15, 2)", "real", 9999999999999.99),
    (pa.decimal64(15, 2), Decimal("12.00"), "DECIMAL(15, 2)", "integer", 12),
    (pa.decimal64(18, 0), Decimal("-999999999999999999"), "DECIMAL(18, 0)", "integer", -999999999999999999),
    (pa.decimal64(16, 2), Decimal("12.00"), "DECIMAL_TEXT(16, 2)", "text", "12.00"),
    (pa.decimal128(38, 20), Decimal("1E-20"), "DECIMAL_TEXT(38, 20)", "text", "0." + "0" * 19 + "1"),
    (pa.string(), "1.50", "TEXT", "text", "1.50"),
    (pa.string(), "a\0b", "TEXT", "text", "a\0b"),
    (pa.binary(), b"\x00\xff", "BLOB", "blob", b"\x00\xff"),
    (pa.date32(), dt.date(9999, 12, 31), "DATE", "text", "9999-12-31"),
    (pa.time64("us"), dt.time(1, 2, 3, 4), "TIME", "text", "01:02:03.000004"),
    (pa.timestamp("us"), NOON, "TIMESTAMP", "text", "2024-02-29 12:00:00.000000"),
    (
        pa.timestamp("us", "UTC"),
        dt.datetime(2024, 1, 1, tzinfo=UTC),
        "TIMESTAMPTZ",
        "text",
        "2024-01-01 00:00:00.000000+00:00",
    ),
    (pa.uuid(), uuid.UUID(int=1).bytes, "UUID", "text", str(uuid.UUID(int=1))),
    (pa.json_(), "1.50", "JSON_TEXT", "text", "1.50"),
    (pa.list_(pa.int64()), [1, None], "LIST OF BIGINT", "text", "[1, null]"),
    (pa.list_(pa.list_(pa.bool_())), [[True], None], "LIST OF LIST OF BOOLEAN", "text", "[[1], null]"),
    (pa.list_(pa.float64()), [0.1, float("inf")], "LIST OF DOUBLE", "text", '[0.1, "Infinity"]'),
    (pa.list_(pa.binary()), [b"\xff"], "LIST OF BLOB", "text", '["ff"]'),
    (pa.list_(pa.timestamp("us")), [NOON], "LIST OF TIMESTAMP", "text", '["2024-02-29 12:00:00.000000"]'),
    (pa.month_day_nano_interval(), (14, -3, -1_000), "INTERVAL", "text", "P14M-3DT-0.000001S"),
    (pa.opaque(pa.string(), "NUMERIC", "SQLite"), "0.1", "NUMERIC", "real", 0.1),
    (pa.opaque(pa.string(), "inet", "PostgreSQL"), "::1", "TEXT", "text", "::1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "declared", "storage", "stored"), STORED, ids=lambda value: str(value)[:30]
)
def test_a_value_is_stored_such_that_it_comes_back(  # noqa: PLR0917 - one for each column of the table
    lite: Lite, kind: pa.DataType, value: Any, declared: str, storage: str, stored: Any
) -> None:
    left = pa.table({"v": pa.array([value, None], kind)})
    lite.publish("t", left)
    assert lite.fetch("select typeof(v), v from t") == [(storage, stored), ("null", None)]
    assert [row[2] for row in lite.fetch("pragma table_info(t)")] == [declared]
    arrived = lite.read()
    if not (isinstance(kind, pa.OpaqueType) and declared == "TEXT"):
        assert arrived.schema == left.schema
    assert repr(arrived.column("v").to_pylist()) == repr(left.column("v").to_pylist())


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        (pa.uint64(), "integers end at 9223372036854775807"),
        (pa.decimal128(38, 2), "numbers have fewer digits"),
        (pa.list_(pa.int64()), "JSON array"),
        (pa.opaque(pa.string(), "inet", "PostgreSQL"), "no PostgreSQL inet"),
        (pa.date32(), None),
        (pa.decimal64(15, 2), None),
        (pa.float64(), None),
    ],
)
def test_a_fallback_to_text_is_told(lite: Lite, kind: pa.DataType, note: str | None) -> None:
    with SQLite(lite.connection) as endpoint:
        found = endpoint.native_type(pa.field("v", kind)).note
    assert (note is None) == (found is None)
    assert (note or "") in (found or "")


@pytest.mark.parametrize(
    "kind", [pa.struct([("a", pa.int64())]), pa.decimal256(50, 2), pa.map_(pa.string(), pa.string())]
)
def test_a_type_that_sqlite_cannot_hold_is_refused_by_name(lite: Lite, kind: pa.DataType) -> None:
    with SQLite(lite.connection) as endpoint, pytest.raises(LossyTypeError, match="Column v"):
        endpoint.create_statement(Relation("main", "t"), pa.schema([pa.field("v", kind)]))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2_932_897], pa.date32()),
        pa.array([-719_529], pa.date32()),
        pa.array([253_402_300_800_000_000], pa.timestamp("us")),
        pa.array([253_402_300_800_000_000], pa.timestamp("us", "UTC")),
    ],
    ids=lambda values: str(values.type),
)
def test_a_year_that_has_no_four_digits_is_refused_by_name(lite: Lite, values: pa.Array[Any]) -> None:
    with pytest.raises(LossyTypeError, match=r"Column v .* after 9999"):
        lite.publish("t", pa.table({"v": values}))
    assert lite.tables() == []


def test_what_a_users_column_would_round_is_refused_by_name(lite: Lite) -> None:
    lite.run("create table t (id int, v decimal(20, 4), w json, x string)")
    insert = Insert([pa.field("v", pa.decimal128(20, 4))], {"v": "decimal(20, 4)"})
    exact = pa.array([Decimal("1234567890.1234")], pa.decimal128(20, 4))
    lite.publish("t", pa.table({"v": exact}), insert)
    with pytest.raises(LossyTypeError, match=r"column \"v\" has numeric affinity"):
        lite.publish(
            "t", pa.table({"v": pa.array([Decimal("1234567890123456.1234")], pa.decimal128(20, 4))}), insert
        )
    json = Insert([pa.field("w", pa.json_())], {"w": "json"})
    with pytest.raises(LossyTypeError, match=r"column \"w\" has numeric affinity"):
        lite.publish("t", pa.table({"w": pa.array(["12345678901234567890"], pa.json_())}), json)
    kind = pa.opaque(pa.string(), "string", "SQLite")
    code = pa.ExtensionArray.from_storage(kind, pa.array(["007"]))
    with pytest.raises(LossyTypeError, match="would become the number 7"):
        lite.publish("t", pa.table({"x": code}), Insert([pa.field("x", kind)], {"x": "string"}))
    assert lite.fetch("select v, w, x from t") == [(1234567890.1234, None, None)]


# Writing: cursors and keys.

CURSORS: list[tuple[str, str, Sequence[Any], str]] = [
    ("DECIMAL_TEXT(38,2)", "10.00", ["9.00", "10.00", "-11.00", "10.01"], "10.01"),
    ("UNSIGNED64_TEXT", str(2**63), ["9", str(2**63), str(2**63 + 1)], str(2**63 + 1)),
    ("DECIMAL(10,2)", "10.5", [9, 10.5, 10.51], "10.51"),
    (
        "TIMESTAMP",
        "2024-01-01 10:00:00",
        ["2024-01-01", "2024-01-01T10:00:00", "2024-01-01 10:00:00.5"],
        "2024-01-01 10:00:00.5",
    ),
    (
        "TIMESTAMPTZ",
        "2024-01-01 10:00:00+00:00",
        ["2024-01-01 11:59:59+02:00", "2024-01-01T10:00:00Z", "2024-01-01 09:00:01-01:00"],
        "2024-01-01 10:00:01+00:00",
    ),
    ("DATE", "2024-01-02", ["2024-01-01", "2024-01-02", "2024-01-03"], "2024-01-03"),
    ("TEXT", "a", ["B", "a", "ä"], "ä"),
    ("TEXT collate nocase", "a", ["B", "a", "b"], "b"),
    ("BIGINT", "9", [8, 9, 10], "10"),
    ("REAL", "0.3", [0.1, 0.3, 0.30000000000000004], "0.30000000000000004"),
    ("INTEGER", str(2**53 + 1), [2**53, 2**53 + 1, 2**53 + 2], str(2**53 + 2)),
    ("BOOLEAN", "false", [0, 1], "true"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "cursor", "stored", "greatest"), CURSORS, ids=lambda value: str(value)[:20]
)
def test_a_cursor_is_compared_as_its_values_are(
    lite: Lite, declared: str, cursor: str, stored: Sequence[Any], greatest: str
) -> None:
    lite.run(f"create table t (v {declared})")
    lite.put("insert into t values (?)", *((value,) for value in stored), (None,))
    with SQLite(lite.connection) as endpoint:
        column = endpoint.describe(Relation("main", "t")).columns[0]
        maximum = endpoint.maximum(Relation("main", "t"), "v")
        ordered = endpoint.ordered(column)
        (later,) = endpoint.rows(
            f"select count(*) from t where {ordered} > {endpoint.literal(cursor, column)}"
        )
        (other,) = endpoint.rows(
            f"select count(*) from t where {ordered} = {endpoint.literal(greatest, column)}"
        )
    assert later == (1,)
    assert other == (1,)
    assert maximum is not None
    assert maximum.equals(pa.array([greatest]).cast(maximum.type)[0])


@pytest.mark.parametrize(
    ("declared", "text"), [("INTEGER", "1 or 1=1"), ("DATE", "tomorrow"), ("REAL", "x"), ("BOOLEAN", "2")]
)
def test_a_literal_is_a_value_of_its_column_or_refused(lite: Lite, declared: str, text: str) -> None:
    lite.run(f"create table t (v {declared})")
    with (
        SQLite(lite.connection) as endpoint,
        pytest.raises(EndpointError, match="is no value for the column v"),
    ):
        endpoint.literal(text, lite.describe().columns[0])


@pytest.mark.parametrize("text", ["it's", "'; drop table t; --", "a\0b", "\\", '"', "ü\n"])
def test_a_text_is_a_literal_whatever_it_holds(lite: Lite, text: str) -> None:
    lite.run("create table t (v text)")
    lite.put("insert into t values (?)", (text,))
    with SQLite(lite.connection) as endpoint:
        assert endpoint.rows(
            f"select count(*) from t where v = {endpoint.literal(text, lite.describe().columns[0])}"
        ) == [(1,)]


def test_of_staged_rows_with_one_key_the_greatest_number_stays_though_it_is_text(lite: Lite) -> None:
    rows = pa.table(
        {"id": [1, 1, 2], "at": pa.array([2**63 + 5, 9, 1], pa.uint64()), "rowid": ["new", "old", "other"]}
    )
    lite.publish("t", rows, Deduplicate(Key([rows.schema.field("id")]), rows.schema.field("at")), Swap())
    assert lite.read().column("rowid").to_pylist() == ["new", "other"]


@pytest.mark.parametrize("table", ["", "without rowid"])
def test_a_merge_looks_keys_up_in_a_large_table_by_its_index(lite: Lite, table: str) -> None:
    # Without that, these are 10,000,000,000 comparisons.
    lite.run(
        f"create table t (id bigint not null primary key, v text) {table}",
        "insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)"
        " select i, 'old' from n",
    )
    rows = pa.table({"id": list(range(50_001, 150_001)), "v": ["new"] * 100_000})
    key, columns = Key([rows.schema.field("id")]), list(rows.schema)
    lite.publish("t", rows, Update(key, columns[1:]), Insert(columns, unless=key))
    lite.publish("t", rows, Delete(key), Insert(columns))
    assert lite.fetch("select v, count(*) from t group by 1 order by 1") == [
        ("new", 100_000),
        ("old", 50_000),
    ]


# Writing: what the user has made of a table stays.


def test_a_table_that_stays_keeps_its_indexes_triggers_and_views(lite: Lite) -> None:
    keep_company(lite)
    rows = pa.table({"id": [2, 3], "v": pa.array([5, 6], pa.int64())})
    columns = list(rows.schema)
    lite.publish("t", rows, AddColumn(pa.field("more", pa.string())), Empty(), Insert(columns, {"v": "INT"}))
    assert lite.fetch("select id, v, more from t") == [(2, 5, None), (3, 6, None)]
    assert_company(lite)


def test_a_column_takes_a_wider_type_and_all_else_stays(lite: Lite) -> None:
    keep_company(lite)
    before = dict(lite.fetch("select name, sql from sqlite_master"))
    wide = pa.table({"id": [9], "v": pa.array([Decimal("0.0000000001")], pa.decimal128(38, 10))})
    step = ChangeType(wide.schema.field("v"))
    lite.publish("t", wide, step, Insert(list(wide.schema), {"v": "DECIMAL_TEXT(38, 10)"}))
    assert lite.read().column("v").to_pylist() == [Decimal(1), Decimal(2), Decimal("1E-10")]
    after = dict(lite.fetch("select name, sql from sqlite_master"))
    assert after.pop("t") == before.pop("t").replace("v INT ", "v DECIMAL_TEXT(38, 10) ")
    assert after == before
    lite.run("insert into t (v) values ('7.00')")
    # As AUTOINCREMENT has it, no number comes a second time.
    assert lite.fetch("select max(id) from t") == [(101,)]
    assert_company(lite)


def test_a_change_of_type_that_fails_leaves_the_table_as_it_was(lite: Lite) -> None:
    keep_company(lite)
    lite.run("insert into t (id, v) values (3, 'no number')")
    wide = pa.table({"id": [9], "v": pa.array([1], pa.decimal64(18, 2))})
    with pytest.raises(LossyTypeError, match=r"Column v of main\.t .* decimal64\(18, 2\)"):
        lite.publish("t", wide, ChangeType(wide.schema.field("v")))
    assert lite.fetch("select id, v from t") == [(1, 1), (2, 2), (3, "no number")]
    assert_company(lite)


def keep_company(lite: Lite) -> None:
    """A table with everything that a table can have around it."""
    lite.run(
        "create table log (said text)",
        "create table t (id integer primary key autoincrement, /* v, v */"
        " v INT default (1) check (v <> ','), g as (id * 2))",
        "create unique index by_v on t (v) where v > 1",
        "create trigger told after insert on t begin insert into log values (new.v); end",
        "create view seen as select id, v from t",
        "insert into t (id, v) values (1, 1), (2, 2), (100, 100)",
        "delete from t where id = 100",
        "delete from log",
    )


def assert_company(lite: Lite) -> None:
    names = [
        name
        for (name,) in lite.fetch("select name from sqlite_master where name not like 'sqlite%' order by 1")
    ]
    assert names == ["by_v", "log", "seen", "t", "told"]
    said = len(lite.fetch("select * from log"))
    lite.run("insert into t (v) values (4711)")
    assert len(lite.fetch("select * from log")) == said + 1
    with pytest.raises(sqlite3.IntegrityError):
        lite.run("insert into t (v) values (4711)")
    lite.run("delete from t where v = 4711")
    assert lite.fetch("select count(*) from seen") == lite.fetch("select count(*) from t")


def test_a_replaced_table_takes_its_keys_and_no_row_of_another_table_with_it(lite: Lite) -> None:
    lite.run("create table t (id int primary key)", "insert into t values (1)")
    lite.run("create table child (id int references t on delete cascade)", "insert into child values (1)")
    keys = [
        TableKey("primary", ["id"]),
        TableKey("unique", ["a"]),
        TableKey("index", ["a", "id"], "my index"),
    ]
    for _ in range(2):
        lite.publish("t", pa.table({"id": [1], "a": ["x"]}), Swap(keys))
    assert lite.fetch("select * from child") == [(1,)]
    assert lite.describe().primary_key == ["id"]
    indexes = {
        name
        for (name,) in lite.fetch("select name from sqlite_master where type = 'index' and sql is not null")
    }
    assert indexes == {"t_a_key", "my index"}
    for row in ("(1, 'y')", "(null, 'y')", "(2, 'x')"):
        with pytest.raises(sqlite3.IntegrityError):
            lite.run(f"insert into t values {row}")


# Writing: one writer, and nothing left behind.


def test_rows_are_staged_where_only_the_run_sees_them(lite: Lite) -> None:
    lite.run("create table t (id int)", "insert into t values (1)")
    relation = Relation("main", "t")
    with (
        SQLite(lite.connection) as endpoint,
        endpoint.stage(relation, pa.schema([pa.field("id", pa.int64())])) as staging,
    ):
        staging.write(pa.record_batch({"id": pa.array([7, 8])}))
        assert staging.complete() == 2
        assert lite.tables() == ["t"]
        # Nobody is kept from writing meanwhile.
        lite.run("insert into t values (2)")
        endpoint.publish(staging, relation, [Insert([pa.field("id", pa.int64())])])
    assert lite.fetch("select id from t") == [(1,), (2,), (7,), (8,)]
    assert lite.tables() == ["t"]


KILLED = """
import os, signal, sys
import pyarrow as pa
from mainstem.connections import Connection
from mainstem.endpoints import Insert
from mainstem.endpoints.sqlite import SQLite
from mainstem.endpoints.steps import RunSql, Step
from mainstem.schema import Relation

field, relation = pa.field("id", pa.int64()), Relation("main", "t")
endpoint = SQLite(Connection("LITE", "sqlite", {"instance": sys.argv[1]}))

class Kill(RunSql):
    pass

def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

endpoint.connect()
endpoint._session.create_function("killed", 0, killed)
with endpoint.locked(relation), endpoint.stage(relation, pa.schema([field])) as staging:
    staging.write(pa.record_batch({"id": pa.array(range(100000))}))
    staging.complete()
    if sys.argv[2] == "staged":
        killed()
    endpoint.publish(staging, relation, [Insert([field]), RunSql("select killed()")])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("when", ["staged", "publishing"])
def test_a_killed_run_leaves_the_file_as_it_was_and_lets_it_go(lite: Lite, when: str) -> None:
    lite.run("create table t (id int)", "insert into t values (1)")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(lite.path), when], check=False)
    assert ended.returncode == -signal.SIGKILL
    with SQLite(lite.connection) as endpoint, endpoint.locked(Relation("main", "t")):
        assert endpoint.count(Relation("main", "t")) == 1
    assert lite.fetch("pragma integrity_check") == [("ok",)]
    assert lite.tables() == ["t"]
    # SQLite's own journal goes with the next write.
    lite.run("insert into t values (2)")
    assert [path.name for path in lite.path.parent.iterdir()] == [lite.path.name]


LOCKED = """
import sys
from mainstem.connections import Connection
from mainstem.endpoints.sqlite import SQLite
from mainstem.schema import Relation

with SQLite(Connection("LITE", "sqlite", {"instance": sys.argv[1]})) as endpoint:
    with endpoint.locked(Relation("main", "T")):
        print("held", flush=True)
        sys.stdin.read()
"""


def test_two_processes_write_one_table_one_after_the_other(
    lite: Lite, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.run("create table t (id int)")
    with subprocess.Popen(
        [sys.executable, "-c", LOCKED, str(lite.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with SQLite(lite.connection) as endpoint:
            with endpoint.locked(Relation("main", "another")):
                pass
            with monkeypatch.context() as patched:
                patched.setattr(locks, "LOCK_SECONDS", 0.1)
                with (
                    pytest.raises(TargetBusyError, match="being written by another run"),
                    endpoint.locked(Relation("main", "t")),
                ):
                    pass
            process.stdin.close()
            with endpoint.locked(Relation("main", "t")):
                pass
    assert [path.name for path in lite.path.parent.iterdir()] == [lite.path.name]


def test_a_lock_that_is_let_go_is_never_held_twice(lite: Lite) -> None:
    lite.run("create table t (id int)")
    inside: list[int] = []
    seen: list[int] = []

    def work() -> None:
        for _ in range(50):
            with filelock.file_lock(lite.path, Relation("main", "t")):
                inside.append(1)
                seen.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 200


def test_what_another_part_of_this_process_holds_is_waited_for_and_nothing_is_lost(
    lite: Lite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 0.1)
    lite.run("create table t (id int)")
    with closing(sqlite3.connect(lite.path)) as notebook:
        notebook.execute("insert into t values (1)")
        with pytest.raises(TargetBusyError):
            lite.publish("t", pa.table({"id": [2]}), Insert([pa.field("id", pa.int64())]))
        notebook.commit()
    assert lite.fetch("select id from t") == [(1,)]


def test_a_file_that_is_opened_to_read_is_not_written(lite: Lite) -> None:
    lite.run("create table t (id int)", "insert into t values (1)")
    lite.connection = Connection("LITE", "sqlite", {"instance": str(lite.path), "read_only": "true"})
    assert lite.read().to_pylist() == [{"id": 1}]
    with pytest.raises(EndpointError, match="readonly"):
        lite.publish("t", pa.table({"id": [2]}))


def test_a_users_script_may_have_its_own_transactions(lite: Lite) -> None:
    with SQLite(lite.connection) as endpoint:
        endpoint.run_script("create table t (a text); begin; insert into t values ('a;b'); commit; vacuum")
        with pytest.raises(EndpointError, match="no such table: nowhere"):
            endpoint.run_script("insert into t values ('c'); insert into nowhere values (1)")
    assert lite.fetch("select a from t") == [("a;b",), ("c",)]


def test_a_misfit_names_its_column_in_the_streams_error(lite: Lite) -> None:
    lite.run("create table t (id integer, v integer)", "insert into t values (1, 'one')")
    with pytest.raises(
        ReplicationFailedError, match=r"Column v \(INTEGER\) holds a text in the row with rowid 1"
    ):
        replicated(lite)
    assert replicated(lite, columns={"v": "text"}).streams[0].rows == 1
    assert lite.fetch("select id, v, typeof(v) from copy") == [(1, "one", "text")]


def test_a_column_without_a_type_is_told(lite: Lite) -> None:
    lite.run("create table t (id integer, v)", "insert into t values (1, 2)")
    assert (
        "Column v has no declared type: its values are carried as text." in replicated(lite).streams[0].notes
    )
