"""What is MySQL's and MariaDB's own: their types, their wire, their definitions that commit by themselves."""

from __future__ import annotations

import re
import threading
import time as clock
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest

from mainstem import replicate
from mainstem.connections import connection_of
from mainstem.endpoints import Deduplicate, Delete, Insert, Key, Step, Swap, TableKey, Update
from mainstem.endpoints.base import Query
from mainstem.endpoints.mysql import MySQL
from mainstem.endpoints.mysql import target as target_module
from mainstem.endpoints.mysql.server import Server
from mainstem.endpoints.registry import open_endpoint
from mainstem.endpoints.sql import STAGING_COMMENT
from mainstem.endpoints.steps import AddColumn, ChangeType, DeleteMissing
from mainstem.errors import (
    ConnectError,
    EndpointError,
    LossyTypeError,
    RelationNotFoundError,
    TargetBusyError,
)
from mainstem.schema import Column, Relation
from mainstem.testing.mariadb import EmbeddedMariaDB

UTC = timezone.utc


class Database:
    """A database of a server, with a way in."""

    def __init__(self, server: EmbeddedMariaDB, name: str) -> None:
        self.server = server
        self.name = name

    @property
    def properties(self) -> dict[str, Any]:
        return {
            "type": "mysql",
            "host": self.server.host,
            "port": self.server.port,
            "user": self.server.user,
            "password": self.server.password,
            "database": self.name,
        }

    @contextmanager
    def opened(self, **properties: Any) -> Iterator[MySQL]:
        with MySQL(connection_of("MY", {**self.properties, **properties})) as endpoint:
            yield endpoint

    def relation(self, table: str = "t") -> Relation:
        return Relation(self.name, table)

    def execute(self, *statements: str) -> None:
        self.server.execute(*statements, database=self.name)

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        return self.server.fetch(query, database=self.name)

    def tables(self) -> list[str]:
        return sorted(str(row[0]) for row in self.fetch("show tables"))

    def column(self, native: str, *literals: str) -> Column:
        """Make the table ``t`` with one column ``v`` of these values, and describe it."""
        values = ", ".join(f"({index}, {literal})" for index, literal in enumerate(literals))
        loose = "set sql_mode = 'ALLOW_INVALID_DATES'"
        self.execute(f"create table t (i int, v {native})")
        with self.server._connected(self.name) as connection, connection.cursor() as cursor:
            cursor.execute(loose)
            cursor.execute(f"insert into t values {values}")
        with self.opened() as endpoint:
            return endpoint.describe(self.relation()).columns[1]

    def read(self, table: str = "t", *, as_text: bool = False) -> pa.Table:
        """Read a table as the engine does, by its first column."""
        with self.opened() as endpoint:
            described = endpoint.describe(self.relation(table))
            columns = [
                replace(column, as_text=True, arrow_type=pa.string()) if as_text else column
                for column in described.columns
            ]
            query = Query(columns, relation=described.relation, order_by=columns[:1])
            return read(endpoint, query)

    def values(self, table: str = "t", name: str = "v") -> list[Any]:
        return list(self.read(table).column(name).to_pylist())

    def put(self, rows: pa.Table, table: str = "t", *steps: Step) -> None:
        """Stage rows and publish them, as a new table unless other steps are given."""
        with self.opened() as endpoint, endpoint.stage(self.relation(table), rows.schema) as staging:
            for batch in rows.to_batches():
                staging.write(batch)
            assert staging.complete() == rows.num_rows
            endpoint.publish(staging, self.relation(table), steps or [Swap()])

    def queries(self) -> list[str]:
        """What other connections to this database are running."""
        rows = self.fetch(
            "select info from information_schema.processlist"
            f" where db = '{self.name}' and command = 'Query' and id <> connection_id()"
        )
        return [str(row[0]) for row in rows if row[0]]


def read(endpoint: MySQL, query: Query) -> pa.Table:
    schema = pa.schema([pa.field(column.name, column.arrow_type) for column in query.columns])
    with endpoint.read(query) as batches:
        return pa.Table.from_batches(list(batches), schema)


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread, or for the server."""
    while not holds():
        clock.sleep(0.01)


@pytest.fixture
def database(mariadb: EmbeddedMariaDB) -> Iterator[Database]:
    """A database of the test's own."""
    name = f"s{uuid4().hex[:12]}"
    mariadb.execute(f"create database {name} character set utf8mb4")
    yield Database(mariadb, name)
    mariadb.execute(f"drop database {name}")


@pytest.fixture(params=["load data", "insert"])
def either_way(request: pytest.FixtureRequest, mariadb: EmbeddedMariaDB) -> Iterator[None]:
    """A server that lets rows be loaded, and one that does not."""
    mariadb.execute(f"set global local_infile = {int(request.param == 'load data')}")
    yield
    mariadb.execute("set global local_infile = 1")


BIG = Decimal("12345678901234567890.123456789012345678")
LONG = "12345678901234567890123456789012345.123456789012345678901234567890"
POINT = "000000000101000000000000000000F03F0000000000000040"

