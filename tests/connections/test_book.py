"""Where a name is looked for, in which order, and what is told when it is nowhere (spec §5)."""

from __future__ import annotations

import json
import os
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mainstem.connections import Connection, ConnectionBook, ListedConnection
from mainstem.errors import ConnectionConfigError

if TYPE_CHECKING:
    from tests.connections.conftest import Machine

CANARY = "c4n4ry-hunter2"

DBT = "my: {outputs: {pg: {type: duckdb, path: dbt}}}"
# The places that may define MY_PG, from the first that is looked at to the last.
PLACES = ("explicit", "process", "dotenv", "SLING_ENV_YAML", "ENV_YAML", "env.yaml", "dbt")


def define(machine: Machine, place: str) -> dict[str, str]:
    """Define MY_PG in one place, as a DuckDB file of the place's name. Returns what is handed over."""
    url = f"duckdb://{place}"
    body = f"connections: {{my_pg: '{url}'}}"
    if place == "explicit":
        return {"my_Pg": url}
    if place == "process":
        machine.environment["MY_PG"] = url
    elif place == "dotenv":
        machine.write(machine.dotenv, f"MY_PG={url}")
    elif place == "env.yaml":
        machine.write(machine.env_yaml, body)
    elif place == "dbt":
        machine.write(machine.profiles, DBT)
    else:
        machine.environment[place] = body
    return {}


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_the_first_place_that_knows_the_name_wins(machine: Machine, first: int) -> None:
    given: dict[str, str] = {}
    for place in reversed(PLACES[first:]):
        given |= define(machine, place)
    book = machine.book(given)
    assert book.find("My_pG").text("instance") == PLACES[first]
    kinds = {
        "process": "env variable",
        "dotenv": "env variable",
        "explicit": "explicit",
        "dbt": "dbt profiles",
    }
    listed = [line for line in book.list() if line.name == "MY_PG"]
    assert listed == [ListedConnection("MY_PG", "duckdb", kinds.get(PLACES[first], "env.yaml"))]


@pytest.mark.parametrize("known", PLACES[:-1])
def test_the_files_behind_are_not_read_before_they_are_needed(machine: Machine, known: str) -> None:
    book = machine.book(define(machine, known))
    assert book.find("MY_PG").text("instance") == known
    # Written only now, and seen: they had not been read.
    machine.write(machine.profiles, "other: {outputs: {dev: {type: s3}}}")
    assert book.find("OTHER_DEV").type == "s3"
    if known not in {"env.yaml", "dbt"}:
        again = machine.book(define(machine, known))
        assert again.find("MY_PG").text("instance") == known
        machine.write(machine.env_yaml, "connections: {NEW: {type: s3}}")
        assert again.find("NEW").type == "s3"


def test_local_is_built_in_and_anyone_may_replace_it(machine: Machine) -> None:
    assert machine.book().find("local") == Connection("LOCAL", "file")
    assert machine.book().list() == [ListedConnection("LOCAL", "file", "built-in")]
    machine.environment["LOCAL"] = "file:///data"
    assert machine.book().find("LOCAL").text("path") == "/data"


@pytest.mark.parametrize(
    ("variable", "folder", "file"),
    [("SLING_HOME_DIR", ".sling", "env.yaml"), ("DBT_PROFILES_DIR", ".dbt", "profiles.yml")],
)
@pytest.mark.parametrize("said", [None, "{home}/there", "~/there", "../home/there"])
def test_a_variable_moves_the_folder_that_is_looked_in(
    machine: Machine, variable: str, folder: str, file: str, said: str | None
) -> None:
    if said is not None:
        machine.environment[variable] = said.format(home=machine.home)
        folder = "there"
    text = DBT if file == "profiles.yml" else "connections: {MY_PG: {type: duckdb}}"
    machine.write(machine.home / folder / file, text)
    assert machine.book().find("MY_PG").type == "duckdb"


def test_without_a_home_the_folders_in_it_are_not_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ConnectionConfigError) as caught:
        ConnectionBook({}, {}, tmp_path).find("PG")
    assert "~/.sling/env.yaml: there is no HOME to look in" in str(caught.value)


def test_the_process_environment_and_directory_are_looked_at_by_default_and_not_changed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.chdir(machine.cwd)
    for variable in ("SLING_HOME_DIR", "ENV_YAML", "SLING_ENV_YAML"):
        monkeypatch.delenv(variable, raising=False)
    machine.write(machine.env_yaml, "{env: {FROM_FILE: a}, connections: {PG: 'duckdb://${FROM_FILE}'}}")
    machine.write(machine.dotenv, "FROM_DOTENV=b")
    before = dict(os.environ)
    book = ConnectionBook()
    assert book.find("pg").text("instance") == "a"
    assert (book.variables["FROM_FILE"], book.variables["FROM_DOTENV"]) == ("a", "b")
    assert dict(os.environ) == before


