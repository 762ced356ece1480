"""The engine's promises, from a real PostgreSQL to a real DuckDB."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem import ReplicationReport, replicate
from mainstem.connections import ConnectionLike
from mainstem.engine import run
from mainstem.errors import (
    ConnectError,
    ConnectionConfigError,
    EndpointError,
    LossyTypeError,
    MainstemError,
    RelationNotFoundError,
    ReplicationError,
    ReplicationFailedError,
)
from mainstem.events import BatchStaged, ReplicationFinished, StreamFailed, StreamPublished, StreamSkipped
from mainstem.settings import Settings
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Replicating:
    """A source schema and a target file, ready to be replicated."""

    def __init__(self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> None:
        self.postgres = postgres
        self.schema = schema
        self.warehouse = warehouse

    @property
    def connections(self) -> Mapping[str, str]:
        return {"PG": self.postgres.url, "DUCK": self.warehouse.url}

    def config(self, *tables: str, object_: str = "{stream_table}") -> dict[str, Any]:
        return {
            "source": "PG",
            "target": "DUCK",
            "defaults": {"mode": "full-refresh", "object": object_},
            "streams": {f"{self.schema}.{table}": None for table in tables},
        }

    def create(self, table: str, columns: str, *rows: str) -> None:
        name = f"{self.schema}.{quoted(table)}"
        self.postgres.execute(f"create table {name} ({columns})")
        for row in rows:
            self.postgres.execute(f"insert into {name} values {row}")

    def run(
        self, *tables: str, allow_empty: bool = False, object_: str = "{stream_table}"
    ) -> ReplicationReport:
        settings = Settings(allow_empty=allow_empty)
        return replicate(self.config(*tables, object_=object_), self.connections, settings=settings)

    def fails(self, *tables: str) -> MainstemError:
        with pytest.raises(ReplicationFailedError) as caught:
            self.run(*tables)
        return caught.value.failures[0].cause


@pytest.fixture
def source(postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> Replicating:
    return Replicating(postgres, schema, warehouse)


VALUES: list[tuple[str, str, str, Any]] = [
    ("smallint", "'-32768'", "SMALLINT", -32768),
    ("integer", "2147483647", "INTEGER", 2147483647),
    ("bigint", "'-9223372036854775808'", "BIGINT", -9223372036854775808),
    ("numeric(12,2)", "1234567890.12", "DECIMAL(12,2)", Decimal("1234567890.12")),
    ("numeric(18,18)", "0.123456789012345678", "DECIMAL(18,18)", Decimal("0.123456789012345678")),
    ("numeric(18,0)", "-999999999999999999", "DECIMAL(18,0)", Decimal("-999999999999999999")),
    ("numeric(19,1)", "999999999999999999.9", "DECIMAL(19,1)", Decimal("999999999999999999.9")),
    (
        "numeric(38,18)",
        "-12345678901234567890.123456789012345678",
        "DECIMAL(38,18)",
        Decimal("-12345678901234567890.123456789012345678"),
    ),
    ("numeric", "0.1000000000000000000000000000000000000000001", "VARCHAR", f"0.1{'0' * 41}1"),
    ("real", "1.5", "FLOAT", 1.5),
    ("double precision", "0.1", "DOUBLE", 0.1),
    ("boolean", "true", "BOOLEAN", True),
    ("text", "'Zoë, \"quoted\"\n🙂'", "VARCHAR", 'Zoë, "quoted"\n🙂'),
    ("text", "''", "VARCHAR", ""),
    ("varchar(10)", "'abc'", "VARCHAR", "abc"),
    ("char(5)", "'abc'", "VARCHAR", "abc  "),
    ("date", "'0044-03-15'", "DATE", dt.date(44, 3, 15)),
    ("time", "'23:59:59.999999'", "TIME", dt.time(23, 59, 59, 999999)),
    ("timestamp", "'2024-02-29 12:00:00.000001'", "TIMESTAMP", dt.datetime(2024, 2, 29, 12, 0, 0, 1)),  # noqa: DTZ001
    (
        "timestamptz",
        "'2024-02-29 12:00:00.000001+02'",
        "TIMESTAMP WITH TIME ZONE",
        dt.datetime(2024, 2, 29, 10, 0, 0, 1, tzinfo=dt.timezone.utc),
    ),
    ("interval", "'3 days 4 seconds'", "INTERVAL", dt.timedelta(days=3, seconds=4)),
    ("bytea", r"'\x00ff'", "BLOB", b"\x00\xff"),
    (
        "uuid",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
        "UUID",
        uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ),
    ("json", """'{"a": [1, null]}'""", "JSON", '{"a": [1, null]}'),
    ("jsonb", """'{"a": [1, null]}'""", "JSON", '{"a": [1, null]}'),
    ("integer[]", "'{1,NULL,3}'", "INTEGER[]", [1, None, 3]),
    ("integer[]", "'{}'", "INTEGER[]", []),
    ("text[]", """'{"a,b","c\\"d",NULL,""}'""", "VARCHAR[]", ["a,b", 'c"d', None, ""]),
    ("numeric(8,3)[]", "'{1.5,NULL}'", "DECIMAL(8,3)[]", [Decimal("1.500"), None]),
    ("inet", "'10.0.0.1/24'", "VARCHAR", "10.0.0.1/24"),
    ("bit(3)", "B'101'", "VARCHAR", "101"),
    ("time with time zone", "'10:00:00+02'", "VARCHAR", "10:00:00+02"),
]


@pytest.mark.parametrize(("native", "literal", "kind", "value"), VALUES)
def test_a_value_arrives_as_it_left(
    source: Replicating, native: str, literal: str, kind: str, value: Any
) -> None:
    source.create("t", f"id int, v {native}", f"(1, {literal}), (2, null)")
    report = source.run("t").streams[0]
    assert source.warehouse.query("select v from t order by id") == [(value,), (None,)]
    assert [(column.name, column.type) for column in report.columns] == [("id", "INTEGER"), ("v", kind)]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "-0"])
def test_floats_keep_what_is_no_number(source: Replicating, value: str) -> None:
    source.create("t", "v float8", f"('{value}')")
    source.run("t")
    expected = source.postgres.fetch(f"select v::text from {source.schema}.t")[0][0].lower()
    arrived = source.warehouse.query("select v::varchar from t")[0][0]
    assert arrived.replace("inf", "infinity").removesuffix(".0") == expected


def test_an_enum_and_a_domain_arrive_with_their_values(source: Replicating) -> None:
    schema = source.schema
    source.postgres.execute(f"create type {schema}.mood as enum ('sad', 'ok')")
    source.postgres.execute(f"create domain {schema}.price as numeric(10,2) check (value >= 0)")
    source.create("t", f"mood {schema}.mood, price {schema}.price", "('ok', 1.10)")
    report = source.run("t").streams[0]
    assert source.warehouse.query("select mood, price from t") == [("ok", Decimal("1.10"))]
    assert [column.type for column in report.columns] == ["VARCHAR", "DECIMAL(10,2)"]


def test_a_fallback_to_text_is_told_in_the_report(source: Replicating) -> None:
    source.create("t", "price numeric, address inet", "(1.5, '10.0.0.1')")
    notes = source.run("t").streams[0].notes
    assert notes == [f"Column {name} is stored as VARCHAR" for name in ("price: numeric", "address: inet")]


@pytest.mark.parametrize(
    ("native", "literal", "said"),
    [
        ("timestamp", "'infinity'", "Column v holds an infinite date or time"),
        ("timestamptz", "'-infinity'", "Column v holds an infinite date or time"),
        ("date", "'infinity'", "Column v holds an infinite date or time"),
        ("date[]", "'{-infinity}'", "Column v holds an infinite date or time"),
        ("integer[]", "'{{1,2},{3,4}}'", "Column v of .* holds arrays of more than one dimension"),
        ("numeric(10,2)", "'NaN'", r"holds NaN, which no decimal can carry: v\."),
        ("numeric(30,2)", "'NaN'", r"Column v \(numeric\(30,2\)\) holds a value"),
    ],
)
def test_a_value_that_cannot_arrive_is_refused_by_name_and_the_target_stays(
    source: Replicating, native: str, literal: str, said: str
) -> None:
    source.create("t", f"v {native}", "(null)")
    source.run("t")
    source.postgres.execute(f"insert into {source.schema}.t values ({literal})")
    cause = source.fails("t")
    assert isinstance(cause, LossyTypeError)
    with pytest.raises(LossyTypeError, match=said):
        raise cause
    assert source.warehouse.query("select * from t") == [(None,)]
    assert source.warehouse.tables() == ["main.t"]


def test_a_full_refresh_replaces_the_rows_and_the_columns(source: Replicating) -> None:
    source.create("t", "a int, b text", "(1, 'x')")
    source.run("t")
    source.postgres.execute(f"drop table {source.schema}.t")
    source.create("t", "c date", "('2024-01-01')", "('2024-01-02')")
    report = source.run("t").streams[0]
    assert source.warehouse.query("select * from t order by 1") == [
        (dt.date(2024, 1, 1),),
        (dt.date(2024, 1, 2),),
    ]
    assert (report.rows, report.row_count) == (2, 2)


def test_running_again_gives_the_same_table(source: Replicating) -> None:
    source.create("t", "id int", "(1), (2)")
    source.run("t")
    source.run("t")
    assert source.warehouse.query("select id from t order by id") == [(1,), (2,)]
    assert source.warehouse.tables() == ["main.t"]


def test_an_empty_source_leaves_the_target_as_it_was_and_says_so(source: Replicating) -> None:
    source.create("t", "id int", "(1)")
    source.run("t")
    source.postgres.execute(f"delete from {source.schema}.t")
    report = source.run("t").streams[0]
    assert source.warehouse.query("select id from t") == [(1,)]
    assert (report.rows, report.row_count) == (0, 1)
    assert any("SLING_ALLOW_EMPTY" in note for note in report.notes)


def test_an_empty_source_is_published_where_that_is_allowed(source: Replicating) -> None:
    source.create("t", "id int, price numeric(8,2)")
    report = source.run("t", allow_empty=True).streams[0]
    assert source.warehouse.query("select count(*) from t") == [(0,)]
    assert [column.type for column in report.columns] == ["INTEGER", "DECIMAL(8,2)"]


def test_many_batches_arrive_whole_and_are_told_as_they_are_staged(source: Replicating) -> None:
    source.postgres.execute(
        f"create table {source.schema}.t as select i as id, (i * 0.01)::numeric(12,2) as amount,"
        " repeat(md5(i::text), 20) as padding from generate_series(1, 60000) i"
    )
    events = list(run(source.config("t"), source.connections))
    staged = [event for event in events if isinstance(event, BatchStaged)]
    assert len(staged) > 1
    assert [event.rows for event in staged] == sorted({event.rows for event in staged})
    assert staged[-1].rows == 60000
    count, total, distinct = source.warehouse.query(
        "select count(*), sum(amount), count(distinct padding) from t"
    )[0]
    expected = source.postgres.fetch(f"select count(*), sum(amount)::text from {source.schema}.t")[0]
    assert (count, str(total), distinct) == (*expected, 60000)


def test_views_are_read_and_named_objects_are_written_into_their_schema(source: Replicating) -> None:
    source.create("t", "id int", "(1), (2)")
    source.postgres.execute(f"create view {source.schema}.v as select id * 10 as ten from {source.schema}.t")
    report = source.run("v", object_="landing.{stream_schema}_{stream_table}").streams[0]
    assert report.target == f"landing.{source.schema}_v"
    assert source.warehouse.query(f"select ten from landing.{source.schema}_v order by 1") == [(10,), (20,)]


def test_a_name_of_another_case_is_found_and_odd_names_keep_their_letters(source: Replicating) -> None:
    source.create('Odd "Name".x', 'id int, "LOUD" int, "Mixed Case" int, "select" int', "(1, 2, 3, 4)")
    source.run(quoted('Odd "Name".x'))
    assert source.warehouse.tables() == ["main.Odd__Name__x"]
    rows = source.warehouse.query(
        "select column_name from duckdb_columns() where not internal order by column_index"
    )
    assert rows == [("id",), ("loud",), ("Mixed Case",), ("select",)]
    source.create("plain", "id int", "(1)")
    source.run("PLAIN")
    assert "main.plain" in source.warehouse.tables()


def test_hostile_names_are_names_and_nothing_more(source: Replicating) -> None:
    evil = 'x"; drop table t; --'
    column = 'c"); drop table t; --'
    source.create("t", "id int", "(1)")
    source.create(evil, f"{quoted(column)} int", "(7)")
    source.run("t", quoted(evil))
    assert source.postgres.fetch(f"select count(*) from {source.schema}.t") == [(1,)]
    assert source.warehouse.query("select id from t") == [(1,)]
    assert source.warehouse.query("select * from x___drop_table_t____") == [(7,)]


def test_two_columns_that_become_one_are_refused(source: Replicating) -> None:
    source.create("t", 'a int, "A" int', "(1, 2)")
    cause = source.fails("t")
    assert isinstance(cause, ReplicationError)
    assert "The columns a and A both become a" in str(cause)


def test_a_missing_table_and_a_missing_schema_are_told_with_what_is_there(source: Replicating) -> None:
    source.create("customers", "id int")
    cause = source.fails("customer")
    assert isinstance(cause, RelationNotFoundError)
    assert str(cause) == (
        f"There is no table customer in schema {source.schema} of PG. Did you mean customers?"
    )
    config = {**source.config(), "streams": {"nowhere.t": None}}
    with pytest.raises(
        ReplicationFailedError, match=r"phase plan: There is no schema nowhere in PG\. There is: "
    ):
        replicate(config, source.connections)


def test_a_failed_stream_leaves_the_others_to_go_on(source: Replicating) -> None:
    source.create("a", "id int", "(1)")
    source.create("c", "id int", "(3)")
    events = list(run(source.config("a", "b", "c"), source.connections))
    published = [event.report.stream for event in events if isinstance(event, StreamPublished)]
    failed = [event.error for event in events if isinstance(event, StreamFailed)]
    assert published == [f"{source.schema}.a", f"{source.schema}.c"]
    assert [(error.stream, error.phase) for error in failed] == [(f"{source.schema}.b", "plan")]
    assert isinstance(events[-1], ReplicationFinished)
    with pytest.raises(ReplicationFailedError) as caught:
        source.run("a", "b", "c")
    assert str(caught.value).startswith("1 of 3 streams failed; 2 published.")
    assert list(caught.value.succeeded) == published


def test_a_refused_password_is_one_clear_message_without_the_password(source: Replicating) -> None:
    source.create("a", "id int")
    wrong = source.postgres.url.replace(source.postgres.password, "c4n4ry-hunter2")
    events = list(run(source.config("a", "b"), {**source.connections, "PG": wrong}))
    failures = [event.error for event in events if isinstance(event, StreamFailed)]
    assert [(error.phase, type(error.cause)) for error in failures] == [("connect", ConnectError)]
    assert "password authentication failed" in str(failures[0])
    assert "Check the user and the password." in str(failures[0])
    assert "c4n4ry-hunter2" not in str(failures[0]) + repr(failures[0].cause.__cause__)
    assert [event.stream for event in events if isinstance(event, StreamSkipped)] == [f"{source.schema}.b"]
    with pytest.raises(ReplicationFailedError, match=r"^1 of 2 streams failed; 0 published; 1 skipped\."):
        replicate(source.config("a", "b"), {**source.connections, "PG": wrong})


def test_a_server_that_is_not_there_is_a_clear_message(source: Replicating) -> None:
    with pytest.raises(ReplicationFailedError, match="Is the server running, and is the port right"):
        replicate(source.config("a"), {**source.connections, "PG": "postgresql://me@127.0.0.1:1/x"})


def test_an_unknown_type_of_connection_is_refused_before_anything_runs(source: Replicating) -> None:
    odd: dict[str, ConnectionLike] = {**source.connections, "PG": {"type": "postgers"}}
    with pytest.raises(
        ReplicationFailedError, match=r"has the type 'postgers', which.*Did you mean 'postgres'"
    ):
        replicate(source.config("a"), odd)
    with pytest.raises(ConnectionConfigError, match="There is no connection named PG"):
        replicate(source.config("a"), {"DUCK": source.warehouse.url})


def test_a_target_folder_that_is_missing_is_a_clear_message(source: Replicating, tmp_path: Path) -> None:
    source.create("a", "id int", "(1)")
    missing = f"duckdb://{tmp_path}/nowhere/x.duckdb"
    with pytest.raises(ReplicationFailedError, match=r"the folder of the DuckDB file .* does not exist"):
        replicate(source.config("a"), {**source.connections, "DUCK": missing})


def test_a_view_is_not_overwritten(source: Replicating) -> None:
    source.create("t", "id int", "(1)")
    source.warehouse.query("create view t as select 42 as answer")
    assert "is a view" in str(source.fails("t"))
    assert source.warehouse.query("select * from t") == [(42,)]


def test_what_a_killed_run_left_is_swept(source: Replicating) -> None:
    """A run that dies between staging and publishing leaves a staging table; the next run has it gone."""
    source.create("t", "id int", "(1), (2)")
    source.run("t")
    source.warehouse.query("create table t__mainstem_staging (id int)")
    source.warehouse.query(
        "comment on table t__mainstem_staging is"
        " 'mainstem staging table: rows that were never published; safe to drop'"
    )
    source.run("t")
    assert source.warehouse.tables() == ["main.t"]


def test_a_users_table_is_never_mistaken_for_a_leftover(source: Replicating) -> None:
    source.create("t", "id int", "(1)")
    source.warehouse.query("create table t__mainstem_staging as select 'precious' as v")
    cause = source.fails("t")
    assert isinstance(cause, EndpointError)
    assert "a table that is not ours" in str(cause)
    assert source.warehouse.query("select v from t__mainstem_staging") == [("precious",)]


def test_breaking_off_leaves_the_target_as_it_was_and_nothing_behind(source: Replicating) -> None:
    source.create("t", "id int", "(1)")
    source.run("t")
    source.postgres.execute(f"insert into {source.schema}.t values (2)")
    events = run(source.config("t"), source.connections)
    staged = next(event for event in events if isinstance(event, BatchStaged))
    events.close()
    assert staged.rows == 2
    assert source.warehouse.query("select id from t") == [(1,)]
    assert source.warehouse.tables() == ["main.t"]


def test_a_reader_sees_the_table_before_or_after_and_never_between(source: Replicating) -> None:
    source.create("t", "id int", "(1)")
    source.run("t")
    source.postgres.execute(f"insert into {source.schema}.t select generate_series(2, 1000)")
    seen = set()
    # Another connection of this process: DuckDB lets no other process read while one writes.
    with duckdb.connect(str(source.warehouse.path)) as reader:
        for _ in run(source.config("t"), source.connections):
            seen.add(reader.execute("select count(*) from t").fetchall()[0][0])
        seen.add(reader.execute("select count(*) from t").fetchall()[0][0])
    assert seen == {1, 1000}


def test_two_streams_into_one_table_are_refused_and_the_first_keeps_its_rows(source: Replicating) -> None:
    source.create("a", "id int", "(1)")
    source.create("b", "id int", "(2)")
    with pytest.raises(ReplicationFailedError, match=r"a and .*b would both be written to main\.same"):
        source.run("a", "b", object_="same")
    assert source.warehouse.query("select id from same") == [(1,)]


def test_tables_whose_names_become_one_are_refused_too(source: Replicating) -> None:
    source.create("表", "id int", "(1)")
    source.create("図", "id int", "(2)")
    with pytest.raises(ReplicationFailedError, match=r"1 of 2 streams failed; 1 published"):
        source.run(quoted("表"), quoted("図"))
    assert source.warehouse.query("select id from main._") == [(1,)]


def test_a_schema_in_another_case_is_the_same_schema(source: Replicating) -> None:
    source.create("t", "id int", "(1)")
    report = source.run("t", object_="MAIN.Upper").streams[0]
    assert [column.name for column in report.columns] == ["id"]
    assert report.row_count == 1


def test_a_stream_that_fails_leaves_no_schema_behind(source: Replicating) -> None:
    source.create("t", "v timestamp", "('infinity')")
    with pytest.raises(ReplicationFailedError):
        source.run("t", object_="fresh.t")
    assert source.warehouse.query("select count(*) from duckdb_schemas() where schema_name = 'fresh'") == [
        (0,)
    ]


def test_a_server_that_dies_in_the_middle_fails_the_stream_and_skips_the_others(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    with EmbeddedPostgres(tmp_path / "mortal") as server:
        server.execute(
            "create table big as select i, repeat(md5(i::text), 30) as v from generate_series(1, 60000) i",
            "create table small as select 1 as id",
        )
        config = {
            "source": "PG",
            "target": "DUCK",
            "defaults": {"object": "{stream_table}"},
            "streams": {"public.big": None, "public.small": None},
        }
        seen: list[object] = []
        for event in run(config, {"PG": server.url, "DUCK": warehouse.url}, settings=Settings(retries=0)):
            if isinstance(event, BatchStaged) and not any(isinstance(other, BatchStaged) for other in seen):
                server.kill()
            seen.append(event)
    (failed,) = [event.error for event in seen if isinstance(event, StreamFailed)]
    assert (failed.stream, failed.phase, type(failed.cause)) == ("public.big", "read", ConnectError)
    assert "the connection to PostgreSQL broke" in str(failed)
    assert [event.stream for event in seen if isinstance(event, StreamSkipped)] == ["public.small"]
    assert isinstance(seen[-1], ReplicationFinished)
    assert warehouse.tables() == []


def test_a_password_may_have_any_character(tmp_path: Path, warehouse: Warehouse) -> None:
    odd = 'it\'s \\ @:/ a "pass" wörd'
    with EmbeddedPostgres(tmp_path / "odd", password=odd) as server:
        server.execute("create table t as select 1 as id")
        properties: dict[str, Any] = {
            "type": "postgres",
            "host": "localhost",
            "port": server.port,
            "user": server.user,
            "password": odd,
            "database": server.database,
        }
        config = {"source": "PG", "target": "DUCK", "streams": {"public.t": {"object": "t"}}}
        given: dict[str, ConnectionLike] = {"PG": properties, "DUCK": warehouse.url}
        assert replicate(config, given).rows == 1
        assert replicate(config, {"PG": server.url, "DUCK": warehouse.url}).rows == 1
