"""`mainstem run`, as a person and a script meet it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse


def events(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_a_run_says_what_it_did_on_standard_error_and_exits_with_0(
    mainstem: Any,
    environment: Mapping[str, str],
    replication: Path,
    warehouse: Warehouse,
    schema: str,
) -> None:
    done = mainstem("run", replication, env=environment)
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "MY_POSTGRES → MY_DUCKDB: 2 streams"
    assert any(line.startswith(f"{schema}.a: 3 rows in ") for line in lines)
    assert f"{schema}.b: Column address: inet is stored as VARCHAR" in lines
    assert lines[-1].startswith("2 streams published, 0 failed, in ")
    assert "\x1b" not in done.stderr
    assert warehouse.query("select (select count(*) from a), (select count(*) from b)") == [(3, 4)]


def test_flags_win_over_the_file_and_standard_output_has_one_event_a_line(
    mainstem: Any, environment: Mapping[str, str], replication: Path, warehouse: Warehouse, schema: str
) -> None:
    flags = ["--env", "{PREFIX: late_}", "--streams", "tag:late", "-s", "id", "--where", "id > 1", "-l", "2"]
    done = mainstem("run", "-r", replication, *flags, "--json", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    told = events(done.stdout)
    assert [event["event"] for event in told] == [
        "replication_started",
        "stream_started",
        "batch_staged",
        "stream_published",
        "replication_finished",
    ]
    assert (told[3]["stream"], told[3]["target"], told[3]["rows"]) == (f"{schema}.b", "main.late_b", 2)
    assert warehouse.tables() == ["main.late_b"]
    assert [row[0] for row in warehouse.query("describe late_b")] == ["id"]
    assert warehouse.query("select count(*) from late_b where id <= 1") == [(0,)]


def test_a_run_without_a_file_takes_all_from_its_flags(
    mainstem: Any, environment: Mapping[str, str], replication: Path, warehouse: Warehouse, schema: str
) -> None:
    query = f"select id, id * 2 as twice from {schema}.a"
    flags = ["--src-conn", "MY_POSTGRES", "--src-stream", query, "--tgt-conn", "MY_DUCKDB"]
    more = ["--tgt-object", "main.twice", "--mode", "full-refresh", "--columns", "{twice: bigint}"]
    done = mainstem("run", *flags, *more, env=environment)
    assert done.returncode == 0, done.stderr
    assert warehouse.query("select sum(twice), typeof(any_value(twice)) from twice") == [(12, "BIGINT")]


def test_a_failed_stream_is_told_and_the_exit_code_is_1(
    mainstem: Any, environment: Mapping[str, str], replication: Path, postgres: EmbeddedPostgres, schema: str
) -> None:
    postgres.execute(f"drop table {schema}.a")
    done = mainstem("run", replication, "--json", env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Stream {schema}.a failed in phase plan: There is no table a in schema")
    (failed,) = (event for event in events(done.stdout) if event["event"] == "stream_failed")
    assert (failed["stream"], failed["phase"], failed["error"]) == (
        f"{schema}.a",
        "plan",
        "RelationNotFoundError",
    )
    assert events(done.stdout)[-1]["published"] == [f"{schema}.b"]


def test_an_assertion_that_does_not_hold_exits_with_1(
    mainstem: Any, environment: Mapping[str, str], replication: Path, warehouse: Warehouse
) -> None:
    wanted = {"SLING_ROW_CNT": ">7", "SLING_STREAM_CNT": "2", "SLING_TOTAL_BYTES": ">0"}
    done = mainstem("run", replication, env={**environment, **wanted})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "SLING_ROW_CNT=>7 does not hold: 7 rows were written. What was published stays."
    )
    assert warehouse.tables() == ["main.a", "main.b"]


def test_no_stream_to_run_is_a_warning_and_exits_with_0(
    mainstem: Any, environment: Mapping[str, str], replication: Path, warehouse: Warehouse
) -> None:
    done = mainstem("run", replication, "--streams", "tag:nobody", env=environment)
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        ["warning: Did not match any streams: nothing to do."],
    )
    assert not warehouse.path.exists()


def test_a_wrong_file_is_one_message_without_a_traceback(mainstem: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("source: A\ntarget: B\nstreams: 7\n")
    done = mainstem("run", path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{path}:3:1: 'streams' must be a mapping, not 7",
        "    streams: 7",
        "    ^",
    ]


def test_debug_shows_what_types_of_error_caused_it_and_no_secret(
    mainstem: Any, environment: Mapping[str, str], replication: Path, postgres: EmbeddedPostgres
) -> None:
    wrong = postgres.url.replace(postgres.password, "canary-7")
    done = mainstem("run", replication, "--debug", env={**environment, "MY_POSTGRES": wrong})
    assert done.returncode == 1
    assert "OperationalError" in done.stderr
    assert "canary-7" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_terminal_shows_a_bar_with_rows_and_bytes(
    program: str, environment: Mapping[str, str], replication: Path, schema: str
) -> None:
    parent, child = pty.openpty()
    with subprocess.Popen(
        [program, "run", str(replication)], env={**environment, "TERM": "xterm"}, stdout=child, stderr=child
    ) as process:
        os.close(child)
        shown = b""
        try:
            while chunk := os.read(parent, 65536):
                shown += chunk
        except OSError:
            # Linux says so when the last writer has closed the terminal.
            pass
        finally:
            os.close(parent)
    text = shown.decode()
    assert process.returncode == 0
    assert f"{schema}.a" in text
    assert "3 rows" in text
    assert "rows/s" in text
    assert "\x1b[" in text