# The type, values as literals, the Arrow type, the values as they arrive.
TYPES: list[tuple[str, Sequence[str], pa.DataType, Sequence[Any]]] = [
    ("tinyint(1)", ["0", "1"], pa.bool_(), [False, True]),
    ("boolean", ["true"], pa.bool_(), [True]),
    ("tinyint", ["-128", "127"], pa.int8(), [-128, 127]),
    ("tinyint unsigned", ["255"], pa.uint8(), [255]),
    ("smallint", ["-32768"], pa.int16(), [-32768]),
    ("smallint(3) unsigned", ["65535"], pa.uint16(), [65535]),
    ("mediumint", ["-8388608"], pa.int32(), [-8388608]),
    ("mediumint unsigned", ["16777215"], pa.uint32(), [16777215]),
    ("int", ["-2147483648"], pa.int32(), [-(2**31)]),
    ("int(6) zerofill", ["42", "4294967295"], pa.uint32(), [42, 2**32 - 1]),
    ("bigint", ["-9223372036854775808"], pa.int64(), [-(2**63)]),
    ("bigint unsigned", ["18446744073709551615"], pa.uint64(), [2**64 - 1]),
    ("bit(1)", ["b'0'", "b'1'"], pa.bool_(), [False, True]),
    ("bit(9)", ["b'100000001'"], pa.uint16(), [257]),
    ("bit(64)", ["~0"], pa.uint64(), [2**64 - 1]),
    ("year", ["1999", "0"], pa.int16(), [1999, 0]),
    ("float", ["0.1", "3.4028234663852886e38"], pa.float32(), [0.10000000149011612, 3.4028234663852886e38]),
    ("float(7,4)", ["1.2345"], pa.float32(), [1.2345000505447388]),
    (
        "double",
        ["0.1", "5e-324", "1.7976931348623157e308"],
        pa.float64(),
        [0.1, 5e-324, 1.7976931348623157e308],
    ),
    ("double(10,2) unsigned", ["12.34"], pa.float64(), [12.34]),
    ("decimal(10,2)", ["-12345678.90"], pa.decimal64(10, 2), [Decimal("-12345678.90")]),
    ("decimal(18,18)", ["0.123456789012345678"], pa.decimal64(18, 18), [Decimal("0.123456789012345678")]),
    ("decimal(38,18)", [str(BIG)], pa.decimal128(38, 18), [BIG]),
    ("decimal(10,2) zerofill", ["12.5"], pa.decimal64(10, 2), [Decimal("12.50")]),
    ("decimal(65,30)", [LONG], pa.opaque(pa.string(), "decimal(65,30)", "MySQL"), [LONG]),
    ("char(5)", ["'abc  '", "''"], pa.string(), ["abc", ""]),
    ("varchar(9)", ["'abc  '", "''"], pa.string(), ["abc  ", ""]),
    ("varchar(9) character set latin1", ["'é ÿ'"], pa.string(), ["é ÿ"]),
    ("text character set utf16", ["'日本🦆'"], pa.string(), ["日本🦆"]),
    ("tinytext", [r"'a\0b\\\'\"\n\t'"], pa.string(), ["a\0b\\'\"\n\t"]),
    ("longtext", ["repeat('x', 70000)"], pa.string(), ["x" * 70000]),
    ("enum('a','b''(c')", ["'b''(c'"], pa.string(), ["b'(c"]),
    ("set('x','y')", ["'x,y'", "''"], pa.string(), ["x,y", ""]),
    ("binary(3)", ["x'01'"], pa.binary(), [b"\x01\x00\x00"]),
    ("varbinary(9)", ["x''", "x'00ff'"], pa.binary(), [b"", b"\x00\xff"]),
    ("mediumblob", ["x'5c27'"], pa.binary(), [b"\\'"]),
    ("date", ["'0001-01-01'", "'9999-12-31'"], pa.date32(), [date(1, 1, 1), date(9999, 12, 31)]),
    ("time", ["'23:59:59'"], pa.time64("us"), [time(23, 59, 59)]),
    ("time(6)", ["'00:00:00.000001'"], pa.time64("us"), [time(0, 0, 0, 1)]),
    ("datetime", ["'1000-01-01'"], pa.timestamp("us"), [datetime(1000, 1, 1)]),  # noqa: DTZ001
    (
        "datetime(6)",
        ["'9999-12-31 23:59:59.999999'"],
        pa.timestamp("us"),
        [datetime(9999, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001
    ),
    ("json", ["""'{"a": [1, null]}'"""], pa.json_(), ['{"a": [1, null]}']),
    (
        "uuid",
        ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
        pa.uuid(),
        [UUID("a0eebc999c0b4ef8bb6d6bb9bd380a11")],
    ),
    ("inet6", ["'::1'"], pa.opaque(pa.string(), "inet6", "MySQL"), ["::1"]),
    ("point", ["point(1, 2)"], pa.opaque(pa.string(), "point", "MySQL"), [POINT]),
    ("geometry", ["point(1, 2)"], pa.opaque(pa.string(), "geometry", "MySQL"), [POINT]),
]


@pytest.mark.parametrize(("native", "literals", "kind", "values"), TYPES, ids=[case[0] for case in TYPES])
def test_a_type_has_its_arrow_type(
    database: Database, native: str, literals: Sequence[str], kind: pa.DataType, values: Sequence[Any]
) -> None:
    assert database.column(native, *literals, "null").arrow_type == kind
    rows = database.read()
    assert rows.schema.field("v").type == kind
    assert rows.column("v").to_pylist() == [*values, None]


@pytest.mark.parametrize(("native", "literals", "kind", "values"), TYPES, ids=[case[0] for case in TYPES])
def test_a_query_has_its_types_too(
    database: Database, native: str, literals: Sequence[str], kind: pa.DataType, values: Sequence[Any]
) -> None:
    database.column(native, *literals)
    with database.opened() as endpoint:
        sql = "select v, i from t order by i limit 99"
        described = endpoint.describe_query(sql).columns
        found = read(endpoint, Query(described, sql=sql)).column("v")
    plain = (
        kind.storage_type
        if native in ("uuid", "inet6", "json") and isinstance(kind, pa.BaseExtensionType)
        else kind
    )
    if native == "uuid":
        assert found.to_pylist() == [str(value) for value in values]
    elif native == "point":
        assert found.type == pa.opaque(pa.string(), "geometry", "MySQL")
        assert found.to_pylist() == list(values)
    else:
        assert found.type == plain
        assert found.to_pylist() == list(values)


@pytest.mark.parametrize(
    ("native", "literal", "shown"),
    [
        ("tinyint(1)", "2", "2"),
        ("tinyint(1)", "-1", "-1"),
        ("date", "'0000-00-00'", "0000-00-00"),
        ("date", "'2024-05-00'", "2024-05-00"),
        ("date", "'2023-02-31'", "2023-02-31"),
        ("datetime(6)", "'0000-00-00'", "0000-00-00 00:00:00.000000"),
        ("timestamp", "'0000-00-00'", "0000-00-00 00:00:00"),
        ("time", "'24:00:00'", "24:00:00"),
        ("time(3)", "'-01:02:03.5'", "-01:02:03.500"),
        ("time", "'838:59:59'", "838:59:59"),
    ],
)
def test_a_value_that_arrow_has_not_is_refused_by_name_and_can_be_had_as_text(
    database: Database, native: str, literal: str, shown: str
) -> None:
    database.column(native, literal)
    with pytest.raises(LossyTypeError, match=rf"Column v .*{re.escape(shown)}"):
        database.read()
    assert database.read(as_text=True).column("v").to_pylist() == [shown]


def test_bytes_that_are_no_text_are_refused_as_text(database: Database) -> None:
    database.column("blob", "x'ff'")
    with pytest.raises(LossyTypeError, match="Column v"):
        database.read(as_text=True)


@pytest.mark.parametrize("zone", ["+00:00", "-11:00", "+12:45"])
def test_a_moment_is_the_same_whatever_zone_it_was_written_in(database: Database, zone: str) -> None:
    database.execute("create table t (i int, v timestamp(6) null, u double)")
    with database.server._connected(database.name) as connection, connection.cursor() as cursor:
        cursor.execute(f"set time_zone = '{zone}'")
        cursor.execute("insert into t values (1, '2024-10-27 02:30:00.000001', null)")
        cursor.execute("update t set u = unix_timestamp(v)")
    (row,) = database.read().to_pylist()
    assert row["v"].timestamp() == pytest.approx(row["u"], abs=1e-6)
    assert row["v"].microsecond == 1


def test_as_text_a_value_looks_as_the_server_shows_it(database: Database) -> None:
    columns = ["decimal(5,2)", "bit(4)", "float", "uuid", "timestamp(3) null", "tinyint(1)"]
    names = ", ".join(f"c{index} {native}" for index, native in enumerate(columns))
    database.execute(
        f"create table t (i int, {names})",
        "set time_zone = '+00:00'",
        "insert into t values (1, 1.5, b'101', 0.5, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', null, 1)",
    )
    (row,) = database.read(as_text=True).to_pylist()
    assert list(row.values()) == ["1", "1.50", "5", "0.5", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None, "1"]


@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 65535, 65536, 5_000_000])
def test_a_value_of_any_length_comes_over_the_wire(database: Database, size: int) -> None:
    database.column("longtext", "'before'", f"repeat('x', {size})", "null", "'after'")
    assert database.values() == ["before", "x" * size, None, "after"]


