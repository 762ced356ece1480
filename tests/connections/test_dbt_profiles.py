"""dbt's profiles.yml as connections: names, Jinja, dbt's own words (spec §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mainstem.connections import Connection, ListedConnection
from mainstem.errors import ConnectionConfigError

if TYPE_CHECKING:
    from tests.connections.conftest import Machine

CANARY = "c4n4ry-hunter2"

PROFILES = """
config: {send_anonymous_usage_stats: false}
jaffle_shop:
  target: dev
  outputs:
    dev:
      type: postgres
      host: localhost
      user: "{{ env_var('DBT_USER') }}"
      pass: "{{ env_var('DBT_PASSWORD', 'default') }}"
      port: "{{ env_var('DBT_PORT', 5432) | as_number }}"
      dbname: "shop_{{ env_var( \\"STAGE\\" , \\"dev\\" ) }}"
      schema: public
      threads: 4
    Prod: {type: duckdb, path: /data/shop.duckdb, extensions: [httpfs]}
other:
  outputs:
    bq: {type: bigquery, project: p, schema: s, keyfile: /k.json}
"""


def test_each_output_is_a_connection_named_profile_target(machine: Machine) -> None:
    machine.write(machine.profiles, PROFILES)
    machine.environment["DBT_USER"] = "me"
    assert machine.book().list() == [
        ListedConnection("JAFFLE_SHOP_DEV", "postgres", "dbt profiles"),
        ListedConnection("JAFFLE_SHOP_PROD", "duckdb", "dbt profiles"),
        ListedConnection("LOCAL", "file", "built-in"),
        ListedConnection("OTHER_BQ", "bigquery", "dbt profiles"),
    ]


def test_dbts_words_become_slings(machine: Machine) -> None:
    machine.write(machine.profiles, PROFILES)
    machine.environment.update({"DBT_USER": "me", "STAGE": "test"})
    book = machine.book()
    assert book.find("jaffle_shop_dev") == Connection(
        "JAFFLE_SHOP_DEV",
        "postgres",
        {
            **{"host": "localhost", "user": "me", "password": "default", "port": "5432"},
            **{"database": "shop_test", "schema": "public"},
        },
    )
    assert book.find("jaffle_shop_prod").text("instance") == "/data/shop.duckdb"
    assert book.find("other_bq") == Connection(
        "OTHER_BQ", "bigquery", {"project": "p", "dataset": "s", "key_file": "/k.json"}
    )


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ env_var('X') }}", "x y"),
        ('{{env_var("X")}}', "x y"),
        ("{{- env_var('X') -}}", "x y"),
        ("a-{{ env_var('X') }}-{{ env_var('NOT_SET', '') }}-b", "a-x y--b"),
        ("{{ env_var('NOT_SET', 'it\"s') }}", 'it"s'),
        ("{{ env_var('PORT') | int }}", "5432"),
        ("{{ env_var('JINJA') }}", "{{ 1 + 1 }}"),
        ("{{ env_var('FROM_ENV_YAML') }}", "there"),
        ("$X", "$X"),
    ],
)
def test_env_var_is_resolved_and_nothing_else_is_evaluated(
    machine: Machine, template: str, value: str
) -> None:
    machine.environment.update({"X": "x y", "PORT": "5432", "JINJA": "{{ 1 + 1 }}"})
    machine.write(machine.env_yaml, "env: {FROM_ENV_YAML: there}")
    quoted = template.replace('"', '\\"')
    machine.write(machine.profiles, f'my: {{outputs: {{pg: {{type: postgres, host: "{quoted}"}}}}}}')
    assert machine.book().find("MY_PG").text("host") == value


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ env_var('NOT_SET') }}", "env_var('NOT_SET') is not set, and has no default."),
        (f"{{{{ var('{CANARY}') }}}}", "This Jinja is more than env_var('NAME')"),
        ("{{ env_var('X') | upper }}", "This Jinja is more than env_var('NAME')"),
        ("{{ env_var('X') ~ env_var('X') }}", "This Jinja is more than env_var('NAME')"),
        (f"{{% if true %}}{CANARY}{{% endif %}}", "This Jinja is more than env_var('NAME')"),
        (f"{{# {CANARY} #}}", "This Jinja is more than env_var('NAME')"),
        ("{{ env_var('X', 'a\\\\'b') }}", "This Jinja is more than env_var('NAME')"),
    ],
)
def test_other_jinja_makes_that_connection_unusable_and_says_why(
    machine: Machine, template: str, told: str
) -> None:
    machine.environment["X"] = CANARY
    machine.write(
        machine.profiles,
        f'my:\n  outputs:\n    pg:\n      type: postgres\n      host: "{template}"\n    ok: {{type: s3}}\n',
    )
    book = machine.book()
    assert book.find("MY_OK").type == "s3"
    with pytest.raises(ConnectionConfigError) as caught:
        book.find("MY_PG")
    assert str(caught.value).startswith(f"{machine.profiles}:5:13: {told}")
    assert CANARY not in str(caught.value)
    assert ListedConnection("MY_PG", "postgres", "dbt profiles", str(caught.value)) in book.list()


def test_jinja_without_quotes_is_told_at_its_place(machine: Machine) -> None:
    machine.write(machine.profiles, "my: {outputs: {pg: {type: postgres, host: {{ env_var('X') }}}}}")
    with pytest.raises(ConnectionConfigError, match=r"yml:1:4\d: A key is not text\. Put .* in quotes\."):
        machine.book().find("MY_PG")


def test_a_variable_that_dbt_holds_secret_is_secret_wherever_it_is_used(machine: Machine) -> None:
    machine.environment["DBT_ENV_SECRET_X"] = CANARY
    machine.write(
        machine.profiles, "my: {outputs: {pg: {type: s3, region: \"{{ env_var('DBT_ENV_SECRET_X') }}\"}}}"
    )
    connection = machine.book().find("MY_PG")
    assert connection.text("region") == CANARY
    assert CANARY not in repr(connection)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("my: {target: dev}", ":1:1: The profile my has no outputs."),
        ("my: [a]", ":1:5: This is not a mapping."),
        ("my: {outputs: x}", ":1:15: This is not a mapping."),
        ("my: {outputs: {pg: [", ":2:1: The YAML is malformed."),
    ],
)
def test_a_broken_profile_is_told(machine: Machine, text: str, told: str) -> None:
    machine.write(machine.profiles, f"{text}\n")
    (problem,) = machine.book().problems()
    assert problem.startswith(f"{machine.profiles}{told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("my: {outputs: {pg: {host: h}}}", "Connection MY_PG has no 'type'."),
        ("my: {outputs: {pg: x}}", "This is not a mapping."),
        ("a: {target: x}\nmy: {outputs: {pg: ~}}", "Connection MY_PG has no 'type'."),
        (
            "my: {outputs: {pg: {type: s3}}}\nMY: {outputs: {PG: {type: s3}}}",
            "more than one connection MY_PG",
        ),
    ],
)
def test_a_broken_output_is_told_when_it_is_opened(machine: Machine, text: str, told: str) -> None:
    machine.write(machine.profiles, text)
    with pytest.raises(ConnectionConfigError) as caught:
        machine.book().find("MY_PG")
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{machine.profiles}:")
