"""A whole project is wired: components in a folder of `dg`, and what selects assets."""

# No postponed annotations: Dagster reads those of an asset's function, which are local.

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from tests.graph.conftest import Replicate
from tests.graph.test_wire import sling, warehouse

from mainstem import wire

DEFINITIONS = """
from pathlib import Path

import dagster as dg
from mainstem import wire


@dg.definitions
def defs():
    return wire(dg.load_from_defs_folder(path_within_project=Path(__file__).parent))
"""
COMPONENT = """
type: mainstem.sling.SlingReplicationCollectionComponent
attributes:
  connections:
    APP: {{type: sqlite, instance: "{folder}/app.db"}}
    WAREHOUSE: {{type: duckdb, instance: "{folder}/w.duckdb"}}
  replications:
    - path: replication.yaml
"""
REPLICATION = """
source: APP
target: WAREHOUSE
defaults: {mode: full-refresh}
streams:
  main.orders: {object: raw.orders}
"""
CHART = """
import dagster as dg
from mainstem import table_dep


@dg.asset(deps=[table_dep("duckdb://{folder}/w.duckdb", "raw.orders")])
def chart(): ...
"""
ASKED = """
import json, warnings
warnings.simplefilter("ignore")
from lake.definitions import defs
made = defs()
deps = {spec.key.to_user_string(): [dep.asset_key.to_user_string() for dep in spec.deps]
        for spec in made.resolve_all_asset_specs()}
print(json.dumps([deps, made.component_tree is not None]))
"""


def test_components_and_python_in_a_folder_of_dg_are_joined(tmp_path: Path) -> None:
    package = tmp_path / "src" / "lake"
    (package / "defs" / "ingest").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "lake"\n'
    )
    (package / "__init__.py").touch()
    (package / "definitions.py").write_text(DEFINITIONS)
    (package / "defs" / "chart.py").write_text(CHART.format(folder=tmp_path))
    (package / "defs" / "ingest" / "defs.yaml").write_text(COMPONENT.format(folder=tmp_path))
    (package / "defs" / "ingest" / "replication.yaml").write_text(REPLICATION)
    path = os.pathsep.join([str(tmp_path / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deps, has_tree = json.loads(done.stdout.splitlines()[-1])
    assert deps["chart"] == ["target/raw/orders"]
    assert has_tree


def test_what_selects_assets_selects_along_the_joints(tmp_path: Path, replicate: Replicate) -> None:
    """Selections by definitions and by lineage are of the wired graph; sensors and schedules are kept."""
    dbt = warehouse(tmp_path)
    dbt.model("stg_orders", "main", [dbt.source("raw", "orders", "raw")])
    replicated, models = replicate("PG", "DUCK", {"data.orders": "raw.orders"}), dbt.assets()
    downstream = dg.AssetSelection.assets(replicated).downstream()
    upstream = dg.AssetSelection.assets(models).upstream()

    @dg.sensor(target=upstream)
    def polls() -> dg.SkipReason:
        return dg.SkipReason("Nothing.")

    @dg.asset_sensor(asset_key=dg.AssetKey(["target", "raw", "orders"]), job_name="down")
    def follows() -> Iterator[Any]:
        yield dg.RunRequest()

    defs = wire(
        dg.Definitions(
            assets=[replicated, models],
            jobs=[dg.define_asset_job("down", downstream), dg.define_asset_job("text", "+stg_orders")],
            schedules=[dg.ScheduleDefinition("nightly", cron_schedule="0 4 * * *", target=upstream)],
            sensors=[polls, follows, dg.AutomationConditionSensorDefinition("auto", target=downstream)],
            resources={"sling": sling(tmp_path)},
        )
    )
    repository = defs.get_repository_def()
    wanted = {dg.AssetKey(["target", "raw", "orders"]), dg.AssetKey("stg_orders")}
    for job in ("down", "text", repository.get_schedule_def("nightly").job_name):
        assert repository.get_job(job).asset_layer.selected_asset_keys == wanted, job
    assert {sensor.name for sensor in repository.sensor_defs} >= {"polls", "follows", "auto"}