# A packet has room for 16,777,215 bytes; a row that ends right there has an empty one behind it.
@pytest.mark.parametrize("beyond", [-5, -4, -3, 0, 1, 3, 16_777_215, 20_000_000])
def test_a_row_that_fits_in_no_packet_comes_in_several(database: Database, beyond: int) -> None:
    size = 16_777_215 + beyond - len("\xfd...")
    database.server.execute("set global max_allowed_packet = 128 * 1024 * 1024")
    database.column("longtext", "'before'")
    database.execute(f"insert into t values (1, concat(repeat('x', {size - 1}), 'y')), (2, 'after')")
    with database.opened() as endpoint:
        column = endpoint.describe(database.relation()).columns[1]
        rows = read(endpoint, Query([column], sql="select v from t order by i"))
    found: list[Any] = rows.column("v").to_pylist()
    assert [len(value) for value in found] == [6, size, 5]
    assert found[1][-1] == "y"
    assert set(found[1][:-1]) == {"x"}


def test_rows_come_in_batches_of_bounded_size(database: Database) -> None:
    database.execute(
        "create table t (i int, v varchar(200))",
        "insert into t select seq, repeat(char(65 + seq % 26), 150) from seq_1_to_100000",
    )
    with database.opened() as endpoint:
        described = endpoint.describe(database.relation())
        with endpoint.read(Query(described.columns, relation=described.relation)) as batches:
            sizes = [(batch.num_rows, batch.nbytes) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 100_000
    assert len(sizes) > 2
    assert max(size for _, size in sizes) < 16 << 20


def test_an_empty_table_is_read(database: Database) -> None:
    database.execute("create table t (i int, v text)")
    assert database.read().num_rows == 0


def test_a_table_of_a_thousand_columns_is_read_and_written(database: Database) -> None:
    rows = pa.table({f"c{index}": pa.array([index, None], pa.int32()) for index in range(1000)})
    database.put(rows)
    assert database.read().sort_by("c0").equals(rows)


def test_a_table_of_many_short_texts_is_written(database: Database) -> None:
    rows = pa.table({f"c{index}": [f"v{index}", None] for index in range(500)})
    database.put(rows)
    assert database.read().sort_by("c0").equals(rows.sort_by("c0"))


def test_rows_that_are_too_wide_are_refused(database: Database) -> None:
    rows = pa.table({f"c{index}": ["x" * 100] for index in range(800)})
    with pytest.raises(EndpointError, match=r"(?i)row size"):
        database.put(rows)
    assert database.tables() == []


@pytest.mark.parametrize(
    "name",
    ["back`tick", "dot.ted", "sp ace", "ünï", "quo'te\"", "per%cent", "select", "n" * 64, "%s", "a;b--"],
)
def test_a_name_may_be_anything(database: Database, name: str) -> None:
    rows = pa.table({name: ["value"], "id": pa.array([1], pa.int64())})
    database.put(rows, name)
    assert database.tables() == [name]
    assert database.read(name).equals(rows)
    key = Key([pa.field(name, pa.string())])
    database.put(rows, name, Deduplicate(key), Delete(key), Insert(list(rows.schema), unless=key))
    assert database.read(name).equals(rows)


def test_the_catalogue_tells_of_a_table(database: Database) -> None:
    database.execute(
        "create table t (a int comment 'the first', b int not null, c int as (a + 1) virtual,"
        " d int as (b + 1) stored, e int invisible default 7, primary key (b, a)) comment 'what it is'",
        "insert into t (a, b) values (1, 2)",
        "create view v as select a, b from t",
        "create sequence s",
        "analyze table t",
    )
    with database.opened() as endpoint:
        table = endpoint.describe(Relation(database.name, "T"))
        view = endpoint.describe(database.relation("v"))
        listed = [
            (str(entry.relation.name), entry.is_view) for entry in endpoint.catalog(database.name.upper())
        ]
        everything = {entry.relation.schema for entry in endpoint.catalog()}
    assert (table.comment, list(table.primary_key), table.estimated_rows) == ("what it is", ["b", "a"], 1)
    described = [(column.name, column.nullable, column.comment) for column in table.columns]
    assert described == [
        ("a", False, "the first"),
        ("b", False, None),
        ("c", True, None),
        ("d", True, None),
        ("e", True, None),
    ]
    assert database.read().to_pylist() == [{"a": 1, "b": 2, "c": 2, "d": 3, "e": 7}]
    assert (view.comment, list(view.primary_key), view.estimated_rows) == (None, [], None)
    assert listed == [("t", False), ("v", True)]
    assert database.name in everything
    assert "mysql" not in everything
    assert "information_schema" not in everything


def test_names_that_differ_in_case_are_told_apart(database: Database) -> None:
    database.execute("create table t (a int)", "create table T (b int)")
    with database.opened() as endpoint:
        assert endpoint.describe(database.relation("T")).columns[0].name == "b"
        assert endpoint.describe(database.relation("t")).columns[0].name == "a"


def test_what_is_not_there_is_told(database: Database) -> None:
    database.execute("create table orders (a int)")
    with database.opened() as endpoint:
        with pytest.raises(RelationNotFoundError, match="Did you mean orders"):
            endpoint.describe(database.relation("order"))
        with pytest.raises(RelationNotFoundError, match="no database nowhere"):
            endpoint.describe(Relation("nowhere", "orders"))


def test_a_json_column_is_told_from_a_text_whose_check_says_more(database: Database) -> None:
    database.execute(
        "create table t (a json, `b``c` json, d longtext, e longtext check (json_valid(e) and e <> ''))"
    )
    with database.opened() as endpoint:
        kinds = [column.arrow_type for column in endpoint.describe(database.relation()).columns]
    assert kinds == [pa.json_(), pa.json_(), pa.string(), pa.string()]


def test_a_query_is_described_without_being_run(database: Database) -> None:
    with database.opened() as endpoint:
        described = endpoint.describe_query(
            "select get_lock('described', 0) as got, 1.50 as price -- the end"
        )
    assert [(column.name, column.native_type) for column in described.columns] == [
        ("got", "int"),
        ("price", "decimal(3,2)"),
    ]
    assert database.fetch("select is_free_lock('described')") == [(1,)]


def test_a_query_that_the_server_does_not_accept_is_refused(database: Database) -> None:
    with database.opened() as endpoint:
        with pytest.raises(EndpointError, match="nowhere"):
            endpoint.describe_query("select nothing from nowhere where nothing")
        assert endpoint.describe_query("select 1 as a").columns[0].name == "a"


def test_conditions_limits_and_orders_bound_a_read(database: Database) -> None:
    database.execute("create table t (i int, v text)", "insert into t select seq, seq from seq_1_to_9")
    with database.opened() as endpoint:
        columns = endpoint.describe(database.relation()).columns
        query = Query(columns[:1], relation=database.relation(), order_by=columns[:1])
        where = ["i > 2 -- a comment", "i < 8 or i = 9"]
        found = read(endpoint, replace(query, where=where, limit=2, offset=1)).column("i").to_pylist()
        rest = read(endpoint, replace(query, offset=7)).column("i").to_pylist()
    assert (found, rest) == ([4, 5], [8, 9])


def test_texts_are_ordered_by_their_bytes(database: Database) -> None:
    database.execute(
        "create table t (v varchar(9) character set latin1)",
        "insert into t values ('b'), ('ä'), ('B'), ('a')",
    )
    assert database.values() == ["B", "a", "b", "ä"]


@pytest.mark.parametrize(
    ("native", "text", "other"),
    [
        ("bigint unsigned", "18446744073709551615", "18446744073709551614"),
        ("bigint", "9007199254740993", "9007199254740992"),
        (
            "decimal(38,18)",
            "12345678901234567890.123456789012345678",
            "12345678901234567890.123456789012345679",
        ),
        ("decimal(65,30)", LONG, LONG[:-1] + "1"),
        ("double", "0.30000000000000004", "0.3"),
        ("float", "0.10000000149011612", "0.1"),
        ("date", "2024-02-29", "2024-03-01"),
        ("datetime(6)", "2024-02-29 12:00:00.000001", "2024-02-29T12:00:00.000002"),
        ("timestamp(6) null", "2024-02-29 12:00:00.000001+00:00", "2024-02-29 12:00:00.000001+01:00"),
        ("time(6)", "23:59:59.999999", "23:59:59.999998"),
        ("boolean", "true", "false"),
        ("bit(9)", "257", "256"),
        ("year", "1999", "2000"),
        ("varchar(99)", "it's a \\ \"text\" ' or 1=1 -- ", "it's a \\ \"text\" ' or 1=1 -- x"),
        ("enum('a','b')", "a", "b"),
        ("varbinary(9)", "\\x00FF", "\\x00FE"),
        ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"),
    ],
)
def test_a_literal_compares_exactly(database: Database, native: str, text: str, other: str) -> None:
    database.execute(f"create table t (v {native})")
    with database.opened() as endpoint:
        column = endpoint.describe(database.relation()).columns[0]
        one, another = endpoint.literal(text, column), endpoint.literal(other, column)
        endpoint.run(f"insert into t values ({one})")
        count = f"select count(*) from t where {endpoint.ordered(column)} ="
        assert endpoint.rows(f"{count} {one}") == [(1,)]
        assert endpoint.rows(f"{count} {another}") == [(0,)]


@pytest.mark.parametrize(
    ("native", "text"),
    [
        ("int", "1 or 1=1"),
        ("double", "nan"),
        ("date", "yesterday"),
        ("datetime", "2024-13-01"),
        ("time", "noon"),
    ],
)
def test_a_text_that_is_no_value_makes_no_literal(database: Database, native: str, text: str) -> None:
    database.execute(f"create table t (v {native})")
    with database.opened() as endpoint:
        column = endpoint.describe(database.relation()).columns[0]
        with pytest.raises(EndpointError, match=rf"no value of the column v \({native}"):
            endpoint.literal(text, column)


def test_a_statement_returns_its_rows(database: Database) -> None:
    database.execute("create table t (i int)", "insert into t select seq from seq_1_to_100")
    with database.opened() as endpoint:
        assert endpoint.execute("select i from t order by i", limit=2).to_pydict() == {"i": [1, 2]}
        assert endpoint.execute("delete from t").num_columns == 0
        with pytest.raises(EndpointError, match="nowhere"):
            endpoint.execute("select * from nowhere")
    assert database.fetch("select count(*) from t") == [(0,)]


def test_a_server_cannot_have_a_file_of_this_machine(database: Database, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text("1\n")
    database.execute("create table t (i int)")
    load = f"load data local infile '{private}' into table t"
    with database.opened() as endpoint:
        with pytest.raises(EndpointError, match="must not read files"):
            endpoint.execute(load)
        with pytest.raises(EndpointError):
            endpoint.run(load)
    assert database.fetch("select count(*) from t") == [(0,)]


def test_a_statement_is_broken_off_at_the_server_too(database: Database) -> None:
    failures: list[BaseException] = []

    def work(endpoint: MySQL) -> None:
        try:
            endpoint.execute("select sleep(600)")
        except BaseException as error:
            failures.append(error)

    with database.opened() as endpoint:
        thread = threading.Thread(target=work, args=(endpoint,))
        thread.start()
        until(lambda: bool(database.queries()))
        while thread.is_alive():
            endpoint.cancel()
            thread.join(0.1)
        assert endpoint.rows("select 1") == [(1,)]
    endpoint.cancel()
    until(lambda: not database.queries())
    assert [type(failure) for failure in failures] in ([EndpointError], [])


def test_a_statement_is_broken_off_where_the_server_has_no_connection_left(database: Database) -> None:
    failures: list[BaseException] = []
    database.server.execute(
        f"create user '{database.name}'@'%' identified by 'secret' with max_user_connections 2",
        f"grant all on `{database.name}`.* to '{database.name}'@'%'",
    )

    def work(endpoint: MySQL) -> None:
        try:
            endpoint.execute("select sleep(600)")
        except BaseException as error:
            failures.append(error)

    with database.opened(user=database.name, password="secret") as endpoint:
        thread = threading.Thread(target=work, args=(endpoint,))
        thread.start()
        until(lambda: bool(database.queries()))
        while thread.is_alive():
            endpoint.cancel()
            thread.join(0.1)
    assert [type(failure) for failure in failures] == [ConnectError]
    for (session,) in database.fetch(
        f"select id from information_schema.processlist where user = '{database.name}'"
    ):
        database.execute(f"kill {session}")
    database.server.execute(f"drop user '{database.name}'@'%'")


def test_a_target_that_hangs_up_is_tidied_by_another_connection(database: Database) -> None:
    rows = pa.table({"id": [1]})

    def load(endpoint: MySQL) -> None:
        with endpoint.stage(database.relation(), rows.schema) as staging:
            assert database.tables() == [staging.place.name]
            ((own,),) = endpoint.rows("select connection_id()")
            database.execute(f"kill connection {own}")
            staging.write(rows.to_batches()[0])
            staging.complete()

    with database.opened() as endpoint, pytest.raises(ConnectError, match="broke"):
        load(endpoint)
    assert database.tables() == []


def test_a_run_that_lost_its_connection_drops_nothing_of_the_one_that_followed(database: Database) -> None:
    """Its lock went with the connection, and the staging table's name is the other's by now."""
    (batch,) = pa.table({"id": [1]}).to_batches()
    target = database.relation()

    def lose(one: MySQL, two: MySQL, following: ExitStack) -> Any:
        with one.locked(target), one.stage(target, batch.schema) as lost:
            ((own,),) = one.rows("select connection_id()")
            database.execute(f"kill connection {own}")
            following.enter_context(two.locked(target))
            staging = following.enter_context(two.stage(target, batch.schema))
            staging.write(batch)
            with pytest.raises(ConnectError, match="broke"):
                lost.complete()
        return staging

    with database.opened() as one, database.opened() as two, ExitStack() as following:
        assert lose(one, two, following).complete() == 1
    assert database.tables() == []


def test_a_read_that_is_left_early_ends_at_the_server_too(database: Database) -> None:
    sql = "select a.seq as i, repeat('x', 1000) as v from seq_1_to_1000000 as a, seq_1_to_1000 as b"
    with database.opened() as endpoint:
        columns = endpoint.describe_query(sql).columns
        with endpoint.read(Query(columns, sql=sql)) as batches:
            assert next(batches).num_rows
        until(lambda: not database.queries())
        assert endpoint.rows("select 1") == [(1,)]


def test_a_read_sees_one_state_of_the_table(database: Database) -> None:
    database.execute(
        "create table t (i int primary key, v varchar(100))",
        "insert into t select seq, repeat('x', 100) from seq_1_to_200000",
    )
    with database.opened() as endpoint:
        columns = endpoint.describe(database.relation()).columns
        with endpoint.read(Query(columns, relation=database.relation())) as batches:
            found = next(batches).num_rows
            database.execute("delete from t where i > 1")
            assert found + sum(batch.num_rows for batch in batches) == 200_000


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"password": "wr0ng-secret"}, "user and the password"),
        ({"database": "nowhere"}, "name of the database"),
        ({"port": "1"}, "Is the server running"),
        ({"host": "no-such-host.invalid"}, "host name"),
    ],
)
def test_who_cannot_get_in_learns_why(database: Database, given: dict[str, Any], hint: str) -> None:
    with pytest.raises(ConnectError, match=hint) as caught, database.opened(**given):
        pass
    assert "wr0ng-secret" not in str(caught.value)
    assert "MY: the MySQL server at" in str(caught.value)


