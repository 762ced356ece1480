"""What is Snowflake's own: ways in, names, types, statements, and what an error says."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from mainstem.connections import Connection
from mainstem.endpoints import Query, Swap
from mainstem.endpoints.registry import open_source, open_target
from mainstem.endpoints.snowflake import Snowflake
from mainstem.endpoints.snowflake.carriage import carriage_of
from mainstem.errors import (
    ConnectError,
    ConnectionConfigError,
    EndpointError,
    LossyTypeError,
    RelationNotFoundError,
)
from mainstem.schema import Column, Relation
from mainstem.testing.moving import Moving, order
from mainstem.testing.place import Place
from mainstem.testing.snowflake import EmbeddedSnowflake


def connection(server: EmbeddedSnowflake, **properties: Any) -> Connection:
    """A connection as the server's user has it, but for these properties; ``None`` leaves one out."""
    given = {**server.properties, **properties}
    kind = given.pop("type")
    return Connection.of(
        "MY_SNOWFLAKE", kind, {key: value for key, value in given.items() if value is not None}
    )


@pytest.fixture
def place(snowflake: EmbeddedSnowflake) -> Place:
    """A schema of the test's own."""
    return Place("snowflake", snowflake.properties, f"T{uuid4().hex[:12].upper()}")


@pytest.fixture
def opened(place: Place) -> Iterator[Snowflake]:
    """The account, with that schema made."""
    with place.opened() as endpoint:
        assert isinstance(endpoint, Snowflake)
        endpoint.run(f"CREATE SCHEMA IF NOT EXISTS {endpoint.quoted(place.schema)}")
        yield endpoint


