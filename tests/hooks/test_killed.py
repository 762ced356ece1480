"""A stream with hooks, transforms and a quarantine is killed anywhere, and the next run makes it whole.

Its own hooks kill it, or it dies at a boundary of the engine: a process that gets SIGKILL has no say in what
becomes of its transaction.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.hooks.test_stages import target  # noqa: F401 - a fixture

from mainstem.faults import Point
from mainstem.testing.place import Place

# Runs each replication in a process of its own, which begins with everything imported.
RUNNER = """
import json, os, sys
from contextlib import nullcontext
from mainstem.engine import run
from mainstem.events import StreamFailed
from mainstem.faults import Point
from mainstem.settings import Settings
from mainstem.testing.faults import Action, Fault, tripped
import mainstem.expressions.machine, duckdb

SETTINGS = Settings(allow_commands=True, on_constraint_failure="skip")
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        point = asked["point"]
        with tripped(Fault(Point(point), Action.KILL)) if point else nullcontext():
            events = run(asked["config"], asked["connections"], settings=SETTINGS)
            failed = [event for event in events if isinstance(event, StreamFailed)]
        for event in failed:
            print(event.error, file=sys.stderr, flush=True)
        os._exit(len(failed))
    _, status = os.waitpid(child, 0)
    print(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)
"""
SYSTEMS = ["sqlite", "duckdb", "postgres", "mysql"]
# One of them, by the seed that pytest's header tells, or all.
CHOSEN = (
    SYSTEMS
    if os.environ.get("MAINSTEM_ALL") == "1"
    else random.Random(os.environ["MAINSTEM_SEED"]).sample(SYSTEMS, 1)  # noqa: S311 - no secret
)
somewhere = pytest.mark.parametrize("target", CHOSEN, indirect=True)

STAGES = ("pre", "pre_merge", "post_merge", "post")
POINTS = {point: f"at_{point.name.lower()}" for point in Point}
PUBLISHED = ("post", POINTS[Point.AFTER_PUBLISH], POINTS[Point.CLEANUP])


@dataclass
class Killed:
    """A stream from DuckDB, and what it leaves."""

    source: Place
    target: Place
    runner: subprocess.Popen[str]

    def put(self, *rows: tuple[int, str]) -> None:
        numbers, names = zip(*rows, strict=True)
        self.source.put("orders", pa.table({"id": pa.array(numbers, pa.int64()), "name": list(names)}))

    def run(self, table: str, kill: str = "", point: Point | None = None) -> int:
        """Run it, killed at a stage or at a boundary; what the process ended with."""
        noted = f"insert into {self.target.schema}.audit values ('{table}')"
        hooks: dict[str, list[dict[str, Any]]] = {stage: [{"log": stage}] for stage in STAGES}
        hooks["post_merge"].append({"type": "query", "query": noted})
        if kill:
            hooks[kill].append({"type": "command", "shell": True, "command": "kill -9 $PPID"})
        stream = {
            "object": self.target.stream(table),
            "mode": "incremental",
            "primary_key": "id",
            "update_key": "id",
            "transforms": [{"name": "upper(value)"}],
            "columns": {"name": "string | value != 'BAD'"},
            "hooks": hooks,
        }
        config = {"source": "SRC", "target": "TGT", "streams": {self.source.stream("orders"): stream}}
        connections = {"SRC": self.source.url, "TGT": self.target.url}
        asked = {"config": config, "connections": connections, "point": point.value if point else ""}
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        self.runner.stdin.write(json.dumps(asked) + "\n")
        self.runner.stdin.flush()
        return int(self.runner.stdout.readline())

    def left(self, table: str) -> dict[str, Any]:
        """The rows, those that are kept apart, and what the hook has noted; and whatever else is there."""
        tables = set(self.target.tables())
        apart = f"{table}__quarantine"
        return {
            "rows": self.target.rows(table, ["id", "name"]) if table in tables else None,
            "apart": self.target.rows(apart, ["row_data"]) if apart in tables else [],
            "noted": self.target.rows("audit").count((table,)),
            "others": tables - {table, apart} - self.known,
        }

    @property
    def known(self) -> set[str]:
        names = {"twin", *STAGES, *POINTS.values()}
        return {"audit", *names, *(f"{name}__quarantine" for name in names)}


@pytest.fixture
def killed(tmp_path: Path, target: Place) -> Iterator[Killed]:  # noqa: F811
    target.put("audit", pa.table({"what": pa.array([], pa.string())}))
    source = Place("duckdb", f"duckdb://{tmp_path / 'from'}.db", "main")
    command = [sys.executable, "-c", RUNNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as runner:
        yield Killed(source, target, runner)
        assert runner.stdin is not None
        runner.stdin.close()


@somewhere
def test_the_run_behind_a_killed_one_leaves_what_an_undisturbed_one_leaves(killed: Killed) -> None:
    killed.put((1, "a"), (2, "bad"), (3, "c"))
    for table in ("twin", *STAGES, *POINTS.values()):
        assert killed.run(table) == 0
    before = killed.left("twin")
    assert before["rows"] == [(1, "A"), (3, "C")]
    assert (len(before["apart"]), before["noted"], before["others"]) == (1, 1, set())

    killed.put((3, "d"), (4, "e"), (5, "bad"), (6, "f"))
    assert killed.run("twin") == 0
    after = killed.left("twin")
    assert after["rows"] == [(1, "A"), (3, "D"), (4, "E"), (6, "F")]
    assert (len(after["apart"]), after["noted"]) == (2, 2)

    ways: dict[str, dict[str, Any]] = {
        **{stage: {"kill": stage} for stage in STAGES},
        **{table: {"point": point} for point, table in POINTS.items()},
    }
    for table, way in ways.items():
        assert killed.run(table, **way) == -signal.SIGKILL
        found = killed.left(table)
        assert {**found, "others": set()} == (after if table in PUBLISHED else before), table
        if table not in PUBLISHED:
            assert killed.run(table) == 0
            assert killed.left(table) == after, table
        else:
            assert {**killed.left(table), "others": set()} == after, table


@somewhere
def test_what_a_killed_run_has_kept_apart_is_swept_where_the_next_one_has_no_bad_row(killed: Killed) -> None:
    killed.put((1, "a"), (2, "bad"))
    assert killed.run("pre", kill="post_merge") == -signal.SIGKILL
    killed.put((1, "a"), (2, "good"))
    assert killed.run("pre") == 0
    assert killed.left("pre") == {"rows": [(1, "A"), (2, "GOOD")], "apart": [], "noted": 1, "others": set()}
