"""Several runs at once, each in a process of its own: none fails because of the other, and no row is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.endpoints.duckdb import connecting
from mainstem.engine import run
from mainstem.events import BatchStaged, Event, StreamFailed, StreamPublished, StreamRetried
from mainstem.settings import Settings
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

PATIENCE_SECONDS = 120
ROWS = 30_000
SOON = Settings(retries=2, retry_delay=0.01)

# Begins when its standard input ends, as all of them do at the same time.
TOGETHER = """
import json, sys
from mainstem.api import replicate
import mainstem.endpoints.duckdb, mainstem.endpoints.postgres, mainstem.endpoints.sqlite

print("ready", flush=True)
sys.stdin.read()
for config in json.loads(sys.argv[1]):
    replicate(config, json.loads(sys.argv[2]))
"""


def at_once(configs: Sequence[Sequence[dict[str, Any]]], connections: dict[str, str]) -> None:
    """Run replications in as many processes, which begin together. Each must succeed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, json.dumps(config), json.dumps(connections)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for config in configs
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    said = [process.communicate(timeout=PATIENCE_SECONDS)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file of ten tables, t0 to t9, which is only read."""
    file = tmp_path / "source.duckdb"
    with duckdb.connect(str(file)) as connection:
        for number in range(10):
            connection.execute(
                f"create table t{number} as select i + {number} * {ROWS} as i, {number} as origin"
                f" from range({ROWS}) t(i)"
            )
    return file


def connections(source: Path, target: str) -> dict[str, Any]:
    return {"SRC": {"type": "duckdb", "instance": str(source), "read_only": "true"}, "TGT": target}


def config(table: str, target: str, **stream: Any) -> dict[str, Any]:
    return {"source": "SRC", "target": "TGT", "streams": {f"main.{table}": {"object": target, **stream}}}


def appended(table: str, target: str) -> dict[str, Any]:
    """Without a key, so that nothing but the cursor keeps rows from doubling."""
    return config(table, target, mode="incremental", update_key="i")


@pytest.mark.parametrize("system", ["duckdb", "postgres"])
def test_two_runs_of_one_table_follow_each_other(
    source: Path, warehouse: Warehouse, system: str, request: pytest.FixtureRequest
) -> None:
    url, schema = warehouse.url, "main"
    fetch: Callable[[str], list[tuple[Any, ...]]] = warehouse.query
    if system == "postgres":
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        url, schema, fetch = server.url, request.getfixturevalue("schema"), server.fetch
    same = appended("t0", f"{schema}.appended")
    at_once(
        [
            [
                same,
                config(table, f"{schema}.replaced"),
                config(table, f"{schema}.merged", mode="incremental", primary_key="i"),
            ]
            for table in ("t1", "t2")
        ],
        connections(source, url),
    )
    assert fetch(f"select count(*), count(distinct i) from {schema}.appended") == [(ROWS, ROWS)]
    assert fetch(f"select count(*), count(distinct origin) from {schema}.replaced") == [(ROWS, 1)]
    assert fetch(f"select count(*), count(distinct i) from {schema}.merged") == [(2 * ROWS, 2 * ROWS)]


def test_ten_streams_of_three_processes_all_arrive_in_one_file(source: Path, warehouse: Warehouse) -> None:
    streams = [config(f"t{number}", f"main.t{number}") for number in range(10)]
    at_once([streams[:4], streams[4:7], streams[7:]], connections(source, warehouse.url))
    assert warehouse.tables() == [f"main.t{number}" for number in range(10)]
    counted = " union all ".join(f"select count(*) as n from t{number}" for number in range(10))
    assert warehouse.query(f"select distinct n from ({counted})") == [(ROWS,)]


@pytest.mark.parametrize("system", ["postgres", "mariadb"])
def test_streams_that_name_one_staging_table_stage_one_after_the_other(
    source: Path, system: str, request: pytest.FixtureRequest
) -> None:
    """Were it swept as what a killed run left, one table would get the rows of the other."""
    server: EmbeddedPostgres | EmbeddedMariaDB = request.getfixturevalue(system)
    schema: str = request.getfixturevalue("schema")
    waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
    if isinstance(server, EmbeddedMariaDB):
        server.execute(f"create database {schema}")
        waiting = "select 1 from information_schema.processlist where state = 'User lock'"
    every = connections(source, server.url)
    staged = {"target_options": {"table_tmp": f"{schema}.staged"}}
    first = run(config("t0", f"{schema}.one", **staged), every)
    assert any(isinstance(event, BatchStaged) for event in first)
    events: list[Event] = []
    second = threading.Thread(
        target=lambda: events.extend(run(config("t1", f"{schema}.two", **staged), every))
    )
    second.start()
    while not server.fetch(waiting):
        assert second.is_alive()
    assert of(StreamFailed, list(first)) == []
    second.join()
    assert len(of(StreamPublished, events)) == 1
    for table, origin in (("one", 0), ("two", 1)):
        counted = server.fetch(f"select count(*), min(origin), max(origin) from {schema}.{table}")
        assert counted == [(ROWS, origin, origin)]
    if isinstance(server, EmbeddedMariaDB):
        server.execute(f"drop database {schema}")


HOLD = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_holds_is_tried_again_and_the_process_named(
    source: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "LOCK_SECONDS", 0.1)
    warehouse.query("create table copy as select 7 as i")
    retried: list[StreamRetried] = []
    command = [sys.executable, "-c", HOLD, str(warehouse.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        every = connections(source, warehouse.url)
        for event in run(config("t0", "main.copy"), every, settings=SOON):
            if isinstance(event, StreamRetried):
                retried.append(event)
                holder.communicate()
    assert len(retried) == 1
    assert f"is held by process {holder.pid}" in str(retried[0].error)
    assert warehouse.query("select count(*) from copy") == [(ROWS,)]
