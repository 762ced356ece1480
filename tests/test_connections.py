"""Names to connections, and secrets that stay secret."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from mainstem.connections import Connection, ConnectionBook, Secret, connection_from_url
from mainstem.errors import ConnectionConfigError

CANARY = "c4n4ry-hunter2"


def test_a_server_url_has_all_its_parts() -> None:
    connection = connection_from_url(
        "PG", f"postgresql://me%40x:{CANARY}%2F@db.host:6543/shop?sslmode=disable"
    )
    assert connection.type == "postgres"
    expected = {
        "user": "me@x",
        "password": f"{CANARY}/",
        "host": "db.host",
        "port": "6543",
        "database": "shop",
        "sslmode": "disable",
    }
    assert {key: connection.text(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("duckdb:///var/tmp/duckdb.db", "/var/tmp/duckdb.db"),
        ("duckdb://relative/shop.duckdb?schema=main", "relative/shop.duckdb"),
        ("duckdb://:memory:", ":memory:"),
    ],
)
def test_a_duckdb_url_is_a_path(url: str, path: str) -> None:
    assert connection_from_url("D", url).required("instance") == path


def test_names_are_case_insensitive_and_what_is_handed_over_wins_over_the_environment() -> None:
    book = ConnectionBook({"My_Duck": "duckdb://given.db"}, {"MY_DUCK": "duckdb://environment.db"})
    assert book.find("MY_DUCK").required("instance") == "given.db"


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://me:secret@db/shop",
        json.dumps({"type": "postgres", "url": "postgresql://me:secret@db/shop"}),
        json.dumps(
            {"type": "postgres", "host": "db", "user": "me", "password": "secret", "database": "shop"}
        ),
    ],
)
def test_a_name_is_found_in_the_environment_as_url_or_json(value: str) -> None:
    connection = ConnectionBook({}, {"MY_PG": value}).find("my_pg")
    assert (connection.type, connection.text("host"), connection.text("password")) == (
        "postgres",
        "db",
        "secret",
    )


def test_a_url_may_stand_in_a_names_place() -> None:
    assert ConnectionBook({}, {}).find("duckdb://a.db").type == "duckdb"


def test_an_unknown_name_tells_every_place_that_was_looked_at() -> None:
    with pytest.raises(ConnectionConfigError) as caught:
        ConnectionBook({"MY_POSTGRES": "postgresql://db/x"}, {}).find("MY_POSTGRE")
    message = str(caught.value)
    assert "the connections handed over (MY_POSTGRES)" in message
    assert "an environment variable MY_POSTGRE" in message
    assert "Did you mean MY_POSTGRES?" in message


@pytest.mark.parametrize(
    "given",
    [
        f"{CANARY} is no url",
        f"postgresql://me:{CANARY}@db:port/x",
        {"password": CANARY},
        {"type": "postgres", "url": f"mysql://me:{CANARY}@db/x"},
    ],
)
def test_a_wrong_connection_is_refused_without_showing_its_secret(given: Any) -> None:
    with pytest.raises(ConnectionConfigError) as caught:
        ConnectionBook({"PG": given}, {})
    assert CANARY not in str(caught.value)


def test_malformed_json_in_the_environment_is_refused_without_showing_it() -> None:
    with pytest.raises(ConnectionConfigError) as caught:
        ConnectionBook({}, {"PG": f'{{"password": "{CANARY}", }}'}).find("PG")
    assert caught.value.__cause__ is None
    assert CANARY not in repr(caught.value)


def test_a_secret_shows_itself_only_when_asked() -> None:
    connection = Connection.of("PG", "postgres", {"password": CANARY, "private_key": CANARY, "host": "db"})
    assert CANARY not in f"{connection} {connection!r} {connection.properties}"
    assert connection.text("password") == CANARY
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))