def test_a_connection_that_broke_is_told(database: Database) -> None:
    with database.opened() as endpoint:
        ((own,),) = endpoint.rows("select connection_id()")
        database.execute(f"kill connection {own}")
        with pytest.raises(ConnectError, match="broke"):
            endpoint.rows("select 1")


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_both_names_open_the_same_endpoint(database: Database, scheme: str) -> None:
    url = database.server.url.replace("mysql://", f"{scheme}://").replace("test_db", database.name)
    with open_endpoint(connection_of("MY", url)) as endpoint:
        assert isinstance(endpoint, MySQL)
        assert endpoint.default_schema == database.name


@pytest.mark.parametrize(
    ("version", "product", "collation", "json_is_text", "scale"),
    [
        ("5.5.5-10.11.6-MariaDB-0+deb12u1", "MariaDB 10.11.6", "utf8mb4_nopad_bin", True, 38),
        ("11.4.2-MariaDB", "MariaDB 11.4.2", "utf8mb4_nopad_bin", True, 38),
        ("8.0.36", "MySQL 8.0.36", "utf8mb4_0900_bin", False, 30),
        ("8.4.0-azure", "MySQL 8.4.0", "utf8mb4_0900_bin", False, 30),
    ],
)
def test_a_servers_version_tells_what_it_can_do(
    version: str, product: str, collation: str, json_is_text: bool, scale: int
) -> None:
    server = Server(version, {})
    found = (server.product, server.exact_collation, server.json_is_checked_text, server.decimal_scale)
    assert found == (product, collation, json_is_text, scale)
    assert server.can_be_written
    assert not Server("5.7.44", {}).can_be_written