def test_a_working_directory_that_is_gone_is_no_hindrance(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.cwd)
    machine.cwd.rmdir()
    assert ConnectionBook({}, machine.environment).names() == ["LOCAL"]


# --- what is handed over -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://me:secret@db/shop",
        Connection("OTHER", "postgres", {"host": "db", "user": "me", "password": "secret"}),
        {"type": "postgres", "host": "db", "user": "me", "password": "secret"},
        {"url": "postgresql://me:old@db/shop", "password": "secret"},
        {"connection_string": "postgresql://me:secret@db/shop", "type": "postgresql"},
        '{"type": "postgres", "host": "db", "user": "me", "password": "secret"}',
    ],
)
def test_a_connection_is_handed_over_as_url_mapping_or_object(given: Any) -> None:
    connection = ConnectionBook({"PG": given}, {}).find("pg")
    assert (connection.type, connection.text("host")) == ("postgres", "db")
    assert connection.text("password") == "secret"


def test_connections_may_be_handed_over_without_names() -> None:
    assert ConnectionBook([Connection("Pg", "postgres")], {}).find("PG").name == "Pg"


@pytest.mark.parametrize(
    "given",
    [
        f"{CANARY} is no url",
        f"postgresql://me:{CANARY}@db:port/x",
        {"password": CANARY},
        {"type": [CANARY], "url": None},
        {"type": "postgres", "url": f"mysql://me:{CANARY}@db/x"},
        f'{{"type": "postgres", "password": "{CANARY}"',
    ],
)
def test_a_wrong_connection_is_refused_at_once_without_showing_it(given: Any) -> None:
    with pytest.raises(ConnectionConfigError, match="PG") as caught:
        ConnectionBook({"PG": given}, {})
    assert CANARY not in repr(caught.value)


def test_a_url_may_stand_in_a_names_place() -> None:
    assert ConnectionBook({}, {}).find("duckdb://a.db") == Connection(
        "DUCKDB", "duckdb", {"instance": "a.db"}
    )


# --- environment variables ---------------------------------------------------------------------------

URL = "postgresql://me:secret@db/shop"
BODY = {"type": "postgres", "host": "db", "user": "me", "password": "secret", "port": 5432}
YAML = "type: postgres\r\nhost: db\r\npassword: secret\r\nport: 0123\r\n"


@pytest.mark.parametrize(
    "value",
    [
        URL,
        f"  {URL}\n",
        f"\ufeff{URL}",
        json.dumps({"type": "postgres", "url": URL}),
        json.dumps({"URL": URL}),
        json.dumps(BODY, indent="\t"),
        YAML,
        f"url: {URL}",
        "{type: postgres, host: db, password: secret}",
        b64encode(json.dumps(BODY).encode()).decode(),
        b64encode(YAML.encode()).decode().rstrip("="),
        urlsafe_b64encode(f"# ünï ??>\nurl: {URL}".encode()).decode(),
    ],
)
def test_a_variable_is_a_connection_as_url_json_yaml_or_base64(machine: Machine, value: str) -> None:
    machine.environment["My_Pg"] = value
    connection = machine.book().find("my_pg")
    assert (connection.name, connection.type, connection.text("host")) == ("MY_PG", "postgres", "db")
    assert connection.text("password") == "secret"
    assert "MY_PG" in machine.book().names()


def test_text_is_not_taken_for_a_number(machine: Machine) -> None:
    machine.environment["PG"] = YAML
    assert machine.book().find("PG").text("port") == "0123"


@pytest.mark.parametrize(
    "value", ["", "plain text", "/usr/bin:/bin", '{"a": 1}', "[]", "x: 1", "aGVsbG8gd29ybGQsIGhlbGxv", "{}"]
)
def test_a_variable_that_is_something_else_is_passed_over(machine: Machine, value: str) -> None:
    machine.environment["PG"] = value
    machine.write(machine.env_yaml, "connections: {PG: {type: duckdb}}")
    assert machine.book().find("PG").type == "duckdb"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f'{{"type": "postgres",\n "password": "{CANARY}"', "variable PG:2:"),
        (f"type: postgres\npassword: {CANARY}: x", "variable PG:2:"),
        (f"postgresql://me:{CANARY}@db:x/y", "host or port is malformed"),
        (b64encode(f"type: postgres\nhost: [{CANARY}".encode()).decode(), "variable PG:2:"),
        ("{type: {a: b}}", "its 'type' is not text"),
        ("type:", "neither a 'type' nor a 'url'"),
    ],
)
def test_a_malformed_definition_is_told_and_never_replaced_by_another_places(
    machine: Machine, value: str, told: str
) -> None:
    machine.environment["PG"] = value
    machine.write(machine.env_yaml, "connections: {PG: {type: duckdb}}")
    with pytest.raises(ConnectionConfigError, match=r"environment variable PG\b") as caught:
        machine.book().find("PG")
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)


