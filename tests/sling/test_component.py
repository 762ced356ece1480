"""Replications as a component: defs.yaml, in a project of `dg` and by itself."""

# No `from __future__ import annotations`: Dagster reads the annotations of the component below.
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import pytest

from mainstem.sling import (
    SlingReplicationCollectionComponent,
    SlingReplicationSpecModel,
    SlingResource,
)
from mainstem.testing.warehouse import Warehouse

# Dagster's own, when it reads a component's YAML.
pytestmark = pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")

BIN = Path(sys.executable).parent
PYPROJECT = """
[project]
name = "lake"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "lake"
registry_modules = ["mainstem.sling"]
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
REPLICATION = """\
source: MY_SQLITE
target: MY_DUCKDB
defaults:
  mode: full-refresh
  object: "{stream_table}"
streams:
  main.users:
    meta: {dagster: {tags: {tier: gold}}}
  main.orders:
"""


class DgProject:
    """A project of `dg`, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defs = folder / "src" / "lake" / "defs"
        self.defs.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "src" / "lake" / "__init__.py").touch()
        (folder / "src" / "lake" / "definitions.py").write_text(DEFINITIONS)
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")

    def run(self, *command: str) -> str:
        """Run a command in the project, and return what it writes."""
        done = subprocess.run(
            [str(BIN / "dg"), *command],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
                "PYTHONPATH": os.pathsep.join([str(self.folder / "src"), os.environ.get("PYTHONPATH", "")]),
                "DAGSTER_HOME": str(self.home),
                "DG_CLI_DISABLE_TELEMETRY": "1",
                "SQLITE_URL_OF_TEST": f"sqlite://{self.folder}/shop.db",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def dg_project(tmp_path: Path) -> DgProject:
    return DgProject(tmp_path / "project")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    make_shop(path)
    return path


def make_shop(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table users (id integer primary key, name text)")
        connection.execute("create table orders (id integer primary key)")
        connection.execute("insert into users values (1, 'Zoë'), (2, null)")
    connection.close()


def test_a_scaffolded_replication_is_a_project_that_loads(dg_project: DgProject) -> None:
    dg_project.run("scaffold", "defs", "mainstem.sling.SlingReplicationCollectionComponent", "ingest")
    written = sorted(path.name for path in (dg_project.defs / "ingest").iterdir())
    assert written == ["defs.yaml", "replication.yaml"]
    dg_project.run("check", "defs")
    assert "target/public/my_table" in dg_project.run("list", "defs", "--json")


def test_a_replication_of_ones_own_is_translated_and_runs(dg_project: DgProject) -> None:
    make_shop(dg_project.folder / "shop.db")
    warehouse = Warehouse(dg_project.folder / "warehouse.duckdb")
    folder = dg_project.defs / "ingest"
    folder.mkdir()
    (folder / "replication.yaml").write_text(REPLICATION)
    (folder / "defs.yaml").write_text(
        dedent(f"""
            type: mainstem.sling.SlingReplicationCollectionComponent
            attributes:
              connections:
                MY_SQLITE:
                  type: sqlite
                  connection_string: "{{{{ env.SQLITE_URL_OF_TEST }}}}"
                MY_DUCKDB:
                  type: duckdb
                  connection_string: {warehouse.url}
              replications:
                - path: replication.yaml
                  translation:
                    key: "lake/{{{{ spec.key.path[-1] }}}}"
                    group_name: shop
                    description: "From {{{{ stream_definition.name }}}}"
            """)
    )
    dg_project.run("check", "defs")
    dg_project.run("launch", "--assets", "key:lake/users")
    assert warehouse.query("select * from users order by id") == [(1, "Zoë"), (2, None)]
    assert warehouse.tables() == ["main.users"]


def component_of(
    shop: Path,
    warehouse: Warehouse,
    replications: str,
    kind: type[SlingReplicationCollectionComponent] = SlingReplicationCollectionComponent,
    **scope: Any,
) -> SlingReplicationCollectionComponent:
    (shop.parent / "replication.yaml").write_text(REPLICATION)
    connections = f"""\
connections:
  MY_SQLITE: {{type: sqlite, instance: {shop}}}
  MY_DUCKDB: {{type: duckdb, connection_string: "{warehouse.url}"}}
"""
    text = connections + dedent(replications).replace("$here", str(shop.parent))
    component: SlingReplicationCollectionComponent = kind.resolve_from_yaml(text, scope=scope)
    return component


def assets_of(component: SlingReplicationCollectionComponent) -> dg.AssetsDefinition:
    defs = dg.build_defs_for_component(component)
    (assets,) = [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    return assets


def specs(assets: dg.AssetsDefinition) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in assets.specs}


PLAIN = """
    replications:
      - path: $here/replication.yaml
"""


def test_what_the_yaml_says_of_the_op_is_the_ops(shop: Path, warehouse: Warehouse) -> None:
    yaml = """
    replications:
      - path: $here/replication.yaml
        partitions_def: {type: daily, start_date: "2026-01-01"}
        op:
          name: nightly
          tags: {team: data}
          description: Every night
          pool: postgres
          backfill_policy: {type: single_run}
    """
    assets = assets_of(component_of(shop, warehouse, yaml))
    assert assets.op.name == "nightly"
    assert (assets.op.tags["team"], assets.op.description, assets.op.pool) == (
        "data",
        "Every night",
        "postgres",
    )
    assert assets.backfill_policy == dg.BackfillPolicy.single_run()
    assert assets.partitions_def == dg.DailyPartitionsDefinition(start_date="2026-01-01")
    assert assets_of(component_of(shop, warehouse, PLAIN)).op.name == "replication"


def test_an_asset_points_at_its_line_of_the_replication(shop: Path, warehouse: Warehouse) -> None:
    found = specs(assets_of(component_of(shop, warehouse, PLAIN)))["target/main/orders"]
    (reference,) = found.metadata["dagster/code_references"].code_references
    assert reference.file_path == str(shop.parent / "replication.yaml")
    assert REPLICATION.splitlines()[reference.line_number - 1].strip() == "main.orders:"


def test_a_translation_may_be_a_function_of_ones_own(shop: Path, warehouse: Warehouse) -> None:
    def rename(spec: dg.AssetSpec, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
        return spec.replace_attributes(key=["mine", stream_definition["name"].split(".")[1]])

    yaml = """
    replications:
      - path: $here/replication.yaml
        translation: "{{ rename(spec, stream_definition) }}"
    """
    assert set(specs(assets_of(component_of(shop, warehouse, yaml, rename=rename)))) == {
        "mine/users",
        "mine/orders",
    }


def test_the_yaml_and_the_streams_meta_both_hold(shop: Path, warehouse: Warehouse) -> None:
    yaml = """
    replications:
      - path: $here/replication.yaml
        translation:
          tags: {source: "{{ stream_definition.name }}"}
          deps: [upstream/app]
    """
    users = specs(assets_of(component_of(shop, warehouse, yaml)))["target/main/users"]
    assert (users.tags["tier"], users.tags["source"]) == ("gold", "main.users")
    assert [dep.asset_key for dep in users.deps] == [dg.AssetKey(["upstream", "app"])]


def test_metadata_is_fetched_where_the_yaml_asks_for_it(shop: Path, warehouse: Warehouse) -> None:
    yaml = """
    replications:
      - path: $here/replication.yaml
        include_metadata: [row_count, column_metadata, preview]
    """
    result = dg.materialize([assets_of(component_of(shop, warehouse, yaml))])
    (users, _) = result.get_asset_materialization_events()
    metadata = users.materialization.metadata
    assert metadata["dagster/row_count"].value == 2
    preview = metadata["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert [record.data for record in preview.records] == [
        {"id": 1, "name": "Zoë"},
        {"id": 2, "name": None},
    ]


class Derived(SlingReplicationCollectionComponent):
    """A component of one's own."""

    ran: list[str] = []  # noqa: RUF012 - shared by the instances on purpose

    def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
        return super().get_asset_spec(stream_definition).merge_attributes(tags={"mine": "yes"})

    def execute(
        self,
        context: dg.AssetExecutionContext,
        sling: SlingResource,
        replication_spec_model: SlingReplicationSpecModel,
    ) -> Iterator[Any]:
        self.ran.append(replication_spec_model.path)
        yield from super().execute(context, sling, replication_spec_model)


def test_a_component_may_be_derived_from(shop: Path, warehouse: Warehouse) -> None:
    assets = assets_of(component_of(shop, warehouse, PLAIN, Derived))
    assert specs(assets)["target/main/users"].tags["mine"] == "yes"
    assert dg.materialize([assets]).success
    assert Derived.ran == [str(shop.parent / "replication.yaml")]


def test_what_older_projects_write_under_sling_still_holds(shop: Path, warehouse: Warehouse) -> None:
    (shop.parent / "replication.yaml").write_text(REPLICATION)
    yaml = f"""
sling:
  connections:
    - {{name: MY_SQLITE, type: sqlite, instance: {shop}}}
    - {{name: MY_DUCKDB, type: duckdb, connection_string: "{warehouse.url}"}}
replications:
  - path: {shop.parent}/replication.yaml
"""
    with pytest.warns(DeprecationWarning, match="say `connections`, by name"):
        component = SlingReplicationCollectionComponent.resolve_from_yaml(yaml)
    assert dg.materialize([assets_of(component)]).success
    assert warehouse.query("select count(*) from users") == [(2,)]