# As a target.

AWKWARD = [
    "",
    " ",
    "NULL",
    "\\N",
    "\\",
    "a\tb\nc\rd",
    "quote\" ' `",
    "\0zero\0",
    "\x1a",
    "ünï 漢字 🦆",
    None,
    "x" * 70_000,
]


@pytest.mark.usefixtures("either_way")
def test_every_text_and_every_byte_arrives(database: Database) -> None:
    rows = pa.table(
        {
            "i": pa.array(range(len(AWKWARD)), pa.int64()),
            "v": AWKWARD,
            "b": [None if text is None else text.encode() + bytes(range(256)) for text in AWKWARD],
            "last": AWKWARD,
        }
    )
    database.put(rows)
    assert database.read().sort_by("i").equals(rows)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("kind", "values", "native"),
    [
        (pa.bool_(), [True, False], "tinyint(1)"),
        (pa.int8(), [-128], "tinyint(4)"),
        (pa.uint64(), [2**64 - 1], "bigint(20) unsigned"),
        (pa.float32(), [0.10000000149011612, 1e-45, 3.4028234663852886e38], "float"),
        (pa.float64(), [0.1, 5e-324, -1.7976931348623157e308], "double"),
        (pa.decimal64(18, 18), [Decimal("1E-18"), Decimal("-0.999999999999999999")], "decimal(18,18)"),
        (pa.decimal128(38, 38), [Decimal("1E-38")], "decimal(38,38)"),
        (pa.decimal128(38, 0), [Decimal(10**38 - 1)], "decimal(38,0)"),
        (pa.date32(), [date(1, 1, 1), date(9999, 12, 31)], "date"),
        (pa.time64("us"), [time(23, 59, 59, 999_999)], "time(6)"),
        (pa.timestamp("us"), [datetime(1, 1, 1, 0, 0, 0, 1)], "datetime(6)"),  # noqa: DTZ001
        (pa.json_(), ['{"a": "\\\\ü"}'], "json"),
        (pa.opaque(pa.string(), "decimal(65,30)", "MySQL"), [LONG], "decimal(65,30)"),
        (pa.opaque(pa.string(), "point", "MySQL"), [POINT], "point"),
        (pa.opaque(pa.string(), "inet6", "MySQL"), ["::1"], "inet6"),
    ],
    ids=str,
)
def test_a_type_has_its_column(
    database: Database, kind: pa.DataType, values: Sequence[Any], native: str
) -> None:
    rows = pa.table({"v": pa.array([*values, None], kind)})
    database.put(rows)
    with database.opened() as endpoint:
        assert endpoint.describe(database.relation()).columns[0].native_type == native
        columns = endpoint.describe(database.relation()).columns
        assert read(endpoint, Query(columns, relation=database.relation())).equals(rows)