def test_only_connections_to_known_systems_are_listed_of_the_environment(machine: Machine) -> None:
    machine.environment.update(
        {
            **{"A_URL": URL, "B_JSON": '{"type": "s3", "bucket": "b"}', "C_BROKEN": "mysql://me:pw@db:x/y"},
            **{"HTTP_PROXY": "http://me:pw@proxy:3128", "DOCKER_HOST": "tcp://h:1", "PLAIN": "text"},
            **{"SERVICE": '{"type": "service_account", "private_key": "k"}', "HALF": "{'a"},
        }
    )
    listed = {line.name: (line.type, line.problem) for line in machine.book().list()}
    assert {name: kind for name, (kind, _) in listed.items()} == {
        **{"A_URL": "postgres", "B_JSON": "s3", "C_BROKEN": "mysql", "LOCAL": "file"}
    }
    assert "host or port is malformed" in str(listed["C_BROKEN"][1])


def test_a_web_address_is_found_by_its_variables_name(machine: Machine) -> None:
    machine.environment["PRICES"] = "https://host/prices.csv"
    assert machine.book().find("prices").type == "http"


# --- .env.sling --------------------------------------------------------------------------------------

DOTENV = r"""
# a comment
A=plain # with a comment
export B = 'single $A "quoted"'
C="two\nlines \"quoted\" \$A"
D="over
two lines"   # behind
E=
F=has#no comment
G=a=b
PG={"type": "duckdb", "instance": "x"}
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_dotenv_lines(machine: Machine, ends: str, mark: str) -> None:
    machine.write(machine.dotenv, mark + DOTENV.replace("\n", ends))
    book = machine.book()
    assert {name: book.variables[name] for name in "ABCDEFG"} == {
        **{"A": "plain", "B": 'single $A "quoted"', "C": 'two\nlines "quoted" $A', "D": "over\ntwo lines"},
        **{"E": "", "F": "has#no comment", "G": "a=b"},
    }
    assert book.find("PG").text("instance") == "x"


def test_dotenv_fills_in_and_does_not_override(machine: Machine) -> None:
    machine.environment["A"] = "process"
    machine.write(machine.dotenv, "A=file\nSLING_HOME_DIR=../moved")
    machine.write(machine.cwd.parent / "moved" / "env.yaml", "{env: {A: x, B: $A}}")
    assert (machine.book().variables["A"], machine.book().variables["B"]) == ("process", "process")


def test_a_dotenv_line_that_cannot_be_read_is_told_and_passed_over(machine: Machine) -> None:
    machine.write(machine.dotenv, f"{CANARY}\nA=\"{CANARY}\nPG=duckdb://x\nB='a'b\n")
    book = machine.book()
    assert book.find("PG").type == "duckdb"
    assert [problem.partition(": ")[0] for problem in book.problems()] == [
        f"{machine.dotenv}:{line}:1" for line in (1, 2, 4)
    ]
    assert CANARY not in str(book.problems())


# --- a name that is nowhere --------------------------------------------------------------------------


def test_an_unknown_name_tells_every_place_that_was_looked_at_in_order(machine: Machine) -> None:
    machine.environment.update(
        {"WH": "duckdb://wh.db", "ENV_YAML": "connections: {X: {type: s3}}", "PGG": "1"}
    )
    machine.write(machine.dotenv, "OTHER=duckdb://other.db")
    machine.write(machine.env_yaml, "connections:\n  Y: {type: s3}\n  y2: 5\n")
    with pytest.raises(ConnectionConfigError) as caught:
        machine.book({"MY_PG": URL}).find("pgg")
    assert str(caught.value).splitlines() == [
        "There is no connection named pgg. Looked at:",
        "  - handed over: MY_PG",
        f"  - environment variables and {machine.dotenv}: OTHER, WH; PGG is set, but is no connection",
        "  - SLING_ENV_YAML: not set",
        "  - ENV_YAML: X",
        f"  - {machine.env_yaml}: Y, Y2",
        f"  - {machine.profiles}: not there",
        "  - built-in: LOCAL",
        "Define it in one of these, or write a URL in its place.",
    ]


def test_an_unknown_name_hints_at_the_nearest_of_any_place(machine: Machine) -> None:
    machine.write(machine.profiles, "shop: {outputs: {prod: {type: s3}}}")
    with pytest.raises(
        ConnectionConfigError, match=r"shop_prd. Looked at:(.|\n)*\nDid you mean SHOP_PROD\?$"
    ):
        machine.book().find("shop_prd")


@pytest.mark.parametrize(
    "name", [f"postgresql:/me:{CANARY}@db/x", f'{{"password": "{CANARY}"}}', f"{CANARY}@db", f"a\n{CANARY}"]
)
def test_what_cannot_be_a_name_is_not_repeated_for_it_may_be_a_url(machine: Machine, name: str) -> None:
    with pytest.raises(ConnectionConfigError, match=r"^There is no such connection\. Looked at:") as caught:
        machine.book().find(name)
    assert CANARY not in str(caught.value).lower()
