"""The project of docs/sling_assets.md, run as it stands."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from mainstem.sling.snapshot import PREPARE_ON_LOAD
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

PAGE = Path(__file__).parents[2] / "docs" / "sling_assets.md"
ORDERS = dg.AssetKey(["target", "shop", "orders"])


@pytest.fixture
def project(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of the page, and the tables that they speak of."""
    text = PAGE.read_text()
    for language, name in (("yaml", "replication.yaml"), ("python", "definitions.py")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
        (tmp_path / name).write_text(block)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_IS_DEV_CLI", raising=False)
    monkeypatch.setenv("POSTGRES_URL", postgres.url)
    postgres.execute(
        "create schema shop",
        "create table shop.users as select 1 as id, 'Zoë' as name",
        "create table shop.orders (id int primary key, ordered_at timestamptz)",
        "insert into shop.orders values (1, now() - interval '1 day'), (2, now())",
    )
    yield tmp_path
    postgres.execute("drop schema shop cascade")


def loaded(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sling_assets_page", folder / "definitions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(defs: dg.Definitions, job: str, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(instance=instance)


def test_the_page_runs_as_it_stands(
    project: Path, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREPARE_ON_LOAD, "1")
    loaded(project)
    assert (project / ".mainstem" / "replication.catalog.json").exists()

    # From here on, definitions load without the database.
    monkeypatch.delenv(PREPARE_ON_LOAD)
    defs: dg.Definitions = loaded(project).defs
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(defs, "load", instance)
        assert len(result.get_asset_observation_events()) == 2
        assert len(result.get_asset_materialization_events()) == 2
        passed = {(each.asset_key.path[-1], each.check_name): each.passed for each in _checks(result)}
        assert passed == {
            ("users", "reconciliation"): True,
            ("users", "schema_change"): True,
            ("orders", "freshness"): True,
        }
        first = evaluated(defs, instance)
        postgres.execute("insert into shop.orders values (3, now())")
        run(defs, "look", instance)
        assert evaluated(defs, instance, first).get_num_requested(ORDERS) == 1
    assert Warehouse(project / "warehouse.duckdb").tables() == ["main.orders", "main.users"]


def _checks(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    return list(result.get_asset_check_evaluations())


def evaluated(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    before: dg.EvaluateAutomationConditionsResult | None = None,
) -> dg.EvaluateAutomationConditionsResult:
    return dg.evaluate_automation_conditions(
        defs,
        instance,
        asset_selection=dg.AssetSelection.assets(ORDERS),
        cursor=before.cursor if before else None,
    )
