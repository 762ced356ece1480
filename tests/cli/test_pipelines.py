"""`mainstem run -p FILE`: steps, one after another, and what the process ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Mainstem

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

STEPS = """\
env:
  WORD: hello
steps:
  - log: "{{WORD}} {{env.WORD}}"
  - replication: {replication}
    id: moved
  - check: state.moved.total_rows == 7
  - type: query
    connection: MY_DUCKDB
    query: select count(*) as n from main.a
    into: counted
  - type: group
    loop: [x, y]
    steps:
      - log: "{{loop.value}}: {{store.counted[0].n}}"
"""


@pytest.fixture
def pipeline(tmp_path: Path, schema: str, postgres: EmbeddedPostgres) -> Path:
    postgres.execute(f"create table {schema}.a as select generate_series(1, 7) as id")
    replication = tmp_path / "r.yaml"
    replication.write_text(
        f"source: MY_POSTGRES\ntarget: MY_DUCKDB\nstreams:\n  {schema}.a: {{object: main.a}}\n"
    )
    path = tmp_path / "p.yaml"
    path.write_text(STEPS.format(replication=replication))
    return path


def test_a_pipeline_runs_its_steps_in_their_order(
    mainstem: Mainstem, environment: dict[str, str], pipeline: Path, warehouse: Warehouse
) -> None:
    done = mainstem("run", "-p", pipeline, env=environment)
    assert (done.returncode, done.stdout) == (0, "")
    lines = [line.partition(": ")[2] for line in done.stderr.splitlines()]
    assert lines == ["hello hello", "7 rows", "x: 7", "y: 7"]
    assert warehouse.query("select count(*) from a") == [(7,)]


def test_its_events_are_lines_of_json(
    mainstem: Mainstem, environment: dict[str, str], pipeline: Path
) -> None:
    done = mainstem("run", "-p", pipeline, "--json", "--env", "{WORD: bye}", env=environment)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event"] for event in events} == {"hook_finished"}
    assert events[0]["said"] == "bye bye"
    assert [event["status"] for event in events] == ["success"] * len(events)


def test_a_step_that_fails_ends_it_with_1(mainstem: Mainstem, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("steps:\n  - check: 1 > 2\n    failure_message: too small\n  - log: never\n")
    done = mainstem("run", "-p", path)
    assert done.returncode == 1
    assert "The pipeline failed. The hook step-01 (check) failed: too small" in done.stderr
    assert "never" not in done.stderr


def test_a_command_needs_the_flag(mainstem: Mainstem, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("steps:\n  - command: echo ran\n    print: true\n")
    refused = mainstem("run", "-p", path)
    assert refused.returncode == 1
    assert f"{path}:2:5: A `command` hook runs another program" in refused.stderr
    allowed = mainstem("run", "-p", path, "--allow-commands")
    assert (allowed.returncode, "ran" in allowed.stderr) == (0, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: []", "a pipeline has `steps`"),
        ("steps:\n  - {type: lgo}", "Did you mean 'log'"),
        ("steps:\n  - {type: run}", "the hook 'run' is not supported yet"),
    ],
)
def test_a_pipeline_that_is_wrong_is_told_with_its_place(
    mainstem: Mainstem, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    done = mainstem("run", "-p", path)
    assert done.returncode == 1
    assert told in done.stderr


def test_no_other_flag_says_what_a_pipeline_runs(mainstem: Mainstem) -> None:
    done = mainstem("run", "-p", "p.yaml", "--mode", "truncate")
    assert done.returncode == 2
    assert "its steps say what they run" in done.stderr
