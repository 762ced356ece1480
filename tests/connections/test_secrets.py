"""A canary is sent through every way into a connection, and looked for in everything that can be seen."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import pprint
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from mainstem.connections import Connection, ConnectionBook, connection_from_url
from mainstem.errors import ConnectionConfigError

if TYPE_CHECKING:
    from tests.connections.conftest import Machine

CANARY = "c4n4ryhunter2"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


# What defines a connection, each with the canary in another place.
DEFINITIONS: Mapping[str, str | dict[str, Any]] = {
    "URL password": f"postgresql://me:{CANARY}@db:5432/shop",
    "URL token": f"motherduck://db?motherduck_token={CANARY}",
    "URL query of any scheme": f"snowflake://me@acct/db?private_key={CANARY}",
    "URL with several hosts": f"mongodb://me:{CANARY}@a:1,b:2/db",
    "URL that is signed": f"https://acct.blob.core.windows.net/box?sig={CANARY}",
    "URL of a page": f"https://me:{CANARY}@host/x.csv",
    "property": {"type": "postgres", "password": CANARY},
    "private_key with newlines": {"type": "snowflake", "private_key": PEM},
    "key_body that is nested": {"type": "bigquery", "key_body": {"private_key": CANARY}},
    "connection_string": {"type": "postgres", "connection_string": f"postgresql://me:{CANARY}@db/shop"},
    "url": {"url": f"mysql://me:{CANARY}@db/shop"},
    "ssh_tunnel": {"type": "postgres", "ssh_tunnel": f"ssh://me:{CANARY}@jump:22"},
    "endpoint with a login": {"type": "s3", "endpoint": f"https://me:{CANARY}@minio"},
}

# The same, broken. The part of a URL that is broken stands behind the canary, before it, or is it.
BROKEN: Mapping[str, str | dict[str, Any]] = {
    "no URL": f"postgresql:me:{CANARY}@db/shop",
    "no port": f"postgresql://me:{CANARY}@db:port/shop",
    "a torn password": f"postgresql://me:12/{CANARY}@db/shop",
    "a password in the port's place": f"postgresql://me:{CANARY}/shop",
    "no UTF-8": f"postgresql://me:{CANARY}%FF@db/shop",
    "a login where none may be": f"s3://me:{CANARY}@bucket",
    "a path with a login": f"sqlite://me:{CANARY}@db/shop",
    "another type": {"type": "duckdb", "url": f"postgresql://me:{CANARY}@db/shop"},
    "neither type nor url": {"password": CANARY, "host": "db"},
    "type that is no text": {"type": {"password": CANARY}, "url": ""},
}


def handed_over(machine: Machine, definition: Any) -> ConnectionBook:
    return machine.book({"PG": definition})


def as_json(machine: Machine, definition: Any) -> ConnectionBook:
    machine.environment["PG"] = definition if isinstance(definition, str) else json.dumps(definition)
    return machine.book()


def as_yaml(machine: Machine, definition: Any) -> ConnectionBook:
    # JSON in its quotes is YAML; the comment makes it YAML alone.
    body = json.dumps(definition if isinstance(definition, dict) else {"url": definition}, indent=1)
    machine.environment["PG"] = f"{body} # in YAML only"
    return machine.book()


def as_base64(machine: Machine, definition: Any) -> ConnectionBook:
    body = definition if isinstance(definition, dict) else {"url": definition}
    machine.environment["PG"] = encoded(json.dumps(body))
    return machine.book()


def in_dotenv(machine: Machine, definition: Any) -> ConnectionBook:
    machine.write(
        machine.dotenv, f"PG='{definition if isinstance(definition, str) else json.dumps(definition)}'"
    )
    return machine.book()


def in_env_yaml_body(machine: Machine, definition: Any) -> ConnectionBook:
    machine.environment["ENV_YAML"] = json.dumps({"connections": {"PG": definition}})
    return machine.book()


def in_env_yaml(machine: Machine, definition: Any) -> ConnectionBook:
    machine.write(machine.env_yaml, json.dumps({"connections": {"pg": definition}}, indent=1))
    return machine.book()


def as_exported_variable(machine: Machine, definition: Any) -> ConnectionBook:
    body = definition if isinstance(definition, str) else json.dumps(definition)
    machine.write(machine.env_yaml, json.dumps({"env": {"PG": body}}))
    return machine.book()


def expanded_in_env_yaml(machine: Machine, definition: Any) -> ConnectionBook:
    machine.environment["SECRET"] = CANARY
    text = json.dumps({"connections": {"pg": definition}}, indent=1).replace(CANARY, "${SECRET}")
    machine.write(machine.env_yaml, text)
    return machine.book()


WAYS = [
    *(handed_over, as_json, as_yaml, as_base64, in_dotenv, in_env_yaml_body, in_env_yaml),
    *(as_exported_variable, expanded_in_env_yaml),
]


def seen(thing: object) -> Iterator[str]:
    """Everything that a log, a debugger, a serializer or a traceback might show of it."""
    yield from (str(thing), repr(thing), f"{thing}", f"{[thing]!s}", pprint.pformat(thing), ascii(thing))
    yield json.dumps([thing], default=str)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = dataclasses.asdict(thing)
        yield from (repr(fields), json.dumps(fields, default=str))
        yield from (repr(copy.copy(thing)), repr(copy.deepcopy(thing)))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        try:
            yield pickle.dumps(thing, protocol).decode("latin-1")
        except TypeError as error:
            yield from seen_of(error)


def seen_of(error: BaseException | None) -> Iterator[str]:
    """An error, and every error that hangs on it, shown or suppressed."""
    while error is not None:
        yield from traceback.format_exception(type(error), error, error.__traceback__)
        yield from (repr(error), repr(error.args), repr(vars(error)))
        yield from seen_of(error.__cause__)
        error = error.__context__


def attempt(act: Callable[[], object]) -> Iterator[str]:
    try:
        yield from seen(act())
    except ConnectionConfigError as error:
        yield from seen_of(error)


def all_that_is_seen(book: ConnectionBook) -> Iterator[str]:
    for name in ("PG", "NO_SUCH", "P_G"):
        yield from attempt(lambda name=name: book.find(name))  # type: ignore[misc]
    for thing in (book, book.list(), book.names(), book.problems(), book.variables):
        yield from seen(thing)


# The address of a page is no connection among exported variables.
GOOD = [
    pytest.param(way, definition, id=f"{way.__name__}-{name}")
    for way in WAYS
    for name, definition in DEFINITIONS.items()
    if (way, name) != (as_exported_variable, "URL of a page")
]


@pytest.mark.parametrize(("way", "definition"), GOOD)
def test_the_canary_arrives_and_is_never_seen(
    machine: Machine, way: Callable[[Machine, Any], ConnectionBook], definition: Any
) -> None:
    book = way(machine, definition)
    connection = book.find("PG")
    assert any(CANARY in (connection.text(key) or "") for key in connection.properties)
    assert not [text for text in all_that_is_seen(book) if CANARY in text]


@pytest.mark.parametrize("definition", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_broken_is_refused_and_the_canary_never_seen(
    machine: Machine, way: Callable[[Machine, Any], ConnectionBook], definition: Any
) -> None:
    with pytest.raises(ConnectionConfigError) as caught:
        way(machine, definition).find("PG")
    shown = list(seen_of(caught.value))
    if way is not handed_over:  # which is refused at once, so that there is no book
        shown += all_that_is_seen(way(machine, definition))
    assert not [text for text in shown if CANARY in text]


MALFORMED = [
    *(f'{{"type": "postgres", "password": "{CANARY}"', f'{{"type": "postgres" "password": "{CANARY}"}}'),
    *(f"type: postgres\npassword: '{CANARY}", f"type: postgres\npassword: {CANARY}: x"),
    *(f"type: postgres\npassword: *{CANARY}", f"type: postgres\npassword: !{CANARY} x"),
    *(f"type: postgres\npassword: x\npassword: {CANARY}", f"type: postgres\n? [{CANARY}]\n: x"),
    *(f"type: postgres\npassword: &{CANARY} x\nuser: &{CANARY} y\nhost: [", f"type: postgres\n\t{CANARY}: x"),
    *(f"type: postgres\npassword: {CANARY}\x00", f"%{CANARY}\n---\ntype: postgres\npassword: [{CANARY}"),
    *(f"type: [{CANARY}]\nurl: {CANARY}", f"type: postgres\n<<: {CANARY}", f"type: postgres\n--- {CANARY}"),
    *(f"url: {{{{ env_var('{CANARY}' }}}}", f"type: postgres\npassword: |\n {CANARY}\n  x\n y: ["),
]


@pytest.mark.parametrize("text", [*MALFORMED, "type: postgres\npassword: x\nhost: [" + CANARY])
def test_malformed_text_that_is_handed_over_is_never_seen(text: str) -> None:
    shown = list(attempt(lambda: ConnectionBook({"PG": text}, {})))
    assert not [line for line in shown if CANARY in line]


@pytest.mark.parametrize("text", MALFORMED)
def test_text_that_is_malformed_is_never_seen(machine: Machine, text: str) -> None:
    indented = text.replace("\n", "\n    ")
    machine.environment.update({"PG": text, "B64": encoded(text), "SLING_ENV_YAML": text})
    machine.environment["ENV_YAML"] = f"connections:\n  EY:\n    {indented}\n"
    machine.write(
        machine.env_yaml, f"connections:\n  FILE: {{type: s3}}\n  EY2:\n    {indented}\nenv:\n  {CANARY}"
    )
    machine.write(machine.profiles, f"my:\n  outputs:\n    {indented}\n")
    machine.write(machine.dotenv, f"DOT='{text}")
    book = machine.book()
    for name in ("PG", "B64", "EY", "EY2", "DOT", "MY_TYPE"):
        shown = list(attempt(lambda name=name: book.find(name)))  # type: ignore[misc]
        assert not [line for line in shown if CANARY in line]
    assert not [line for line in all_that_is_seen(book) if CANARY in line]


@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        f"{{{{ {CANARY} }}}}",
        f"{{{{ env_var('X') | {CANARY} }}}}",
        f"{{% {CANARY} %}}",
        "{{ env_var('X') }}",
    ],
)
@pytest.mark.parametrize("key", ["password", "private_key", "token", "url"])
def test_a_dbt_profiles_secret_is_never_seen(machine: Machine, key: str, value: str) -> None:
    machine.environment["X"] = CANARY
    machine.write(machine.profiles, json.dumps({"p": {"outputs": {"g": {"type": "postgres", key: value}}}}))
    assert not [text for text in all_that_is_seen(machine.book()) if CANARY in text]


def test_a_missing_property_shows_none_of_the_others() -> None:
    connection = connection_from_url("PG", f"postgresql://me:{CANARY}@db/shop")
    shown = list(attempt(lambda: connection.required("schema")))
    assert shown
    assert not [text for text in shown if CANARY in text]


def test_the_search_would_find_a_canary() -> None:
    """The test of the tests: what is not secret is seen, in each of the ways."""
    connection = Connection("PG", "postgres", {"host": CANARY})
    assert sum(CANARY in text for text in seen(connection)) > 10
    with pytest.raises(ConnectionConfigError) as caught:
        raise_over_a_leak()
    assert any(CANARY in text for text in seen_of(caught.value))


def raise_over_a_leak() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        raise ConnectionConfigError("hidden") from None
