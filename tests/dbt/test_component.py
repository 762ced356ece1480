"""A dbt project as a component, in a project of `dg`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import pytest
import yaml

from mainstem.dbt import DbtCliResource, DbtProject, DbtProjectComponent
from mainstem.errors import ConfigError

# Dagster's own: when it reads a component's YAML, and where assets point at their code.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Class `(LocalFileCodeReference|CodeReferencesMetadataValue)`"),
]

BIN = Path(sys.executable).parent
PYPROJECT = """
[project]
name = "place"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "place"
registry_modules = ["mainstem.dbt"]
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


class DgProject:
    """A project of `dg`, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defs = folder / "src" / "place" / "defs"
        self.defs.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "src" / "place" / "__init__.py").touch()
        (folder / "src" / "place" / "definitions.py").write_text(DEFINITIONS)
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")

    def run(self, *command: str) -> str:
        """Run a command in the project, and return what it says."""
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
                "PYTHONPATH": os.pathsep.join([str(self.folder / "src"), os.environ.get("PYTHONPATH", "")]),
                "DAGSTER_HOME": str(self.home),
                "DG_CLI_DISABLE_TELEMETRY": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def component(self, name: str) -> dict[str, Any]:
        """The YAML of a component."""
        content: dict[str, Any] = yaml.safe_load((self.defs / name / "defs.yaml").read_text())
        return content

    def add(self, name: str, **attributes: Any) -> None:
        """Write a component, or more of it."""
        file = self.defs / name / "defs.yaml"
        file.parent.mkdir(exist_ok=True)
        known = self.component(name)["attributes"] if file.exists() else {}
        content = {"type": "mainstem.dbt.DbtProjectComponent", "attributes": {**known, **attributes}}
        file.write_text(yaml.safe_dump(content))


@pytest.fixture
def dg_project(tmp_path: Path) -> DgProject:
    return DgProject(tmp_path / "place")


def test_a_scaffolded_project_is_built_where_it_is(dg_project: DgProject, fresh_project: Path) -> None:
    scaffold = ("dg", "scaffold", "defs", "mainstem.dbt.DbtProjectComponent", "jaffle")
    dg_project.run(*scaffold, "--project-path", str(fresh_project))
    relative = os.path.relpath(fresh_project, dg_project.folder)
    assert dg_project.component("jaffle") == {
        "type": "mainstem.dbt.DbtProjectComponent",
        "attributes": {"project": f"{{{{ context.project_root }}}}/{relative}"},
    }
    dg_project.add(
        "jaffle",
        translation={"key_prefix": "wh", "group_name": "{{ node.resource_type }}s"},
        op={"name": "build_shop"},
    )
    dg_project.run("dg", "check", "defs")
    dg_project.run("dg", "launch", "--assets", "key:wh/seeds/raw_orders or key:wh/stg_payments")

    [target] = (fresh_project / "target").glob("build_shop-*")
    assert (target / "run_results.json").exists()
    assert not list(dg_project.folder.rglob("dbt_project.yml"))


def test_a_repository_is_cloned_when_the_state_is_refreshed(
    dg_project: DgProject, fresh_project: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    fresh_project.rename(repository / "jaffle")
    git = ["git", "-C", str(repository), "-c", "user.name=me", "-c", "user.email=me@example.com"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All of it"]):
        subprocess.run([*git, *command], check=True)
    url = repository.as_uri()
    scaffold = ("dg", "scaffold", "defs", "mainstem.dbt.DbtProjectComponent", "jaffle")
    dg_project.run(*scaffold, "--git-url", url, "--project-path", "jaffle")
    assert dg_project.component("jaffle")["attributes"] == {
        "project": {"repo_url": url, "repo_relative_path": "jaffle"}
    }
    dg_project.run("dg", "utils", "refresh-defs-state")
    assert "stg_payments" in dg_project.run("dg", "list", "defs", "--assets", "group:default")
    [manifest] = dg_project.folder.rglob("target/manifest.json")
    assert manifest.parts[-3:] == ("jaffle", "target", "manifest.json")


def define(text: str, kind: type[DbtProjectComponent] = DbtProjectComponent) -> dg.AssetsDefinition:
    """The assets of a component's YAML."""
    [assets] = dg.build_defs_for_component(kind.resolve_from_yaml(dedent(text))).assets or ()
    assert isinstance(assets, dg.AssetsDefinition)
    return assets


