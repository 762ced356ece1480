"""Every URL form of spec §5, and what is told of one that cannot be read."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mainstem.connections import connection_from_url
from mainstem.errors import ConnectionConfigError

CANARY = "c4n4ry-hunter2"

# URL → type, properties
FORMS = [
    (
        "postgresql://me:pw@db:6543/shop?sslmode=disable&role=r&statement_timeout=5",
        "postgres",
        {
            **{"user": "me", "password": "pw", "host": "db", "port": "6543", "database": "shop"},
            **{"sslmode": "disable", "role": "r", "statement_timeout": "5"},
        },
    ),
    ("postgres://db/shop", "postgres", {"host": "db", "database": "shop"}),
    ("postgresql:///shop?host=/var/run", "postgres", {"host": "/var/run", "database": "shop"}),
    ("postgresql://[::1]:5432/shop", "postgres", {"host": "::1", "port": "5432", "database": "shop"}),
    ("redshift://db:5439/dev", "redshift", {"host": "db", "port": "5439", "database": "dev"}),
    ("mysql://me:pw@db/x", "mysql", {"user": "me", "password": "pw", "host": "db", "database": "x"}),
    ("mariadb://db/x", "mariadb", {"host": "db", "database": "x"}),
    ("starrocks://db/x", "starrocks", {"host": "db", "database": "x"}),
    ("sqlite://path/file.db", "sqlite", {"instance": "path/file.db"}),
    ("sqlite:///abs/file.db", "sqlite", {"instance": "/abs/file.db"}),
    ("sqlite:///C:/data/file.db", "sqlite", {"instance": "C:/data/file.db"}),
    ("duckdb://a/b.duckdb?schema=main", "duckdb", {"instance": "a/b.duckdb", "schema": "main"}),
    ("duckdb:///a/b%20c.duckdb", "duckdb", {"instance": "/a/b c.duckdb"}),
    ("duckdb://:memory:", "duckdb", {"instance": ":memory:"}),
    ("motherduck://db?motherduck_token=pw", "motherduck", {"database": "db", "motherduck_token": "pw"}),
    (
        "snowflake://me:pw@acct.snowflakecomputing.com:443/db?schema=s&warehouse=w&role=",
        "snowflake",
        {
            **{"user": "me", "password": "pw", "host": "acct.snowflakecomputing.com", "port": "443"},
            **{"database": "db", "schema": "s", "warehouse": "w"},
        },
    ),
    (
        "bigquery://my-Project/eu/set?credentialsFile=/k.json",
        "bigquery",
        {"project": "my-Project", "location": "eu", "dataset": "set", "key_file": "/k.json"},
    ),
    ("sqlserver://h:1433?database=db", "sqlserver", {"host": "h", "port": "1433", "database": "db"}),
    ("sqlserver://h/inst?database=db", "sqlserver", {"host": "h", "instance": "inst", "database": "db"}),
    ("azuresql://h?database=db", "azuresql", {"host": "h", "database": "db"}),
    ("azuredwh://h?database=db", "azuredwh", {"host": "h", "database": "db"}),
    ("fabric://h?database=db", "fabric", {"host": "h", "database": "db"}),
    (
        "clickhouse://h:9000/db?secure=false&skip_verify=false",
        "clickhouse",
        {"host": "h", "port": "9000", "database": "db", "secure": "false", "skip_verify": "false"},
    ),
    (
        "mongodb://me:pw@a:27017,b:27018,c/db?replicaSet=rs",
        "mongodb",
        {
            **{"user": "me", "password": "pw", "host": "a:27017,b:27018,c", "database": "db"},
            "replicaset": "rs",
        },
    ),
    ("mongodb://a:27017/db", "mongodb", {"host": "a", "port": "27017", "database": "db"}),
    ("mongodb+srv://a.net/db", "mongodb", {"host": "a.net", "database": "db", "srv": "true"}),
    ("trino://h:8080/cat", "trino", {"host": "h", "port": "8080", "database": "cat"}),
    ("iceberg://?catalog_type=rest", "iceberg", {"catalog_type": "rest"}),
    ("s3://My-Bucket/a/b/?region=eu", "s3", {"bucket": "My-Bucket", "path": "a/b/", "region": "eu"}),
    ("gs://bucket", "gcs", {"bucket": "bucket"}),
    (
        "https://acct.blob.core.windows.net/box/in/it",
        "azure",
        {"account": "acct", "container": "box", "path": "in/it"},
    ),
    (
        "abfss://box@acct.dfs.core.windows.net/in",
        "azure",
        {"account": "acct", "container": "box", "path": "in"},
    ),
    (
        "sftp://me:pw@h:22/in",
        "sftp",
        {"user": "me", "password": "pw", "host": "h", "port": "22", "path": "/in"},
    ),
    ("ftp://h", "ftp", {"host": "h"}),
    ("file:///data/in", "file", {"path": "/data/in"}),
    ("file://data", "file", {"path": "data"}),
    ("local://", "file", {}),
    ("https://host/a.csv?x=1", "http", {"url": "https://host/a.csv?x=1"}),
    ("http://host", "http", {"url": "http://host"}),
    (
        "newdb://me:pw@h:1/db",
        "newdb",
        {"user": "me", "password": "pw", "host": "h", "port": "1", "database": "db"},
    ),
]


@pytest.mark.parametrize(("url", "kind", "properties"), FORMS, ids=[url for url, *_ in FORMS])
def test_each_url_form_is_read_into_type_and_properties(
    url: str, kind: str, properties: dict[str, str]
) -> None:
    connection = connection_from_url("X", f" {url}\r\n")
    assert connection.type == kind
    assert {key: connection.text(key) for key in connection.properties} == properties


def test_a_signed_azure_url_is_kept_as_one_secret() -> None:
    url = f"https://acct.blob.core.windows.net/box?sv=2022&sig={CANARY}"
    connection = connection_from_url("X", url)
    assert connection.text("sas_svc_url") == url
    assert set(connection.properties) == {"account", "container", "sas_svc_url"}
    assert CANARY not in repr(connection)


any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(any_text, any_text, any_text)
@example("me@x", "p/a:s?s#w%o&r d@", "sh/op")
def test_escaped_parts_arrive_as_they_left(user: str, password: str, database: str) -> None:
    connection = connection_from_url(
        "X", f"postgresql://{quote(user, '')}:{quote(password, '')}@db/{quote(database, '')}"
    )
    arrived = [connection.text(key) for key in ("user", "password", "host", "database")]
    assert arrived == [user, password, "db", database]


@pytest.mark.parametrize("password", ["p@ss", "p:ss", "p#ss", "pa%ss", "ünï"])
def test_a_password_whose_special_characters_are_unmistakable_needs_no_escapes(password: str) -> None:
    connection = connection_from_url("X", f"postgresql://me:{password}@db:5432/shop")
    assert (connection.text("password"), connection.text("host")) == (password, "db")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"{CANARY} is no url", "is not a URL. It looks like type://user:password@host/db."),
        (f"postgresql:/me:{CANARY}@db/x", "is not a URL"),
        (f"postgresql://me:{CANARY}@db:port/x", "host or port is malformed"),
        (f"postgresql://me:{CANARY}@db:99999/x", "host or port is malformed"),
        (f"postgresql://me:{CANARY}/rest@db/x", "special characters of the password as %XX"),
        (f"postgresql://me:12/{CANARY}@db/x", "special characters of the password as %XX"),
        (f"postgresql://me:/{CANARY}@db/x", "special characters of the password as %XX"),
        (f"postgresql://me:?{CANARY}@db/x", "special characters of the password as %XX"),
        (f"postgresql://me:{CANARY}%FF@db/x", "escapes that are no UTF-8"),
        (f"s3://id:{CANARY}@bucket", "takes no user and no password"),
        (f"abfss://box:{CANARY}@a.dfs.core.windows.net", "takes no password"),
        (f"duckdb://me:{CANARY}@db/x", "is a path"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_never_shown(url: str, told: str) -> None:
    with pytest.raises(ConnectionConfigError, match=r"The connection string of PG ") as caught:
        connection_from_url("PG", url)
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("postgresql", "postgres://db/x"),
        ("redshift", "postgresql://db/x"),
        ("mariadb", "mysql://db/x"),
        ("fabric", "sqlserver://db"),
        ("http", "https://acct.blob.core.windows.net/box"),
        ("gs", "gs://bucket"),
    ],
)
def test_a_type_may_name_a_system_that_speaks_the_urls_protocol(kind: str, url: str) -> None:
    expected = {"postgresql": "postgres", "gs": "gcs"}.get(kind, kind)
    assert connection_from_url("X", url, kind).type == expected


def test_a_type_that_contradicts_the_url_is_refused() -> None:
    with pytest.raises(ConnectionConfigError, match=r"type 'duckdb', but .* begins with postgresql://\."):
        connection_from_url("X", "postgresql://db/x", "duckdb")


@given(st.text(), st.sampled_from(["", "postgresql://", "mongodb://", "https://", "s3://", "file://"]))
def test_whatever_is_given_as_a_url_gives_a_connection_or_our_error(text: str, scheme: str) -> None:
    error = refusal(scheme + text)
    assert error is None or error.__context__ is None


def refusal(url: str) -> ConnectionConfigError | None:
    try:
        connection_from_url("X", url)
    except ConnectionConfigError as error:
        return error
    return None
