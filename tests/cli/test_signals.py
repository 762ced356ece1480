"""Ctrl-C and SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import duckdb
import pytest

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]

# The server would sleep for so long; a process that waits for it fails the test instead.
ENDLESS_SECONDS = 3600
PATIENCE_SECONDS = 60


@pytest.fixture
def start(program: str, environment: Mapping[str, str]) -> Start:
    """Start the command, and see to it that it ends."""

    @contextmanager
    def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [program, *arguments],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Some machines start us with signals ignored, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread forks here
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return started


@pytest.fixture
def endless(postgres: EmbeddedPostgres, schema: str) -> str:
    """A view of enough rows for a batch to be staged, behind which nothing more comes."""
    postgres.execute(
        f"create view {schema}.endless as"
        " select i as id, repeat('x', 1000) as text from generate_series(1, 60000) i"
        f" union all select 0, pg_sleep({ENDLESS_SECONDS})::text"
    )
    return f"{schema}.endless"


def wait_for(process: subprocess.Popen[str], event: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    pytest.fail(f"no {event}: {process.stderr.read() if process.stderr else ''}")


def sleeping(postgres: EmbeddedPostgres) -> int:
    """How many queries of our view run at the server."""
    query = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and {}"
    return int(postgres.fetch(query.format("query like '%endless%'"))[0][0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_query_at_the_server_and_leaves_the_target_as_it_was(
    start: Start, postgres: EmbeddedPostgres, endless: str, warehouse: Warehouse, number: int
) -> None:
    warehouse.query("create table kept as select 7 as id")
    flags = ["--src-conn", "MY_POSTGRES", "--src-stream", endless, "--json"]
    with start("run", *flags, "--tgt-conn", "MY_DUCKDB", "--tgt-object", "main.kept") as process:
        wait_for(process, "batch_staged")
        assert sleeping(postgres) == 1
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    word = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}[signal.Signals(number)]
    assert told == f"{word}. What was published stays; nothing half was published.\n"
    assert sleeping(postgres) == 0
    assert warehouse.tables() == ["main.kept"]
    assert warehouse.query("select id from kept") == [(7,)]


def test_a_signal_ends_a_run_that_waits_for_a_target_that_someone_else_holds(
    start: Start, replication: Path, warehouse: Warehouse
) -> None:
    with duckdb.connect(str(warehouse.path)), start("run", str(replication), "--json") as process:
        wait_for(process, "replication_started")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130


def test_a_signal_ends_a_statement(start: Start, postgres: EmbeddedPostgres) -> None:
    statement = f"select pg_sleep({ENDLESS_SECONDS}) as endless"
    with start("conns", "exec", "MY_POSTGRES", statement) as process:
        while not sleeping(postgres):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, told) == (130, ("", "Interrupted.\n"))
    assert sleeping(postgres) == 0


HOOKS = {
    "command": {"type": "command", "command": "sh -c 'echo $$ > {pid}; exec sleep 3600'"},
    "query": {"type": "query", "connection": "MY_POSTGRES", "query": "select pg_sleep(3600) /* endless */"},
    "http": {"type": "http", "url": "http://127.0.0.1:{port}/"},
}


@pytest.mark.parametrize(
    ("kind", "place"),
    [("query", "start"), ("http", "step"), ("command", "post_merge")],
)
def test_a_signal_breaks_a_hook_off(
    start: Start, postgres: EmbeddedPostgres, tmp_path: Path, kind: str, place: str
) -> None:
    warehouse = Warehouse(tmp_path / "own.duckdb")
    pid = tmp_path / "pid"
    with ExitStack() as asked, socket.create_server(("127.0.0.1", 0)) as silent:
        text = (
            json.dumps(HOOKS[kind]).replace("{pid}", str(pid)).replace("{port}", str(silent.getsockname()[1]))
        )
        hooks = [{"log": "begun"}, json.loads(text)]
        stream = {"sql": "select 1 as one", "object": "main.one", "hooks": {place: hooks}}
        config = {"source": "MY_POSTGRES", "target": warehouse.url, "streams": {"one": stream}}
        if place == "start":
            del stream["hooks"]
            config["hooks"] = {"start": hooks}
        path = tmp_path / "hooks.json"
        path.write_text(json.dumps({"steps": hooks} if place == "step" else config))
        flag = "-p" if place == "step" else "-r"
        with start("run", flag, str(path), "--json", "--allow-commands") as process:
            if place != "post_merge":
                wait_for(process, "hook_finished")
            if kind == "http":
                asked.enter_context(silent.accept()[0])
            else:
                wait_until_it_runs(kind, pid, postgres)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGINT
    assert warehouse.tables() == []
    if kind == "command":
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
    if kind == "query":
        assert sleeping(postgres) == 0


def wait_until_it_runs(kind: str, pid: Path, postgres: EmbeddedPostgres) -> None:
    began = time.monotonic()
    while not (pid.exists() and pid.read_text().strip() if kind == "command" else sleeping(postgres)):
        assert time.monotonic() - began < PATIENCE_SECONDS
        time.sleep(0.05)
