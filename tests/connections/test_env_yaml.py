"""env.yaml: its shapes, its variables, and what is told of one that is broken (spec §5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mainstem.connections import ConnectionBook, ListedConnection
from mainstem.errors import ConnectionConfigError

if TYPE_CHECKING:
    from tests.connections.conftest import Machine

CANARY = "c4n4ry-hunter2"


def found(machine: Machine, text: str, name: str = "PG") -> dict[str, str | None]:
    """What the connection has when env.yaml is this text."""
    machine.write(machine.env_yaml, text)
    connection = machine.book().find(name)
    return {key: connection.text(key) for key in connection.properties}


@pytest.mark.parametrize(
    ("definition", "properties"),
    [
        ("duckdb://x", {"instance": "x"}),
        ("{url: 'duckdb://x'}", {"instance": "x"}),
        ("{url: 'duckdb://x', schema: s}", {"instance": "x", "schema": "s"}),
        ("{type: postgres, port: 0123, password: 1e5}", {"port": "0123", "password": "1e5"}),
        (
            "{type: postgres, password: ~, user: , read_only: True, role: yes}",
            {"read_only": "true", "role": "yes"},
        ),
        ("{type: postgres, host: 2024-01-02, user: ünï}", {"host": "2024-01-02", "user": "ünï"}),
        ("{type: api, options: {a: [1, x]}}", {"options": '{"a": ["1", "x"]}'}),
        ('{"type": "duckdb", "instance": "x"}', {"instance": "x"}),
        ('{type: postgres, private_key: "-----BEGIN\\nab"}', {"private_key": "-----BEGIN\nab"}),
    ],
)
def test_a_connection_is_a_url_or_a_mapping(
    machine: Machine, definition: str, properties: dict[str, str]
) -> None:
    assert found(machine, f"connections:\n  Pg: {definition}\n") == properties


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_any_line_ends_and_byte_order_mark(machine: Machine, mark: str, ends: str) -> None:
    text = "connections:\n  PG:\n    type: postgres\n    user: ünï\n    private_key: |\n      a\n      b\n"
    machine.write(machine.env_yaml, "")
    machine.env_yaml.write_bytes(text.replace("\n", ends).encode(mark))
    connection = machine.book().find("PG")
    assert (connection.text("user"), connection.text("private_key")) == ("ünï", "a\nb\n")


def test_anchors_and_merges(machine: Machine) -> None:
    text = """
        base: &base {type: postgres, host: db, password: old}
        more: &more {port: 1, host: other}
        connections:
          PG: {<<: [*base, *more], password: new}
    """
    assert found(machine, text) == {"host": "db", "password": "new", "port": "1"}


def test_an_anchor_may_be_used_again(machine: Machine) -> None:
    text = "a: &x {type: s3}\nb: &x {type: duckdb, instance: y}\nconnections: {PG: *x}"
    assert found(machine, text) == {"instance": "y"}


# --- variables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        *[("${A}", "1"), ("$A", "1"), ("x${A}y$A-", "x1y1-"), ("${FILE}", "f"), ("$A$B", "1$B")],
        *[("pa$$word", "pa$$word"), ("$", "$"), ("${}", "${}"), ("${a b}", "${a b}"), ("$AB", "$AB")],
        ("${MULTI}", "a: b\n# c"),
    ],
)
def test_variables_are_expanded_in_values(machine: Machine, text: str, expanded: str) -> None:
    machine.environment.update({"A": "1", "MULTI": "a: b\n# c"})
    document = f"env: {{FILE: f}}\nconnections: {{PG: {{type: postgres, password: '{text}'}}}}"
    assert found(machine, document)["password"] == expanded


def test_the_environment_wins_over_env_and_env_over_variables(machine: Machine) -> None:
    machine.environment["A"] = "process"
    machine.environment["ENV_YAML"] = "env: {B: body}"
    machine.write(
        machine.env_yaml,
        """
        variables: {A: v, B: v, C: v, D: v, E: '${D}${C}${A}'}
        env: {A: e, B: e, C: true, N: ~}
        """,
    )
    variables = machine.book().variables
    assert [variables[name] for name in "ABCDE"] == ["process", "body", "true", "v", "vtrueprocess"]
    assert "N" not in variables
    assert {"A", "B", "C", "D", "E"} <= set(variables)


def test_a_variable_may_be_a_connection_and_wins_over_its_files_connections(machine: Machine) -> None:
    machine.environment["FILE"] = "a.db"
    text = "env: {PG: 'duckdb://${FILE}', PAGE: 'http://x'}\nconnections: {PG: {type: s3}}"
    assert found(machine, text) == {"instance": "a.db"}
    assert machine.book().names() == ["LOCAL", "PG"]


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("${PG_PASSWORD}", "The variable PG_PASSWORD that it refers to is not set."),
        ("${c4n4ry}", "A variable"),
    ],
)
def test_a_variable_that_is_not_set_makes_its_connection_unusable(
    machine: Machine, password: str, told: str
) -> None:
    machine.write(
        machine.env_yaml,
        f"connections:\n  PG:\n    type: postgres\n    password: {password}\n  OK: {{type: s3}}\n",
    )
    assert machine.book().find("OK").type == "s3"
    with pytest.raises(ConnectionConfigError) as caught:
        machine.book().find("PG")
    assert str(caught.value).startswith(f"{machine.env_yaml}:4:15: {told}")
    assert "c4n4ry" not in str(caught.value)


# --- what is broken ----------------------------------------------------------------------------------

BROKEN_AS_A_WHOLE = [
    (f"a: 1\nb: [{CANARY}", 2, "The YAML is malformed."),
    (f"connections:\n\tPG: {CANARY}", 2, "Indent with spaces, not tabs."),
    (f"a: {CANARY}: b", 1, "Put values with special characters in quotes."),
    (f"a: *{CANARY}", 1, "malformed"),
    (f"a: @{CANARY}", 1, "malformed"),
    (f"a: '{CANARY}", 1, "malformed"),
    (f"a: 1\n---\nb: {CANARY}", 2, "malformed"),
    (f"a: {CANARY}\x00", 1, "A character that YAML does not allow."),
    (f"- {CANARY}", 1, "This is not a mapping."),
    (CANARY, 1, "This is not a mapping."),
    (f"env: {{}}\nenv: {{A: {CANARY}}}", 2, "This key stands twice."),
    (f"{{{CANARY}: 1}}: x", 1, "A key is not text."),
]


@pytest.mark.parametrize(("text", "line", "told"), BROKEN_AS_A_WHOLE)
def test_a_broken_file_is_told_only_when_the_name_is_found_nowhere(
    machine: Machine, text: str, line: int, told: str
) -> None:
    machine.write(machine.env_yaml, text)
    machine.write(machine.profiles, "my: {outputs: {pg: {type: s3}}}")
    book = machine.book()
    assert book.find("MY_PG").type == "s3"
    with pytest.raises(ConnectionConfigError, match="There is no connection named PG") as caught:
        book.find("PG")
    own = next(row for row in str(caught.value).splitlines() if row.startswith(f"  - {machine.env_yaml}: "))
    assert own.startswith(f"  - {machine.env_yaml}: {machine.env_yaml}:{line}:")
    assert told in own
    assert CANARY not in str(caught.value)
    assert book.problems() == [own.removeprefix(f"  - {machine.env_yaml}: ")]


BROKEN_ENTRIES = [
    (f"[{CANARY}]", "PG is neither a URL nor a mapping"),
    ("", "PG is neither a URL nor a mapping"),
    (f"{{password: {CANARY}}}", "neither a 'type' nor a 'url'"),
    (CANARY, "is not a URL"),
    (f"postgresql://me:{CANARY}@db:x/y", "host or port is malformed"),
    (f"{{type: postgres, password: !vault {CANARY}}}", "A !tag cannot be read here."),
    (f"{{type: postgres, password: a, password: {CANARY}}}", "This key stands twice."),
    (f"{{type: postgres, password: {{{{ {CANARY} }}}}}}", "A key is not text."),
    (f"{{type: duckdb, url: 'mysql://me:{CANARY}@db'}}", "begins with mysql://"),
    (f"{{type: s3}}\n  pg: {{type: gs, key_body: {CANARY}}}", "more than one connection PG"),
]


@pytest.mark.parametrize(("definition", "told"), BROKEN_ENTRIES)
def test_a_broken_connection_leaves_the_others_usable(machine: Machine, definition: str, told: str) -> None:
    machine.write(machine.env_yaml, f"connections:\n  OK: {{type: s3}}\n  PG: {definition}\n")
    book = machine.book()
    assert book.find("OK").type == "s3"
    with pytest.raises(ConnectionConfigError) as caught:
        book.find("PG")
    assert str(caught.value).startswith(f"{machine.env_yaml}:")
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)
    (listed,) = [line for line in book.list() if line.name == "PG"]
    assert listed.problem == str(caught.value)


@pytest.mark.parametrize("section", ["env: [a]", "variables: x", "env: {A: [b]}", "env: {A: '${NOT_SET}'}"])
def test_wrong_variables_leave_the_connections_usable(machine: Machine, section: str) -> None:
    assert found(machine, f"{section}\nconnections: {{PG: 'duckdb://x'}}") == {"instance": "x"}
    (problem,) = machine.book().problems()
    assert problem.startswith(f"{machine.env_yaml}:1:")


def test_wrong_connections_leave_the_variables_usable(machine: Machine) -> None:
    machine.write(machine.env_yaml, "connections: [PG]\nenv: {A: b}")
    assert machine.book().variables["A"] == "b"
    assert machine.book().problems() == [
        f"{machine.env_yaml}:1:14: This is not a mapping. Write 'name: value' lines."
    ]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "~", "\ufeff", "{}", "connections:\n", "other: 1"])
def test_a_file_with_nothing_in_it_is_no_problem(machine: Machine, text: str) -> None:
    machine.write(machine.env_yaml, text)
    assert machine.book().list() == [ListedConnection("LOCAL", "file", "built-in")]
    assert machine.book().problems() == []


def test_a_directory_in_the_files_place_is_told(machine: Machine) -> None:
    machine.env_yaml.mkdir(parents=True)
    assert machine.book().problems() == [f"{machine.env_yaml} cannot be read: it is a directory."]


def test_a_file_that_cannot_be_read_is_told(machine: Machine) -> None:
    machine.env_yaml.parent.mkdir(parents=True)
    machine.env_yaml.symlink_to(machine.env_yaml)
    (problem,) = machine.book().problems()
    assert problem.startswith(f"{machine.env_yaml} cannot be read: Too many levels of symbolic links")


def test_a_file_in_the_folders_place_is_as_good_as_none(machine: Machine) -> None:
    machine.write(machine.env_yaml.parent, "")
    assert machine.book().problems() == []


def test_a_file_that_is_no_text_is_told(machine: Machine) -> None:
    machine.write(machine.env_yaml, "")
    machine.env_yaml.write_bytes(CANARY.encode() + b"\xff")
    assert machine.book().problems() == [f"{machine.env_yaml} is not UTF-8. Save it as UTF-8."]


BOMBS = {
    "values": "\n".join(
        ["a0: &a0 [x]", *(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(9))]
    )
    + "\nconnections: {PG: {type: api, x: *a9}}",
    "merges": "\n".join(
        ["a0: &a0 {x: 1}", *(f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 9)}]}}" for i in range(9))]
    )
    + "\nconnections: {PG: {type: api, x: *a9}}",
    "a circle": "connections: {PG: &a {type: api, x: *a}}",
    "a circle of merges": "connections: {PG: &a {type: api, <<: *a}}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_aliases_that_multiply_are_refused_and_not_followed(machine: Machine, text: str) -> None:
    machine.write(machine.env_yaml, text)
    with pytest.raises(ConnectionConfigError, match="more in it than a connection can have"):
        machine.book().find("PG")


def test_nesting_without_end_is_refused(machine: Machine) -> None:
    machine.write(machine.env_yaml, "[" * 10_000)
    (problem,) = machine.book().problems()
    assert problem == f"{machine.env_yaml}: The YAML is nested too deeply."


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("ab:{}[]&*!<|>'\"%@`#-? ,\n\t~\ufeff\x00${}=_."), max_size=60))
@example("env: {A: 1}\nconnections: {PG: {type: s3}}")
def test_whatever_stands_in_it_gives_connections_or_problems(tmp_path: Path, text: str) -> None:
    book = ConnectionBook({}, {"ENV_YAML": text, "SLING_ENV_YAML": f"connections:\n  PG: {text}"}, tmp_path)
    assert all(listed.name for listed in book.list())
    assert all(book.problems())
    assert all(isinstance(value, str) for value in dict(book.variables).values())
