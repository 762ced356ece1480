"""`mainstem status` and `mainstem report`: what the Dagster instance remembers, told for the whole graph."""

# No postponed annotations: Dagster reads those of an asset's function, which are local.

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.graph.load import load_definitions
from mainstem.graph.status import AssetStatus, graph_status


def definitions(code_version: str = "1") -> dg.Definitions:
    """A source, what is made of it, and what is made of that, with a check that does not hold."""

    @dg.asset(code_version=code_version)
    def first(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield dg.MaterializeResult(metadata={"dagster/row_count": 3})

    @dg.asset(deps=[first], check_specs=[dg.AssetCheckSpec("holds", asset="second")])
    def second() -> Iterator[Any]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False)])

    job = dg.define_asset_job("nightly", selection="first")
    schedule = dg.ScheduleDefinition(job=job, cron_schedule="0 4 * * *")
    return dg.Definitions(assets=[dg.AssetSpec("origin"), first, second], jobs=[job], schedules=[schedule])


def by_name(defs: dg.Definitions, instance: dg.DagsterInstance) -> dict[str, AssetStatus]:
    return {status.name: status for status in graph_status(defs, instance)}


def make(defs: dg.Definitions, instance: dg.DagsterInstance, *names: str) -> None:
    keys = [dg.AssetKey(name) for name in names]
    assets = [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    dg.materialize(assets, instance=instance, selection=keys)


def test_what_was_never_made_is_stale_and_says_so() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        found = by_name(definitions(), instance)
    assert found["first"].stale == ["never materialized"]
    assert found["second"].at is None
    assert (found["origin"].external, found["origin"].stale) == (True, ())


def test_what_was_made_tells_its_rows_its_failing_checks_and_its_schedules() -> None:
    defs = definitions()
    with dg.DagsterInstance.ephemeral() as instance:
        make(defs, instance, "first", "second")
        found = by_name(defs, instance)
    assert (found["first"].rows, found["first"].stale) == (3, [])
    assert [str(schedule) for schedule in found["first"].schedules] == ["nightly_schedule (0 4 * * *): off"]
    assert found["second"].failing == ["holds"]
    assert found["second"].stale == []


def test_what_is_older_than_what_it_was_made_of_names_the_cause() -> None:
    defs = definitions()
    with dg.DagsterInstance.ephemeral() as instance:
        make(defs, instance, "first", "second")
        make(definitions("2"), instance, "first")
        found = by_name(definitions("2"), instance)
        assert found["second"].stale == ["first is new"]
        found = by_name(definitions("3"), instance)
    assert found["first"].stale == ["its code has changed"]


NOW = datetime(2024, 3, 9, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("cron", "zone", "following"),
    [
        ("0 4 * * *", None, datetime(2024, 3, 10, 4, tzinfo=timezone.utc)),
        # The clock goes forward in that night.
        ("0 4 * * *", "America/New_York", datetime(2024, 3, 10, 8, tzinfo=timezone.utc)),
        (["0 4 * * *", "30 12 * * *"], None, datetime(2024, 3, 9, 12, 30, tzinfo=timezone.utc)),
        ("0 12 29 2 *", None, datetime(2028, 2, 29, 12, tzinfo=timezone.utc)),
    ],
)
def test_a_schedule_that_is_on_tells_its_next_run(
    cron: Any, zone: str | None, following: datetime, tmp_path: Path
) -> None:
    @dg.asset
    def one() -> None: ...

    job = dg.define_asset_job("nightly", selection=[one])
    on = dg.DefaultScheduleStatus.RUNNING
    schedule = dg.ScheduleDefinition(job=job, cron_schedule=cron, execution_timezone=zone, default_status=on)
    defs = dg.Definitions(assets=[one], jobs=[job], schedules=[schedule])
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        [status] = graph_status(defs, instance, NOW)
    [scheduled] = status.schedules
    assert scheduled.next == following


CODE = """
import dagster as dg

@dg.asset
def one(): ...

defs = dg.Definitions(assets=[one])
"""


def test_definitions_are_found_as_dagster_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found_by_name.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def keys(**where: str) -> list[str]:
        return [key.to_user_string() for key in load_definitions(**where).resolve_all_asset_keys()]

    assert keys(module="found_by_name") == ["one"]
    assert keys(file="found_by_name.py") == ["one"]
    (tmp_path / "pyproject.toml").write_text("[tool.dagster]\nmodule_name = 'found_by_name'\n")
    assert keys() == ["one"]


def mainstem(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from mainstem.cli import main; main()", *arguments]
    kept = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return subprocess.run(
        command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False
    )


def test_the_commands_tell_of_a_project_that_was_run(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(CODE)
    said = mainstem(tmp_path, "status", "-m", "project", DAGSTER_HOME=str(tmp_path))
    assert said.returncode == 0, said.stderr
    assert "one  never" in said.stdout
    told = mainstem(tmp_path, "status", "-f", "project.py", "--json", DAGSTER_HOME=str(tmp_path))
    assert json.loads(told.stdout)["assets"][0]["stale"] == ["never materialized"]
    homeless = mainstem(tmp_path, "status", "-m", "project")
    assert homeless.returncode == 1
    assert "DAGSTER_HOME is not set" in homeless.stderr
    nowhere = mainstem(tmp_path, "graph", "-m", "no_such_module")
    assert nowhere.returncode == 1
    assert "There is no module no_such_module" in nowhere.stderr