@pytest.mark.parametrize(
    ("kind", "values", "arrives", "note"),
    [
        (
            pa.timestamp("us", "UTC"),
            [datetime(2024, 3, 31, 1, 30, 0, 1, UTC)],
            [datetime(2024, 3, 31, 1, 30, 0, 1)],  # noqa: DTZ001
            "in UTC",
        ),
        (pa.uuid(), [UUID(int=2**127 + 5).bytes], [str(UUID(int=2**127 + 5))], "char(36)"),
        (pa.month_day_nano_interval(), [(14, 3, 4_000_000)], ["P14M3DT0.004S"], "longtext"),
        (pa.list_(pa.string()), [["a", None, 'b"']], ['["a", null, "b\\""]'], "json"),
        (pa.opaque(pa.string(), "inet", "PostgreSQL"), ["10.0.0.1/8"], ["10.0.0.1/8"], "longtext"),
        (pa.decimal256(76, 40), [Decimal("1E-40")], ["1E-40"], "longtext"),
        (pa.float64(), [-0.0], [0.0], "sign of a zero"),
    ],
    ids=str,
)
def test_a_type_that_it_has_not_is_told(
    database: Database, kind: pa.DataType, values: Sequence[Any], arrives: Sequence[Any], note: str
) -> None:
    rows = pa.table({"v": pa.array([*values, None], kind)})
    database.put(rows)
    with database.opened() as endpoint:
        assert note in str(endpoint.native_type(rows.schema.field("v")).note)
        columns = endpoint.describe(database.relation()).columns
        found = read(endpoint, Query(columns, relation=database.relation())).column("v").to_pylist()
    assert found == [*arrives, None]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.0, float("nan")]),
        pa.array([float("-inf")], pa.float32()),
        pa.array([2_932_897], pa.int32()).cast(pa.date32()),
        pa.array([-719_163], pa.int32()).cast(pa.date32()),
        pa.array([253_402_300_800_000_000], pa.int64()).cast(pa.timestamp("us")),
        pa.array([-62_135_596_800_000_001], pa.int64()).cast(pa.timestamp("us", "UTC")),
    ],
    ids=str,
)
def test_a_value_that_it_has_not_is_refused_by_name(database: Database, values: pa.Array[Any]) -> None:
    database.put(pa.table({"v": ["as it was"]}))
    with pytest.raises(LossyTypeError, match="Column v"):
        database.put(pa.table({"v": values}))
    assert database.values() == ["as it was"]
    assert database.tables() == ["t"]


@pytest.mark.usefixtures("either_way")
def test_a_row_of_the_server_refuses_what_its_type_cannot_read(database: Database) -> None:
    rows = pa.table({"v": pa.array(["::1", "no address"], pa.opaque(pa.string(), "inet6", "MySQL"))})
    with pytest.raises(LossyTypeError, match="no address"):
        database.put(rows)
    assert database.tables() == []


