"""`mainstem plan` shows what a run would do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.testing.warehouse import Warehouse


def test_a_plan_is_a_table_for_each_stream_and_changes_nothing(
    mainstem: Any, environment: Mapping[str, str], replication: Path, warehouse: Warehouse, schema: str
) -> None:
    done = mainstem("plan", replication, "--limit", "2", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[0] == "MY_POSTGRES → MY_DUCKDB: 2 streams"
    assert f"{schema}.a" in lines
    assert "| address | string | address | inet        |" in lines
    assert 'CREATE TABLE "main"."a" ("id" INTEGER)' in lines
    assert "limit:        2 rows" in lines
    assert "note: Column address: inet is stored as VARCHAR" in lines
    assert not warehouse.path.exists()


def test_a_plan_as_json_is_one_object(
    mainstem: Any, environment: Mapping[str, str], replication: Path, schema: str
) -> None:
    done = mainstem("plan", replication, "--json", "--streams", "tag:late", env=environment)
    (stream,) = json.loads(done.stdout)["streams"]
    assert (stream["stream"], stream["mode"], stream["target"]) == (f"{schema}.b", "full-refresh", "main.b")
    assert environment["MY_POSTGRES"] not in done.stdout


def test_a_stream_that_cannot_be_planned_is_told(
    mainstem: Any, environment: Mapping[str, str], replication: Path
) -> None:
    done = mainstem("plan", replication, "--select", "nothing", env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing" in done.stderr
