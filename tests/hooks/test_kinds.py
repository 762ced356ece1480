"""Each type of hook, against what it is about."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.conftest import Hooking, Server

from mainstem.errors import NotSupportedYetError, ReplicationError
from mainstem.hooks import KINDS
from mainstem.replication.hooks import CARRIED_OUT_HOOKS


def say(what: str) -> dict[str, Any]:
    return {"type": "log", "message": what}


def command(code: str, **keys: Any) -> dict[str, Any]:
    return {"type": "command", "id": "c", "command": [sys.executable, "-c", code], **keys}


ALLOWED = {"allow_commands": True}


def test_every_type_but_the_refused_ones_is_carried_out() -> None:
    assert {*KINDS, "group", "routine"} == CARRIED_OUT_HOOKS


def test_a_log_says_its_message_at_its_level(hooking: Hooking) -> None:
    ran = hooking.run([{"log": "from {source.name} at {timestamp.YYYY}", "level": "warn", "id": "l"}])
    (event,) = ran.hook("l")
    assert event.said.startswith("from src at 20")
    assert (event.level, event.stage, event.stream) == ("warn", "start", None)


def test_a_check_holds_or_fails_with_its_message(hooking: Hooking) -> None:
    ran = hooking.run(post=[{"check": "run.total_rows == 3", "success_message": "three: {run.total_rows}"}])
    assert ran.said == ["three: 3"]
    check = {"type": "check", "check": "run.total_rows > limit", "vars": {"limit": 5}}
    ran = hooking.run(post=[{**check, "failure_message": "only {run.total_rows}"}])
    assert "only 3" in ran.failures[0]


def test_a_query_reads_and_writes_any_connection(hooking: Hooking) -> None:
    ran = hooking.run(
        [
            {"type": "query", "connection": "TGT", "query": "create table audit (what text); "},
            {
                "type": "query",
                "id": "q",
                "connection": "source",
                "query": "select id, name from orders order by id",
            },
            say("{state.q.result[1].name} of {state.q.row_count}"),
        ],
        post=[
            {"connection": "target", "query": "insert into audit values ('{stream.table} {run.total_rows}')"}
        ],
        tables=("orders", "others"),
    )
    assert ran.said == ["b of 3"]
    assert hooking.target.rows("audit") == [("orders 3",), ("others 3",)]


def test_a_query_that_fails_says_so_and_may_go_on(hooking: Hooking) -> None:
    wrong = {"type": "query", "connection": "source", "query": "select * from nowhere"}
    assert "nowhere" in hooking.run([wrong]).failures[0]
    assert hooking.run([{**wrong, "continue_on_error": True}]).failures == []


def test_a_command_runs_only_where_the_process_allows_it(hooking: Hooking) -> None:
    with pytest.raises(ReplicationError, match=r"which this process does not allow.*--allow-commands"):
        hooking.run([command("print(1)")])
    grouped = {"type": "group", "steps": [command("print(1)")]}
    with pytest.raises(ReplicationError, match="does not allow"):
        hooking.run(post=[grouped])
    ran = hooking.run([command("print('out')"), say("{state.c.output.stdout}")], settings=ALLOWED)
    assert ran.said == ["out\n"]


def test_a_command_has_no_shell_and_no_secrets(hooking: Hooking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    code = "import os, sys; print(os.environ.get('MY_SECRET'), os.environ.get('GIVEN'), sys.argv[1:])"
    text = f'{sys.executable} -c "{code}" "{{store.x}}; ls" $HOME'
    ran = hooking.run(
        [
            {"type": "store", "key": "x", "value": "a b"},
            {"type": "command", "command": text, "env": {"GIVEN": "yes"}, "print": True},
        ],
        settings=ALLOWED,
    )
    assert ran.said == ["None yes ['a b; ls', '$HOME']"]
    ran = hooking.run(
        [{"type": "command", "command": "echo $((1 + 1))", "shell": True, "print": True}], settings=ALLOWED
    )
    assert ran.said == ["2"]


def test_a_command_that_fails_or_takes_too_long_is_a_failure(hooking: Hooking) -> None:
    ran = hooking.run([command("import sys; sys.exit('no')")], settings=ALLOWED)
    assert "ended with exit code 1: no" in ran.failures[0]
    ran = hooking.run([command("import time; time.sleep(60)", timeout=0.2)], settings=ALLOWED)
    assert "did not end within 0.2 seconds" in ran.failures[0]


def test_a_request_sends_its_payload_and_leaves_the_answer(
    hooking: Hooking, server: Server, tmp_path: Path
) -> None:
    sent = {
        "type": "http",
        "id": "h",
        "url": f"{server.url}/x",
        "headers": {"X-Run": "{run.id}"},
        "payload": {"rows": "{run.total_rows}", "stream": "{stream.table}"},
        "write_to": str(tmp_path / "answer.json"),
        "into": "answer",
    }
    ran = hooking.run(
        post=[sent, say("{state.h.response.status} {state.h.response.json.n} {store.answer.ok}")]
    )
    assert ran.said == ["200 3 true"]
    ((method, path, headers, body),) = server.requests
    assert (method, path, headers["X-Run"]) == ("POST", "/x", "main_orders")
    assert json.loads(body) == {"rows": 3, "stream": "orders"}
    assert json.loads((tmp_path / "answer.json").read_text())["ok"] is True


def test_a_request_that_is_refused_is_a_failure(hooking: Hooking, server: Server) -> None:
    server.answers.append((403, "no entry"))
    assert "answered 403: no entry" in hooking.run([{"type": "http", "url": server.url}]).failures[0]
    assert "http:// or https://" in hooking.run([{"type": "http", "url": "file:///etc/hosts"}]).failures[0]


def test_files_are_written_read_copied_listed_inspected_and_deleted(hooking: Hooking, tmp_path: Path) -> None:
    there = tmp_path / "files"
    ran = hooking.run(
        [
            {"type": "write", "to": f"file://{there}/a.txt", "content": "hello {source.name}"},
            {"type": "copy", "from": f"{there}/a.txt", "to": f"{there}/deep/", "id": "cp"},
            {"type": "copy", "from": str(there), "to": f"{tmp_path}/twin", "recursive": True},
            {"type": "read", "from": f"{there}/deep/a.txt", "into": "text"},
            {"type": "list", "location": str(there), "recursive": True, "only": "files", "id": "ls"},
            {"type": "inspect", "location": str(there), "recursive": True, "id": "at"},
            say("{store.text}|{state.cp.bytes_written}|{state.ls.count}|{state.ls.result[0].name}"),
            say("{state.at.exists} {state.at.file_count} {state.at.folder_count} {state.at.is_dir}"),
            {"type": "delete", "location": str(there), "recursive": True},
            {"type": "inspect", "location": str(there), "id": "gone"},
            say("{state.gone.exists}"),
        ]
    )
    assert ran.failures == []
    assert ran.said == ["hello src|9|2|a.txt", "true 2 1 true", "false"]
    assert (tmp_path / "twin" / "deep" / "a.txt").read_text() == "hello src"


def test_a_folder_is_deleted_only_when_asked_and_never_the_one_that_we_are_in(
    hooking: Hooking, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    assert "is a folder" in hooking.run([{"type": "delete", "location": f"{tmp_path}/full"}]).failures[0]
    here = {"type": "delete", "location": str(Path.cwd().parent), "recursive": True}
    assert "this very process's folder" in hooking.run([here]).failures[0]


def test_inspect_describes_a_table(hooking: Hooking) -> None:
    ran = hooking.run(
        [
            {"type": "inspect", "location": "SRC/main.orders", "id": "t"},
            {"type": "inspect", "location": "SRC/main.nothing", "id": "none"},
            say("{state.t.exists} {state.t.columns[1].name} {state.t.fdqn} {state.none.exists}"),
        ]
    )
    assert ran.said == ['true name "main"."orders" false']


def test_store_keeps_values_for_later_and_forgets_them(hooking: Hooking) -> None:
    ran = hooking.run(
        [
            {"type": "store", "key": "a", "value": [1, 2]},
            {"type": "store", "map": {"b": {"c": 3}}},
            say("{store.a[1]} {store.b.c}"),
            {"type": "store", "key": "a", "delete": True},
        ],
        post=[say("{store.a}{store.b.c}")],
    )
    assert ran.said == ["2 3", "{store.a}3"]


def test_a_group_loops_over_a_list_with_an_environment_of_its_own(hooking: Hooking) -> None:
    ran = hooking.run(
        [
            {
                "type": "query",
                "id": "q",
                "connection": "source",
                "query": "select id from orders order by id",
            },
            {
                "type": "group",
                "loop": "state.q.result",
                "env": {"WORD": "row"},
                "steps": [{"log": "{env.WORD} {loop.index}: {loop.value.id}", "if": "loop.value.id != 2"}],
            },
        ]
    )
    assert ran.said == ["row 0: 1", "row 2: 3"]


def test_the_rounds_of_a_group_run_side_by_side(hooking: Hooking, server: Server) -> None:
    ask = {"type": "http", "url": server.url + "/{loop.value}"}
    ran = hooking.run([{"type": "group", "loop": ["a", "b", "c"], "concurrency": 3, "steps": [ask]}])
    assert sorted(path for _, path, *_ in server.requests) == ["/a", "/b", "/c"]
    assert ran.failures == []


def test_a_replication_runs_another_one(hooking: Hooking, tmp_path: Path) -> None:
    path = tmp_path / "inner.yaml"
    path.write_text(
        "source: SRC\ntarget: TGT\nenv: {NAME: x}\nstreams:\n  main.others: {object: 'main.{NAME}'}\n"
    )
    inner = {"type": "replication", "path": str(path), "env": {"NAME": "inner"}, "id": "r"}
    ran = hooking.run(end=[inner, say("{state.r.status} {state.r.total_rows}")])
    assert ran.said == ["3 rows", "success 3"]
    assert sorted(hooking.target.tables()) == ["inner", "orders"]


def test_a_replication_that_runs_itself_ends(hooking: Hooking, tmp_path: Path) -> None:
    path = tmp_path / "again.yaml"
    path.write_text(
        "source: SRC\ntarget: TGT\nstreams:\n  main.others: {object: main.again}\n"
        f"hooks:\n  start:\n    - replication: {path}\n"
    )
    ran = hooking.run([{"replication": str(path)}])
    assert "nested more than 5 deep" in ran.failures[0]


@pytest.mark.parametrize("kind", ["run"])
def test_a_type_that_is_not_carried_out_is_refused_by_name(hooking: Hooking, kind: str) -> None:
    for hooks in ({"start": [{"type": kind}]}, {"post": [{"type": "group", "steps": [{"type": kind}]}]}):
        with pytest.raises(NotSupportedYetError, match=f"the hook '{kind}' is not supported yet"):
            hooking.run(**hooks)