# Ways in.


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A key pair: plain, with a passphrase, in an older form, and the public half."""
    folder = tmp_path_factory.mktemp("keys")
    found = {name: folder / f"{name}.p8" for name in ("plain", "locked", "old", "public")}

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(found["plain"]))
    openssl(
        "pkcs8",
        "-topk8",
        "-in",
        str(found["plain"]),
        "-passout",
        "pass:opensesame",
        "-out",
        str(found["locked"]),
    )
    openssl("rsa", "-in", str(found["plain"]), "-traditional", "-out", str(found["old"]))
    openssl("pkey", "-in", str(found["plain"]), "-pubout", "-out", str(found["public"]))
    return found


@pytest.fixture(scope="module")
def with_key(keys: dict[str, Path]) -> Iterator[EmbeddedSnowflake]:
    """An account whose user has a key pair."""
    if not EmbeddedSnowflake.available():
        pytest.skip("fakesnow is not installed: make fakesnow")
    with EmbeddedSnowflake(password="p@ss/w:rd?#", public_key=keys["public"].read_text()) as server:
        yield server


def lets_in(given: Connection) -> bool:
    with open_source(given) as source:
        return source.execute("select 1 as one").num_rows == 1


def test_a_password_may_hold_any_character(with_key: EmbeddedSnowflake) -> None:
    assert lets_in(connection(with_key))


@pytest.mark.parametrize(
    "way",
    [
        lambda keys: {"private_key": keys["plain"].read_text()},
        lambda keys: {"private_key": str(keys["plain"])},
        lambda keys: {"private_key_path": str(keys["plain"])},
        lambda keys: {"private_key": "".join(keys["plain"].read_text().splitlines()[1:-1])},
        lambda keys: {"private_key_path": str(keys["locked"]), "private_key_passphrase": "opensesame"},
        lambda _: {"authenticator": "oauth", "token": "test_token"},
        lambda _: {"authenticator": "programmatic_access_token", "token": "test_token"},
        lambda _: {"token": "test_token"},
    ],
    ids=["key text", "key as path", "path", "bare key", "passphrase", "oauth", "access token", "token alone"],
)
def test_ways_in_without_a_password(with_key: EmbeddedSnowflake, keys: dict[str, Path], way: Any) -> None:
    assert lets_in(connection(with_key, password=None, **way(keys)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"password": "wrong_secret"}, "`password`"),
        ({"user": "nobody"}, "`user`"),
        ({"authenticator": "oauth", "token": "wrong_secret"}, "`token`"),
    ],
    ids=["password", "user", "token"],
)
def test_a_refused_login_names_the_property_and_no_secret(
    snowflake: EmbeddedSnowflake, given: dict[str, str], said: str
) -> None:
    with pytest.raises(ConnectError, match=said) as error:
        open_source(connection(snowflake, **given))
    assert "MY_SNOWFLAKE" in str(error.value)
    assert "wrong_secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"account": None, "host": None}, "account"),
        ({"user": None}, "user"),
        ({"password": None}, "password"),
        ({"database": None}, "database"),
        ({"authenticator": "oauth"}, "token"),
        ({"authenticator": "snowflake_jwt"}, "private_key"),
        ({"authenticator": "magic"}, "snowflake_jwt"),
        ({"private_key_path": "/nowhere/key.p8"}, "private_key_path"),
        ({"login_timeout": "soon"}, "login_timeout"),
        ({"passcode": "123456"}, "username_password_mfa"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_or_wrong_is_named_before_anyone_is_asked(
    snowflake: EmbeddedSnowflake, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConnectionConfigError, match=named):
        open_source(connection(snowflake, **given))


@pytest.mark.parametrize(
    ("which", "given", "said"),
    [
        ("old", {}, "PKCS#8"),
        ("locked", {}, "private_key_passphrase"),
        ("locked", {"private_key_passphrase": "wrong_secret"}, "private_key_passphrase"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(
    snowflake: EmbeddedSnowflake, keys: dict[str, Path], which: str, given: dict[str, str], said: str
) -> None:
    with pytest.raises(ConnectionConfigError) as error:
        open_source(connection(snowflake, private_key_path=str(keys[which]), **given))
    assert said in str(error.value)
    assert "wrong_secret" not in str(error.value)


def test_another_key_is_refused(with_key: EmbeddedSnowflake, tmp_path: Path) -> None:
    other = tmp_path / "other.p8"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "RSA", "-out", str(other)], check=True, capture_output=True
    )
    with pytest.raises(ConnectError) as error:
        open_source(connection(with_key, password=None, private_key_path=str(other)))
    assert "PRIVATE KEY" not in str(error.value)


def test_no_server_is_a_connect_error_that_may_pass(snowflake: EmbeddedSnowflake) -> None:
    with pytest.raises(ConnectError, match="`host`") as error:
        open_source(connection(snowflake, port=1, login_timeout=1))
    assert error.value.transient


def test_a_session_without_a_warehouse_says_which_property_to_give(snowflake: EmbeddedSnowflake) -> None:
    with (
        open_source(connection(snowflake, warehouse=None)) as source,
        pytest.raises(EndpointError, match="`warehouse`"),
    ):
        source.execute("select 1")


# Names.


def test_a_plain_name_is_in_upper_case_and_a_quoted_one_as_it_stands(opened: Snowflake) -> None:
    assert opened.relation("sales.orders") == Relation("SALES", "ORDERS")
    assert opened.relation('db."My Schema"."a.b"') == Relation("My Schema", "a.b", "DB")
    assert opened.relation("orders") == Relation("PUBLIC", "ORDERS")


def test_a_table_is_found_whatever_the_case_of_its_name(place: Place) -> None:
    place.put("Mixed", pa.table({"id": [1]}))
    with place.opened() as endpoint:
        assert endpoint.describe(
            endpoint.relation(f"{place.schema.lower()}.mixed")
        ).relation == place.relation("Mixed")


def test_a_name_that_is_not_there_is_answered_with_those_that_are(place: Place) -> None:
    place.put("ORDERS", pa.table({"id": [1]}))
    with place.opened() as endpoint:
        with pytest.raises(RelationNotFoundError, match="Did you mean ORDERS"):
            endpoint.describe(place.relation("ODERS"))
        with pytest.raises(RelationNotFoundError, match="no schema NOWHERE"):
            endpoint.describe(Relation("NOWHERE", "ORDERS"))


# Values.


def test_a_moment_has_six_digits_or_is_refused_by_name(opened: Snowflake, place: Place) -> None:
    place.put("MOMENTS", pa.table({"at": pa.array([1_700_000_000_123_456], pa.timestamp("us"))}))
    (column,) = opened.describe(place.relation("MOMENTS")).columns
    exact = Query(columns=[column], relation=place.relation("MOMENTS"))
    with opened.read(exact) as batches:
        assert [batch.column(0).cast(pa.int64()).to_pylist() for batch in batches] == [
            [1_700_000_000_123_456]
        ]
    # The emulator keeps six digits: rows that do not pass the check are made by hand.
    column = Column("AT", "TIMESTAMP_NTZ(9)", pa.timestamp("us"))
    with pytest.raises(LossyTypeError, match="AT"):
        carriage_of(column).carried(pa.array([1]), pa.array([True]))


@pytest.mark.parametrize(
    ("kind", "native", "text", "expected"),
    [
        (pa.decimal64(10, 2), "NUMBER(10,2)", "1e3", "1000"),
        (
            pa.timestamp("us"),
            "TIMESTAMP_NTZ(9)",
            "2024-01-02T03:04:05.123456",
            "'2024-01-02 03:04:05.123456'::TIMESTAMP_NTZ",
        ),
        (pa.date32(), "DATE", "2024-01-02", "'2024-01-02'::DATE"),
        (pa.string(), "VARCHAR", "it's a \\", "'it''s a \\\\'"),
        (pa.binary(), "BINARY", "\\x00ff", "TO_BINARY('00ff', 'HEX')"),
        (pa.bool_(), "BOOLEAN", "true", "TRUE"),
        (pa.float64(), "FLOAT", "nan", "'NaN'::FLOAT"),
    ],
    ids=str,
)
def test_a_literal_compares_exactly(
    opened: Snowflake, kind: pa.DataType, native: str, text: str, expected: str
) -> None:
    rendered = opened.literal(text, Column("c", native, kind))
    assert rendered == expected
    assert opened.rows(f"SELECT {rendered} IS NULL")[0][0] is False


@pytest.mark.parametrize(
    ("kind", "native", "text"),
    [
        (pa.decimal64(10, 2), "NUMBER(10,2)", "1; drop"),
        (pa.date32(), "DATE", "soon"),
        (pa.bool_(), "BOOLEAN", "x"),
    ],
    ids=str,
)
def test_what_is_no_value_of_the_column_is_no_literal(
    opened: Snowflake, kind: pa.DataType, native: str, text: str
) -> None:
    with pytest.raises(EndpointError, match="MY_COLUMN"):
        opened.literal(text, Column("MY_COLUMN", native, kind))


def test_a_query_is_described_without_being_run(opened: Snowflake) -> None:
    described = opened.describe_query(
        "select 1.5::number(10,2) as a, 'x' as b, current_date as c -- a comment"
    )
    assert [(column.name, column.arrow_type) for column in described.columns] == [
        ("A", pa.decimal64(10, 2)),
        ("B", pa.string()),
        ("C", pa.date32()),
    ]


# Staging and publishing.


def test_a_year_that_snowflake_has_not_is_refused_by_the_columns_name(place: Place) -> None:
    with pytest.raises(LossyTypeError, match="day"):
        place.put("FAR", pa.table({"day": pa.array([3_000_000], pa.date32())}))
    assert place.tables() == []


def test_the_column_that_tells_staged_rows_apart_is_not_published(opened: Snowflake, place: Place) -> None:
    with opened.stage(place.relation("T"), pa.schema([pa.field("ID", pa.int64())])) as staging:
        staging.write(pa.record_batch({"ID": pa.array([1, 2])}))
        assert staging.complete() == 2
        assert [column.name for column in opened.describe(staging.place).columns] == ["ID", opened.row_id]
        opened.publish(staging, place.relation("T"), [Swap()])
    assert [column.name for column in opened.describe(place.relation("T")).columns] == ["ID"]


def test_rows_of_several_files_arrive_in_order(
    opened: Snowflake, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mainstem.endpoints.snowflake.loading._FILE_BYTES", 100)
    with opened.stage(place.relation("T"), pa.schema([pa.field("ID", pa.int64())])) as staging:
        for start in range(0, 300, 100):
            staging.write(pa.record_batch({"ID": pa.array(range(start, start + 100))}))
        assert staging.complete() == 300
        table, row = opened.qualified(staging.place), opened.row_id
        assert opened.rows(f"SELECT count(*) FROM {table} WHERE ID = {row}")[0][0] == 300


def test_a_table_of_the_users_definition_that_cannot_be_filled_leaves_the_old_one(place: Place) -> None:
    moving = Moving(place, place)
    moving.put(order(1), order(22))
    moving.run()
    before = place.tables()
    columns = "id number(1,0), name varchar, amount number(12,2), updated timestamp"
    ddl = f"create table {{object_full_name}} ({columns})"
    assert isinstance(moving.refused(target_options={"table_ddl": ddl}), LossyTypeError)
    assert moving.moved() == [(1, "first"), (22, "first")]
    assert place.tables() == before


def test_a_transaction_that_fails_is_taken_back(opened: Snowflake, place: Place) -> None:
    place.put("T", pa.table({"id": [1]}))
    table = opened.qualified(place.relation("T"))

    def change() -> None:
        with opened.transaction():
            opened.run(f"INSERT INTO {table} VALUES (2)")
            opened.run("SELECT nothing FROM nowhere")

    with pytest.raises(EndpointError, match="NOWHERE"):
        change()
    assert place.rows("T") == [(1,)]


def test_a_table_gets_keys_that_only_tell(opened: Snowflake, place: Place) -> None:
    place.put("T", pa.table({"id": [1]}))
    opened.run(f"ALTER TABLE {opened.qualified(place.relation('T'))} ADD PRIMARY KEY (ID)")
    assert opened.describe(place.relation("T")).primary_key == ["ID"]


def test_a_statement_is_broken_off_from_another_thread(opened: Snowflake) -> None:
    started = threading.Event()
    failures: list[EndpointError] = []

    def work() -> None:
        started.set()
        try:
            # Seconds, where nobody breaks it off.
            opened.execute(
                "select sum(hash(a.n * b.n))"
                " from (select seq4() as n from table(generator(rowcount => 30000))) as a,"
                " (select seq4() as n from table(generator(rowcount => 30000))) as b"
            )
        except EndpointError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    while thread.is_alive() and not failures:
        opened.cancel()
        thread.join(0.05)
    assert "broken off" in str(failures[0])


def test_a_closed_account_says_so(snowflake: EmbeddedSnowflake) -> None:
    endpoint = open_target(connection(snowflake))
    endpoint.close()
    endpoint.close()
    with pytest.raises(EndpointError, match="closed"):
        endpoint.execute("select 1")
