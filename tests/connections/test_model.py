"""A connection hides what is secret, however it is made."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest

from mainstem.connections import Connection, Secret
from mainstem.connections.secrecy import is_secret
from mainstem.errors import ConnectionConfigError

CANARY = "c4n4ry-hunter2"

SECRET_NAMES = (
    *("password", "passcode", "passphrase", "ssh_passphrase", "private_key", "ssh_private_key", "ssh_tunnel"),
    *("token", "motherduck_token", "session_token", "secret_access_key", "account_key", "key_body"),
    *(
        "cred_api_key",
        "conn_str",
        "catalog_conn_string",
        "connection_string",
        "url",
        "http_url",
        "sas_svc_url",
    ),
    *("client_secret", "private_key_passphrase", "s3_secret_access_key", "privatekey", "accesstoken", "pwd"),
)
OPEN_NAMES = (
    *("host", "port", "user", "database", "schema", "role", "warehouse", "account", "instance", "sslmode"),
    *("bucket", "region", "endpoint", "key_file", "access_key_id", "profile", "container", "project", "path"),
    *("max_conns", "read_only", "copy_method", "encrypt", "table_keys", "url_style", "location"),
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_property_is_secret_by_its_name(name: str) -> None:
    assert Connection("X", "any", {name.upper(): CANARY}).properties == {name: Secret(CANARY)}


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_other_properties_are_shown(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    "value",
    [
        f"https://me:{CANARY}@proxy",
        f"Server=h;Pwd={CANARY}",
        f"md:db?motherduck_token={CANARY}",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
        {"inner": CANARY},
        [CANARY],
        {"inner": Secret(CANARY)},
    ],
)
def test_a_value_that_holds_a_login_is_secret_under_any_name(value: Any) -> None:
    connection = Connection.of("X", "any", {"endpoint": value})
    assert CANARY not in repr(connection)
    assert CANARY in (connection.text("endpoint") or "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(5432, "5432"), (True, "true"), (False, "false"), ("a", "a"), (b"\xc3\xa9", "é"), (1.5, "1.5")],
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
    ],
)
def test_values_become_text(value: Any, text: str) -> None:
    assert Connection.of("X", "any", {"option": value}).text("option") == text


def test_none_means_not_given() -> None:
    assert Connection.of("X", "any", {"host": None}).properties == {}


def test_bytes_that_are_no_text_are_refused_and_not_shown() -> None:
    with pytest.raises(ConnectionConfigError, match="'private_key' is bytes that are no UTF-8") as caught:
        Connection.of("X", "any", {"private_key": b"\xff" + CANARY.encode()})
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("given", "known"), [("PostgreSQL", "postgres"), ("gs", "gcs"), ("local", "file")])
def test_a_system_has_one_type_whatever_it_is_called(given: str, known: str) -> None:
    assert Connection("X", given).type == known


def test_a_missing_property_is_told_with_the_names_of_those_given() -> None:
    with pytest.raises(
        ConnectionConfigError, match=r"X \(duckdb\) has no 'instance'.*Given: password, user\."
    ):
        Connection("X", "duckdb", {"user": "me", "password": CANARY}).required("instance")


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert hash(secret) == hash(Secret(CANARY))
    assert f"{secret}|{secret!r}|{secret:>5}|%s" % secret == "***|Secret('***')|  ***|***"
    assert copy.deepcopy([secret, copy.copy(secret)]) == [secret, secret]


def test_a_connection_as_a_dictionary_still_hides() -> None:
    connection = Connection("X", "any", {"password": CANARY})
    shown = dataclasses.asdict(connection)
    assert shown == {"name": "X", "type": "any", "properties": {"password": Secret(CANARY)}}
    assert CANARY not in json.dumps(shown, default=str)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="pass the connection's name instead"):
        pickle.dumps(Connection("X", "any", {"password": CANARY}), protocol)