def test_everything_may_be_said_in_yaml(jaffle: DbtProject) -> None:
    assets = define(f"""
        project:
          project_dir: {jaffle.project_dir}
          target: dev
        select: +customers
        exclude: resource_type:seed
        op:
          name: nightly
          tags: {{team: crm}}
          pool: warehouse
          backfill_policy: {{type: multi_run, max_partitions_per_run: 3}}
        translation_settings:
          enable_source_tests_as_checks: false
        translation:
          key: "{{{{ spec.key.path | join('_') }}}}"
          key_prefix: [wh]
          description: "{{{{ node.resource_type }}}} {{{{ node.name }}}}"
          tags: {{tier: 1}}
          partitions_def: {{type: daily, start_date: "2026-01-01"}}
    """)
    assert assets.keys == {dg.AssetKey(["wh", name]) for name in ("stg_customers", "stg_orders", "customers")}
    customers = assets.specs_by_key[dg.AssetKey(["wh", "customers"])]
    assert {dep.asset_key for dep in customers.deps} == assets.keys - {customers.key}
    assert customers.description == "model customers"
    assert customers.tags["tier"] == "1"
    assert customers.partitions_def == dg.DailyPartitionsDefinition("2026-01-01")
    # The component knows where the project is.
    assert "dagster/code_references" in customers.metadata
    assert (assets.op.name, assets.op.pool, assets.op.tags["team"]) == ("nightly", "warehouse", "crm")
    assert assets.backfill_policy == dg.BackfillPolicy.multi_run(3)
    assert not [check for check in assets.check_specs if "source" in check.name]


def test_the_command_knows_the_partition_and_what_is_fetched(jaffle: DbtProject) -> None:
    seen: list[list[str]] = []

    class Watched(DbtProjectComponent):
        def get_cli_args(self, context: dg.AssetExecutionContext) -> list[str]:
            seen.append(super().get_cli_args(context))
            return seen[0]

    assets = define(
        f"""
        project: {jaffle.project_dir}
        select: raw_orders
        include_metadata: [row_count, column_metadata]
        cli_args:
          - build
          - --vars:
              day: "{{{{ partition_key }}}}"
              until: "{{{{ partition_time_window.end.strftime('%Y-%m-%d') }}}}"
          - --exclude: resource_type:test
        translation:
          partitions_def: {{type: daily, start_date: "2026-01-01"}}
        """,
        Watched,
    )
    result = dg.materialize([assets], partition_key="2026-01-02")
    assert seen == [
        ["build", "--vars", '{"day": "2026-01-02", "until": "2026-01-03"}', "--exclude", "resource_type:test"]
    ]
    [event] = result.get_asset_materialization_events()
    assert event.materialization.metadata["dagster/row_count"].value == 4
    assert "dagster/column_schema" in event.materialization.metadata


def test_a_component_of_ones_own_changes_specs_config_and_the_run(jaffle: DbtProject) -> None:
    class Fruit(dg.Config):
        fruit: str

    class Mine(DbtProjectComponent):
        @property
        def op_config_schema(self) -> type[dg.Config] | None:
            return Fruit

        def get_asset_spec(self, manifest: Any, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
            spec = super().get_asset_spec(manifest, unique_id, project)
            kind = self.get_resource_props(manifest, unique_id)["resource_type"]
            return spec.replace_attributes(key=spec.key.with_prefix(kind))

        def execute(self, context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
            context.log.info(f"about to build with {context.op_execution_context.op_config['fruit']}")
            yield from super().execute(context, dbt)

    assets = define(f"project: {jaffle.project_dir}\nselect: stg_payments", Mine)
    assert assets.keys == {dg.AssetKey(["model", "stg_payments"])}
    assert {dep.asset_key for spec in assets.specs for dep in spec.deps} == {
        dg.AssetKey(["source", "bank", "payments"])
    }
    config = {"ops": {"jaffle": {"config": {"fruit": "apples"}}}}
    assert dg.materialize([assets], run_config=config).success


def test_the_component_tells_keys_and_selections(jaffle: DbtProject) -> None:
    component = DbtProjectComponent(project=jaffle)
    assert component.asset_key_for_model("orders") == dg.AssetKey(["finance", "orders"])
    with pytest.raises(ConfigError, match="Did you mean orders"):
        component.asset_key_for_model("order")
    assets = dg.build_defs_for_component(component).resolve_assets_def(dg.AssetKey("customers"))
    selection = component.get_asset_selection("tag:nightly")
    assert selection.resolve([assets]) == {dg.AssetKey("customers")}


def test_a_repository_that_is_not_there_is_told_without_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "hush-hush")
    component = DbtProjectComponent.resolve_from_yaml(f"project: {{repo_url: {tmp_path.as_uri()}/nowhere}}")
    with pytest.raises(ConfigError, match="nowhere cannot be cloned") as raised:
        component.write_state_to_path(tmp_path / "state" / "state")
    assert "hush-hush" not in str(raised.value)
    with pytest.raises(ConfigError, match="dg utils refresh-defs-state"):
        dg.build_defs_for_component(component)
