"""What hooks are not trusted with: values that would be SQL or commands, and secrets that would be told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.hooks.conftest import Hooking, Server
from tests.hooks.test_stages import target  # noqa: F401 - a fixture

from mainstem.hooks import Scope
from mainstem.sqltext import Sql
from mainstem.testing.place import Place

NASTY = [
    "it's",
    "'; drop table audit; --",
    "\\",
    "\\'; drop table audit; --",
    'a"b`c',
    "$$ $tag$",
    "--\n/* */",
    "{run.id}",
    "größe 日本",
]
ALLOWED = {"allow_commands": True}


def test_a_value_within_quotes_stays_one_value(target: Place) -> None:  # noqa: F811
    target.put("audit", pa.table({"what": NASTY}))
    with target.opened() as endpoint:
        for value in NASTY:
            known = scope(target, value)
            sql = "select what, '{v}' from {t} where what = '{v}'"
            assert endpoint.rows(known.in_sql(sql, endpoint.dialect)) == [(value, value)]
            commented = "select /* {v} */ 1 -- {v}\n, '{{' , 2"
            assert endpoint.rows(known.in_sql(commented, endpoint.dialect)) == [(1, "{{", 2)]


def scope(place: Place, value: Any) -> Scope:
    with place.opened() as endpoint:
        return Scope({"v": value, "t": Sql(endpoint.qualified(place.relation("audit")))})


def test_what_would_end_a_text_between_dollars_is_refused(hooking: Hooking) -> None:
    kept = {"type": "store", "key": "x", "value": "$$; drop table orders; $$"}
    query = {"type": "query", "connection": "SRC", "query": "select $${store.x}$$"}
    assert "which would become SQL" in hooking.run([kept, query]).failures[0]


def test_outside_of_quotes_a_value_is_sql_and_null_is_null(hooking: Hooking) -> None:
    sql = "select '{loop.value}' as t, count(*) as n, {execution.error} as x from {loop.value}"
    steps = [{"type": "query", "connection": "SRC", "query": sql, "id": "q"}, {"log": "{state.q.result}"}]
    ran = hooking.run([{"type": "group", "loop": ["orders", "others"], "steps": steps}])
    assert ran.said == [f'[{{"t": "{table}", "n": 3, "x": null}}]' for table in ("orders", "others")]


def test_a_value_is_no_command_of_a_shell(hooking: Hooking, tmp_path: Path) -> None:
    made = tmp_path / "made"
    store = {"type": "store", "key": "x", "value": f"a; touch {made} $(touch {made}) `touch {made}`"}
    shell = {"type": "command", "shell": True, "command": 'echo "{store.x}"; echo {store.x}', "print": True}
    ran = hooking.run([store, shell], settings=ALLOWED)
    assert ran.failures == []
    assert ran.said[0].count("$(touch") == 2
    assert not made.exists()


def test_a_command_that_fails_does_not_tell_the_secrets_that_it_was_given(hooking: Hooking) -> None:
    code = "import os, sys; sys.exit('no entry for ' + os.environ['API_TOKEN'])"
    command = {
        "type": "command",
        "command": [sys.executable, "-c", code],
        "env": {"API_TOKEN": "hunter2secret"},
        "print": True,
    }
    ran = hooking.run([command], settings=ALLOWED)
    assert "no entry for ***" in ran.failures[0]
    assert "hunter2" not in f"{ran.events}"


@pytest.mark.parametrize("status", [200, 403])
def test_headers_are_told_nowhere(hooking: Hooking, server: Server, status: int) -> None:
    server.answers.append((status, "you sent Bearer hunter2secret"))
    hook = {"type": "http", "url": server.url, "headers": {"Authorization": "Bearer hunter2secret"}}
    ran = hooking.run([hook])
    assert server.requests[0][2]["Authorization"] == "Bearer hunter2secret"
    assert bool(ran.failures) == (status == 403)
    assert "hunter2" not in f"{ran.events}{ran.failures}"


@pytest.mark.parametrize(
    "wrong", [{"headers": {"X-Key": "hunter2\nsecret"}}, {"url": "http://me:hunter2@127.0.0.1:{env.PORT}/ x"}]
)
def test_a_request_that_is_malformed_is_told_without_its_words(
    hooking: Hooking, server: Server, wrong: dict[str, Any]
) -> None:
    ran = hooking.run(
        [{"type": "http", "url": server.url, **wrong}], env={"PORT": server.url.rpartition(":")[2]}
    )
    assert "did not go through" in ran.failures[0]
    assert "hunter2" not in f"{ran.events}{ran.failures}"


def test_headers_do_not_follow_to_another_server(hooking: Hooking, server: Server) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    server.moved = {"/a": f"{elsewhere}/b", "/c": f"{server.url}/d", "/e": "ftp://127.0.0.1/x"}
    for path in ("/a", "/c"):
        hook = {"type": "http", "url": f"{server.url}{path}", "headers": {"Authorization": "Bearer s"}}
        assert hooking.run([hook]).failures == []
    seen = {path: headers.get("Authorization") for _, path, headers, _ in server.requests}
    assert seen == {"/a": "Bearer s", "/b": None, "/c": "Bearer s", "/d": "Bearer s"}
    assert "which is not followed" in hooking.run([{"type": "http", "url": f"{server.url}/e"}]).failures[0]