@pytest.mark.parametrize(
    ("native", "values"),
    [
        ("varchar(3)", pa.array(["abc "])),
        ("varchar(3)", pa.array(["abcd"])),
        ("char(9)", pa.array(["abc "])),
        ("tinytext", pa.array(["x" * 256])),
        ("varchar(9) character set latin1", pa.array(["日"])),
        ("enum('a')", pa.array(["b"])),
        ("datetime", pa.array([datetime(2024, 1, 1, 0, 0, 0, 1)])),  # noqa: DTZ001
        ("datetime(5)", pa.array([datetime(2024, 1, 1, 0, 0, 0, 1)])),  # noqa: DTZ001
        ("timestamp(3)", pa.array([datetime(2024, 1, 1, 0, 0, 0, 1, UTC)])),
        ("timestamp(6)", pa.array([datetime(1924, 1, 1, tzinfo=UTC)])),
        ("time", pa.array([time(1, 2, 3, 4)])),
        ("year", pa.array([5], pa.int16())),
        ("year", pa.array([1900], pa.int16())),
        ("bit(4)", pa.array([16], pa.uint8())),
        ("tinyint", pa.array([128], pa.int16())),
        ("decimal(4,1)", pa.array([Decimal("1.25")])),
        ("binary(2)", pa.array([b"abc"])),
        ("binary(2)", pa.array([b"a"])),
        ("text", pa.array(["x" * 65_536])),
        ("mediumtext", pa.array(["x" * 16_777_216])),
        ("tinyblob", pa.array([b"x" * 256])),
        ("json", pa.array(["{"])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_cut_on_its_way_into_a_table_that_is_there(
    database: Database, native: str, values: pa.Array[Any]
) -> None:
    database.execute(f"create table t (i int, v {native} null)", "insert into t values (1, null)")
    rows = pa.table({"v": values})
    step = Insert(list(rows.schema), {"v": native})
    with pytest.raises(EndpointError, match="v"):
        database.put(rows, "t", step)
    assert database.fetch("select i, v from t") == [(1, None)]
    assert database.tables() == ["t"]


@pytest.mark.parametrize(
    ("native", "values"),
    [
        ("varchar(4)", ["abc "]),
        ("datetime(3)", [datetime(2024, 1, 1, 0, 0, 0, 123000)]),  # noqa: DTZ001
        ("time", [time(1, 2, 3)]),
        ("char(9)", ["a b"]),
        ("year", [1999]),
        ("timestamp(6) null", [datetime(2024, 3, 31, 1, 30, 0, 1, UTC)]),
    ],
)
def test_what_fits_arrives_in_a_table_that_is_there(
    database: Database, native: str, values: list[Any]
) -> None:
    database.execute(f"create table t (v {native})")
    with database.opened() as endpoint:
        kind = endpoint.describe(database.relation()).columns[0].arrow_type
    rows = pa.table({"v": pa.array([*values, None], kind)})
    database.put(rows, "t", Insert(list(rows.schema), {"v": native}))
    assert sorted(database.values(), key=str) == sorted([*values, None], key=str)


@pytest.mark.parametrize(
    "native",
    [
        "varchar(20) character set utf8mb4 collate utf8mb4_general_ci",
        "varchar(20) character set latin1 collate latin1_swedish_ci",
        "varchar(20) character set utf8mb4 collate utf8mb4_bin",
        "longtext character set utf8mb4 collate utf8mb4_nopad_bin",
    ],
)
def test_keys_are_compared_exactly_whatever_the_tables_collation(database: Database, native: str) -> None:
    database.execute(
        f"create table t (k {native}, v int)",
        "insert into t values ('a', 1), ('A', 2), ('a ', 3), ('ä', 4), (null, 5)",
    )
    rows = pa.table({"k": ["a", "ä", None, "new"], "v": pa.array([10, 40, 50, 60], pa.int32())})
    key = Key([rows.schema.field("k")], frozenset({"k"}))
    database.put(rows, "t", Update(key, [rows.schema.field("v")]), Insert(list(rows.schema), unless=key))
    expected = [("A", 2), ("a", 10), ("a ", 3), ("new", 60), ("ä", 40), (None, 50)]
    assert sorted(database.fetch("select k, v from t"), key=str) == sorted(expected, key=str)
    database.put(rows.slice(0, 1), "t", DeleteMissing(key, database.relation("t__mainstem_staging")))
    assert database.fetch("select k, v from t") == [("a", 10)]


def test_a_merge_finds_its_rows_by_an_index_of_either_table(database: Database) -> None:
    database.execute(
        "create table t (k longtext, v int)", "insert into t select concat('key', seq), 0 from seq_1_to_20000"
    )
    rows = pa.table(
        {"k": [f"key{index}" for index in range(10_000, 30_000)], "v": pa.array([1] * 20_000, pa.int32())}
    )
    key = Key([rows.schema.field("k")])
    database.put(rows, "t", Update(key, [rows.schema.field("v")]), Insert(list(rows.schema), unless=key))
    assert database.fetch("select v, count(*) from t group by v order by v") == [(0, 9_999), (1, 20_000)]


def test_the_last_of_many_rows_with_one_key_is_taken(database: Database) -> None:
    rows = pa.table(
        {
            "k": pa.array([index % 500 for index in range(50_000)], pa.int64()),
            "v": pa.array(range(50_000), pa.int64()),
        }
    )
    database.put(rows, "t", Deduplicate(Key([rows.schema.field("k")])), Swap())
    found = database.read()
    assert found.column_names == ["k", "v"]
    assert found.sort_by("v").column("v").to_pylist() == list(range(49_500, 50_000))


def test_a_published_table_is_no_staging_table_any_more(database: Database) -> None:
    rows = pa.table({"v": ["value"]})
    with database.opened() as endpoint, endpoint.stage(database.relation(), rows.schema) as staging:
        comment = (
            "select table_name, table_comment from information_schema.tables where table_schema = database()"
        )
        assert database.fetch(comment) == [("t__mainstem_staging", STAGING_COMMENT)]
        endpoint.publish(staging, database.relation(), [Swap()])
        assert database.fetch(comment) == [("t", "")]
    database.put(rows)
    assert database.fetch(comment) == [("t", "")]


def test_what_a_killed_publish_left_is_swept(database: Database) -> None:
    rows = pa.table({"v": ["value"]})
    database.put(rows)
    left = target_module._beside(database.relation(), "replaced").name
    database.execute(f"create table `{left}` (a int)", "create table t__mainstem_replaced (mine int)")
    database.put(rows)
    assert database.tables() == ["t", "t__mainstem_replaced"]


def test_a_table_that_others_refer_to_is_not_replaced(database: Database) -> None:
    database.execute(
        "create table t (id bigint primary key)",
        "insert into t values (1)",
        "create table child (id bigint, foreign key (id) references t (id))",
        "insert into child values (1)",
    )
    with pytest.raises(EndpointError, match="refer to it"):
        database.put(pa.table({"id": [1, 2]}))
    assert database.fetch("select id from t") == [(1,)]
    assert database.tables() == ["child", "t"]
    # The key refers to the table that is still there.
    with database.opened() as endpoint, pytest.raises(EndpointError, match="foreign key"):
        endpoint.run("insert into child values (2)")
    database.put(pa.table({"id": [2]}), "t", Insert([pa.field("id", pa.int64())]))
    database.execute("insert into child values (2)")


def test_a_table_without_transactions_is_replaced_but_not_changed(database: Database) -> None:
    rows = pa.table({"id": [1]})
    for engine in ("MyISAM", "Aria transactional=0"):
        database.execute(f"create or replace table t (id bigint) engine={engine}")
        with pytest.raises(EndpointError, match="no transactions"):
            database.put(rows, "t", Insert(list(rows.schema)))
    assert database.fetch("select * from t") == []
    database.put(rows)
    assert database.fetch("select * from t") == [(1,)]


def test_a_widened_column_keeps_what_else_it_was(database: Database) -> None:
    database.execute(
        "create table t (id int not null default 5 comment 'it''s COLLATE',"
        " name varchar(3) character set latin1 not null default 'x' comment 'n', j json)",
        "insert into t values (1, 'abc', '{}')",
    )
    steps = [
        ChangeType(pa.field("id", pa.int64())),
        ChangeType(pa.field("name", pa.string(), metadata={"length": "9"})),
        ChangeType(pa.field("j", pa.string())),
        AddColumn(pa.field("more", pa.string())),
    ]
    rows = pa.table({"name": ["日本日本"], "j": ["no json"], "more": ["日"]})
    database.put(rows, "t", *steps, Insert(list(rows.schema)))
    with database.opened() as endpoint:
        found = [
            (column.name, column.native_type, column.nullable, column.comment)
            for column in endpoint.describe(database.relation()).columns
        ]
    assert found == [
        ("id", "bigint(20)", False, "it's COLLATE"),
        ("name", "varchar(9)", False, "n"),
        ("j", "longtext", True, None),
        ("more", "longtext", True, None),
    ]
    assert database.fetch("select * from t order by id") == [
        (1, "abc", "{}", None),
        (5, "日本日本", "no json", "日"),
    ]


def test_varchars_that_fit_in_no_row_become_texts(database: Database) -> None:
    fields = [pa.field(f"c{index}", pa.string(), metadata={"length": "4000"}) for index in range(5)]
    database.put(pa.table([pa.array(["value"])] * 5, schema=pa.schema(fields)))
    with database.opened() as endpoint:
        kinds = {column.native_type for column in endpoint.describe(database.relation()).columns}
    assert kinds == {"mediumtext"}
    database.put(pa.table([pa.array(["value"])] * 2, schema=pa.schema(fields[:2])))
    with database.opened() as endpoint:
        kinds = {column.native_type for column in endpoint.describe(database.relation()).columns}
    assert kinds == {"varchar(4000)"}


@pytest.mark.parametrize("kind", ["primary", "unique", "index"])
def test_a_key_may_have_texts_and_bytes(database: Database, kind: str) -> None:
    rows = pa.table({"a": ["x", "X", "x "], "b": [b"\0", b"\1", b"\2"], "c": [1, 2, 3]})
    key = TableKey(kind, ["a", "b", "c"])
    for _ in range(2):
        database.put(rows, "t", Swap([key]))
    assert len(database.values(name="a")) == 3
    names = {row[2] for row in database.fetch("show index from t")}
    assert names == {"PRIMARY" if kind == "primary" else f"t_a_b_c_{'key' if kind == 'unique' else 'idx'}"}


def test_a_key_that_the_rows_break_leaves_the_table_as_it_was(database: Database) -> None:
    database.put(pa.table({"a": ["as it was"]}))
    with pytest.raises(EndpointError, match=r"(?i)duplicate"):
        database.put(pa.table({"a": ["x", "x"]}), "t", Swap([TableKey("unique", ["a"])]))
    assert database.values(name="a") == ["as it was"]
    assert database.tables() == ["t"]


def test_a_definition_of_the_users_own_is_filled_before_it_is_seen(database: Database) -> None:
    rows = pa.table({"id": [1, 2]})
    database.put(pa.table({"id": [9]}))
    name = f"`{database.name}`.t"
    ddl = f"create table if not exists {name} (id int primary key, extra int default 7) comment 'mine'"
    database.put(rows, "t", Swap(definition=ddl, columns=["id"]))
    assert database.fetch("select * from t order by id") == [(1, 7), (2, 7)]
    assert database.tables() == ["t"]
    with database.opened() as endpoint:
        assert endpoint.describe(database.relation()).comment == "mine"
    with pytest.raises(EndpointError, match=r"(?i)duplicate"):
        database.put(pa.table({"id": [3, 3]}), "t", Swap(definition=ddl, columns=["id"]))
    assert database.fetch("select count(*) from t") == [(2,)]
    assert database.tables() == ["t"]


def test_two_writers_of_one_table_do_not_meet(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_module, "LOCK_SECONDS", 0)
    with ExitStack() as stack:
        one, other = (stack.enter_context(database.opened()) for _ in range(2))
        with one.locked(database.relation()):
            with (
                pytest.raises(TargetBusyError, match="another run, connection"),
                other.locked(Relation(database.name, "T")),
            ):
                pass
            with other.locked(database.relation("another")):
                pass
        with other.locked(database.relation()):
            pass


def test_a_table_that_is_in_use_is_not_waited_for_forever(database: Database) -> None:
    database.put(pa.table({"id": [1]}))
    with database.opened() as endpoint, database.server._connected(database.name) as reader:
        endpoint.run("set lock_wait_timeout = 0")
        with reader.cursor() as cursor:
            cursor.execute("start transaction")
            cursor.execute("select * from t")
            rows = pa.table({"id": [2]})
            with endpoint.stage(database.relation(), rows.schema) as staging:
                staging.write(rows.to_batches()[0])
                staging.complete()
                with pytest.raises(TargetBusyError):
                    endpoint.publish(staging, database.relation(), [Swap()])
            cursor.execute("select * from t")
            assert cursor.fetchall() == ((1,),)
    assert database.tables() == ["t"]


def test_a_user_of_one_database_can_write_there(database: Database) -> None:
    database.server.execute(
        f"create user '{database.name}'@'%' identified by 'secret'",
        f"grant select, insert, update, delete, create, drop, alter, index on `{database.name}`.*"
        f" to '{database.name}'@'%'",
    )
    rows = pa.table({"id": [1], "name": ["x"]})
    key = Key([rows.schema.field("id")])
    with database.opened(user=database.name, password="secret") as endpoint:
        for steps in ([Swap()], [Swap()], [Delete(key), Insert(list(rows.schema))]):
            with endpoint.stage(database.relation(), rows.schema) as staging:
                staging.write(rows.to_batches()[0])
                staging.complete()
                endpoint.publish(staging, database.relation(), steps)
        with (
            pytest.raises(EndpointError, match="Grant"),
            endpoint.stage(Relation("elsewhere", "t"), rows.schema),
        ):
            pass
    database.server.execute(f"drop user '{database.name}'@'%'")
    assert database.fetch("select * from t") == [(1, "x")]


def test_a_replication_goes_from_one_database_to_another(database: Database) -> None:
    database.execute(
        "create table shapes (id int primary key, place point, wide decimal(65,30), flags bit(9), said json)",
        f"insert into shapes values (1, point(1, 2), {LONG}, b'100000001', '[1]')",
    )
    url = database.server.url.replace("test_db", database.name)
    config = {
        "source": "MY",
        "target": "MY",
        "streams": {"shapes": {"object": "copy", "mode": "incremental", "primary_key": "id"}},
    }
    for _ in range(2):
        replicate(config, {"MY": url})
    assert database.read("copy").equals(database.read("shapes"))
    natives = {}
    with database.opened() as endpoint:
        for table in ("shapes", "copy"):
            natives[table] = [
                column.arrow_type for column in endpoint.describe(database.relation(table)).columns
            ]
    assert natives["copy"] == natives["shapes"]


def test_a_server_that_was_killed_comes_back_with_its_data(tmp_path: Path) -> None:
    if not EmbeddedMariaDB.available():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    with EmbeddedMariaDB(tmp_path / "data", password="it's \\ secret") as server:
        server.execute("create table t (i int)", "insert into t values (1)")
        endpoint = MySQL(connection_of("MY", server.url))
        server.kill()
        with pytest.raises(ConnectError, match="broke"):
            endpoint.rows("select 1")
        endpoint.cancel()
        endpoint.close()
        with pytest.raises(ConnectError, match="Is the server running"):
            MySQL(connection_of("MY", server.url))
        server.start()
        assert server.fetch("select * from t") == [(1,)]
