"""A project that was written for the official package: only its import lines change."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import dagster as dg
import pytest

import mainstem.sling
from mainstem.testing.warehouse import Warehouse

# What `import dagster_sling` offers, of version 0.29.27.
NAMES = {
    *("DagsterSlingTranslator", "SlingConnectionResource", "SlingMode", "SlingResource", "sling_assets"),
    *("SlingReplicationCollectionComponent", "SlingReplicationParam", "SlingReplicationSpecModel"),
}
REPLICATION = """\
source: APP_DB
target: LAKE

defaults:
  mode: full-refresh
  object: "{stream_schema}.{stream_table}_copy"
  meta:
    dagster:
      group: app

streams:
  main.users:
    description: people
  main.orders:
    object: main.sales
    meta:
      dagster:
        asset_key: warehouse.sales
        deps: ["app.orders", "app_users"]
        auto_materialize_policy: true
  main.secrets:
    disabled: true
"""
PROJECT = """\
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster import AssetExecutionContext, AssetSpec, EnvVar, OpExecutionContext
from dagster_sling import (
    DagsterSlingTranslator,
    SlingConnectionResource,
    SlingMode,
    SlingResource,
    sling_assets,
)

HERE = Path(__file__).parent

sling_resource = SlingResource(
    connections=[
        SlingConnectionResource(name="APP_DB", type="sqlite", connection_string=EnvVar("APP_DB_URL")),
        SlingConnectionResource(name="LAKE", type="duckdb", instance=EnvVar("LAKE_FILE")),
        SlingConnectionResource(
            name="NOT_IN_USE", type="snowflake", host=EnvVar("NOBODY_SETS_THIS"), user="me", schema="public"
        ),
    ]
)


@dataclass
class WithOwner(DagsterSlingTranslator):
    target_prefix: str = "lake"

    def get_asset_spec(self, stream_definition: Mapping) -> AssetSpec:
        spec = super().get_asset_spec(stream_definition)
        return spec.replace_attributes(owners=["team:data"])

    def get_kinds(self, stream_definition):
        return {"sling", "duckdb"}


@sling_assets(
    replication_config=HERE / "replication.yaml",
    dagster_sling_translator=WithOwner(),
    name="app_to_lake",
    op_tags={"team": "data"},
)
def app_to_lake(context: AssetExecutionContext, sling: SlingResource):
    events = sling.replicate(context=context, debug=True, stream=True)
    yield from events.fetch_column_metadata().fetch_row_count()
    for row in sling.stream_raw_logs():
        context.log.debug(row)


@dg.asset(deps=[WithOwner().get_asset_spec({"name": "main.users", "config": {}}).key])
def newsletter(): ...


nightly = {
    "source": "APP_DB",
    "target": "LAKE",
    "defaults": {"mode": SlingMode.FULL_REFRESH},
    "streams": {"main.users": {"object": "main.nightly_users"}},
}


@dg.op(out={})
def replicate_nightly(context: OpExecutionContext, sling: SlingResource):
    for event in sling.replicate(
        context=context,
        replication_config=nightly,
        dagster_sling_translator=DagsterSlingTranslator(target_prefix="nightly"),
    ):
        yield event
    rows = sling.get_row_count_for_table("LAKE", "main.nightly_users")
    columns = [column["Column"] for column in sling.get_column_info_for_table("LAKE", "main.nightly_users")]
    yield dg.AssetObservation("nightly", metadata={"rows": rows, "columns": columns})


@dg.job
def nightly_job():
    replicate_nightly()


defs = dg.Definitions(
    assets=[app_to_lake, newsletter],
    jobs=[nightly_job, dg.define_asset_job("everything")],
    resources={"sling": sling_resource},
)
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "lake.duckdb")


@pytest.fixture
def project(tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    with closing(sqlite3.connect(tmp_path / "app.db")) as app, app:
        app.execute("create table users (id integer, name text)")
        app.execute("insert into users values (1, 'Zoë'), (2, 'Ann')")
        app.execute("create table orders as select 7 as id")
    monkeypatch.setenv("APP_DB_URL", f"sqlite://{tmp_path}/app.db")
    monkeypatch.setenv("LAKE_FILE", str(warehouse.path))
    (tmp_path / "replication.yaml").write_text(REPLICATION)
    changed, lines = re.subn(r"^from dagster_sling import", "from mainstem.sling import", PROJECT, flags=re.M)
    assert lines == 1
    assert "dagster_sling import" not in changed
    name = f"project_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(changed)
    spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


def test_every_public_name_is_there() -> None:
    assert set(mainstem.sling.__all__) >= NAMES


def test_its_graph_is_the_same(project: ModuleType) -> None:
    specs = {spec.key.to_user_string(): spec for spec in project.app_to_lake.specs}
    assert set(specs) == {"lake/main/users", "warehouse/sales"}
    users, sales = specs["lake/main/users"], specs["warehouse/sales"]
    assert [dep.asset_key.to_user_string() for dep in users.deps] == ["main/users"]
    assert {dep.asset_key.to_user_string() for dep in sales.deps} == {"app/orders", "app_users"}
    assert (users.group_name, sales.group_name, users.owners) == ("app", "app", ["team:data"])
    assert users.kinds == {"sling", "duckdb"}
    assert (users.automation_condition is None, sales.automation_condition is None) == (True, False)
    assert users.metadata["stream_config"].value["description"] == "people"
    assert (project.app_to_lake.op.name, project.app_to_lake.op.tags["team"]) == ("app_to_lake", "data")


def test_its_assets_run(project: ModuleType, warehouse: Warehouse) -> None:
    result = project.defs.resolve_job_def("everything").execute_in_process()
    assert result.success
    metadata = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert set(metadata) == {"lake/main/users", "warehouse/sales", "newsletter"}
    users = metadata["lake/main/users"]
    assert users["stream_name"].value == "main.users"
    assert users["dagster/row_count"].value == 2
    assert [column.name for column in users["dagster/column_schema"].value.columns] == ["id", "name"]
    lineage = users["dagster/column_lineage"].value.deps_by_column
    assert lineage["name"] == [dg.TableColumnDep(dg.AssetKey(["main", "users"]), "name")]
    assert warehouse.tables() == ["main.sales", "main.users_copy"]


def test_its_op_runs(project: ModuleType, warehouse: Warehouse) -> None:
    result = project.defs.resolve_job_def("nightly_job").execute_in_process()
    (observed,) = result.get_asset_observation_events()
    observation = observed.asset_observation_data.asset_observation
    found = {name: value.value for name, value in observation.metadata.items()}
    assert found == {"rows": 2, "columns": ["id", "name"]}
    keys = [
        event.asset_key for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"
    ]
    assert keys == [dg.AssetKey(["nightly", "main", "nightly_users"])]
    assert warehouse.query("select name from nightly_users order by id") == [("Zoë",), ("Ann",)]
