"""dlt loads as a component, in a project of `dg`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import pytest

from mainstem.dlt import DagsterDltResource, DltLoadCollectionComponent, DltResourceTranslatorData

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
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
LOADS = """
import dlt


@dlt.source
def shop():
    @dlt.resource(table_name="customers")
    def users():
        yield [{"id": 1, "tags": [{"tag": "new"}]}]

    @dlt.resource
    def orders():
        yield [{"id": 1}, {"id": 2}]

    return users, orders


source = shop()
pipeline = dlt.pipeline("shop", destination=dlt.destinations.duckdb("shop.duckdb"), dataset_name="raw")
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


@pytest.fixture
def dg_project(tmp_path: Path) -> DgProject:
    return DgProject(tmp_path / "project")


def test_a_scaffolded_load_is_valid(dg_project: DgProject) -> None:
    dg_project.run(
        *("dg", "scaffold", "defs", "mainstem.dlt.DltLoadCollectionComponent", "loads"),
        *("--source", "sql_database", "--destination", "duckdb"),
    )
    written = sorted(path.name for path in (dg_project.defs / "loads").iterdir())
    assert written == ["defs.yaml", "loads.py"]

    dg_project.run("dagster", "definitions", "validate", "-m", "lake.definitions")


def test_a_load_of_ones_own_is_translated_and_runs(dg_project: DgProject) -> None:
    folder = dg_project.defs / "shop"
    folder.mkdir()
    (folder / "loads.py").write_text(LOADS)
    (folder / "defs.yaml").write_text(
        dedent("""
            type: mainstem.dlt.DltLoadCollectionComponent
            attributes:
              loads:
                - source: .loads.source
                  pipeline: .loads.pipeline
                  source_assets: true
                  nested_tables:
                    users: [customers__tags]
                  translation:
                    key: "lake/{{ resource.name }}"
                    group_name: "{{ pipeline.pipeline_name }}"
        """)
    )

    dg_project.run("dg", "check", "defs")
    dg_project.run("dg", "launch", "--assets", "group:shop")

    (database,) = dg_project.folder.parent.rglob("shop.duckdb")
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("select count(*) from raw.orders").fetchall() == [(2,)]
        assert connection.execute("select tag from raw.customers__tags").fetchall() == [("new",)]


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module with a source and a pipeline."""
    name = f"loads_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(LOADS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def build(
    yaml: str, loads: str, kind: type[DltLoadCollectionComponent] = DltLoadCollectionComponent
) -> dg.Definitions:
    """The definitions of a component's YAML."""
    component = kind.resolve_from_yaml(dedent(yaml).replace("$loads", loads))
    return dg.build_defs_for_component(component)


def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


PLAIN = """
    loads:
      - source: $loads.source
        pipeline: $loads.pipeline
"""


def test_an_assets_key_is_its_dataset_and_its_table(loads: str) -> None:
    found = specs(build(PLAIN, loads))

    assert {"raw/customers", "raw/orders"} <= set(found)
    assert found["raw/customers"].kinds == {"dlt", "duckdb"}


def test_everything_about_an_asset_may_be_said_in_yaml(loads: str) -> None:
    found = specs(
        build(
            """
            loads:
              - source: $loads.source
                pipeline: $loads.pipeline
                partitions_def: {type: daily, start_date: "2026-01-01"}
                backfill_policy: {type: multi_run, max_partitions_per_run: 3}
                translation:
                  key: "{{ spec.key.path[-1] }}"
                  key_prefix: [lake]
                  deps: [upstream/api]
                  description: "From {{ resource.source_name }} by {{ pipeline.pipeline_name }}"
                  group_name: shop
                  owners: [team:data]
                  tags: {tier: "1"}
                  metadata: {dataset: "{{ pipeline.dataset_name }}"}
                  kinds: [api]
                  code_version: "2"
                  automation_condition: "{{ dg.AutomationCondition.eager() }}"
            """,
            loads,
        )
    )
    orders = found["lake/orders"]

    assert [dep.asset_key for dep in orders.deps] == [dg.AssetKey(["upstream", "api"])]
    assert orders.description == "From shop by shop"
    assert orders.group_name == "shop"
    assert orders.owners == ["team:data"]
    assert orders.tags["tier"] == "1"
    assert orders.metadata["dataset"] == "raw"
    assert orders.metadata["dagster/storage_kind"] == "duckdb"
    assert orders.kinds == {"api"}
    assert orders.code_version == "2"
    assert orders.automation_condition == dg.AutomationCondition.eager()
    assert orders.partitions_def == dg.DailyPartitionsDefinition(start_date="2026-01-01")


@pytest.mark.parametrize(
    ("yaml", "partitions"),
    [
        (
            "{type: hourly, start_date: 2026-01-01-00:00, minute_offset: 5}",
            dg.HourlyPartitionsDefinition("2026-01-01-00:00", minute_offset=5),
        ),
        (
            "{type: weekly, start_date: '2026-01-01', day_offset: 1}",
            dg.WeeklyPartitionsDefinition("2026-01-01", day_offset=1),
        ),
        (
            "{type: time_window, start_date: '2026-01-01', fmt: '%Y-%m-%d', cron_schedule: 0 0 1 * *}",
            dg.TimeWindowPartitionsDefinition(start="2026-01-01", fmt="%Y-%m-%d", cron_schedule="0 0 1 * *"),
        ),
        ("{type: static, partition_keys: [a, b]}", dg.StaticPartitionsDefinition(["a", "b"])),
    ],
    ids=["hourly", "weekly", "time window", "static"],
)
def test_all_partitions_may_be_said_in_yaml(
    loads: str, yaml: str, partitions: dg.PartitionsDefinition[Any]
) -> None:
    found = specs(
        build(f"{dedent(PLAIN)}    partitions_def: {yaml}\n    backfill_policy: {{type: single_run}}", loads)
    )

    assert found["raw/orders"].partitions_def == partitions


def test_a_translation_may_be_a_function_of_ones_own(loads: str) -> None:
    def rename(spec: dg.AssetSpec, resource: Any) -> dg.AssetSpec:
        return spec.replace_attributes(key=["mine", resource.name])

    component = DltLoadCollectionComponent.resolve_from_yaml(
        f"{dedent(PLAIN)}    translation: '{{{{ rename(spec, resource) }}}}'".replace("$loads", loads),
        scope={"rename": rename},
    )

    assert {"mine/users", "mine/orders"} <= set(specs(dg.build_defs_for_component(component)))


class Tagged(DltLoadCollectionComponent):
    """A component of one's own."""

    ran: list[str] = []  # noqa: RUF012 - shared by the instances on purpose

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        spec = super().get_asset_spec(data)
        return spec.merge_attributes(tags={"resource": data.resource.name})

    def execute(
        self, context: dg.AssetExecutionContext, dlt_pipeline_resource: DagsterDltResource
    ) -> Iterator[Any]:
        self.ran.append("before")
        yield from super().execute(context, dlt_pipeline_resource)
        self.ran.append("after")


def test_a_component_may_be_derived_from(loads: str) -> None:
    defs = build(PLAIN, loads, Tagged)
    (assets,) = [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]

    assert specs(defs)["raw/customers"].tags["resource"] == "users"
    assert dg.materialize([assets]).success
    assert Tagged.ran == ["before", "after"]


def test_two_loads_of_one_source_into_one_dataset_stand_side_by_side(loads: str) -> None:
    defs = build(
        """
        loads:
          - source: $loads.source
            pipeline: $loads.pipeline
          - source: $loads.source
            pipeline: $loads.pipeline
            translation: {key_prefix: copy}
        """,
        loads,
    )

    assert {"raw/orders", "copy/raw/orders"} <= set(specs(defs))


def test_a_name_that_is_not_in_the_module_is_told(loads: str) -> None:
    with pytest.raises(Exception, match=rf"{loads}\.sauce is not there: the module {loads} has no sauce"):
        build(PLAIN.replace("$loads.source", "$loads.sauce"), loads)


def test_the_scaffolder_wants_both_a_source_and_a_destination_or_neither(dg_project: DgProject) -> None:
    with pytest.raises(AssertionError, match="Give both or neither"):
        dg_project.run(
            *("dg", "scaffold", "defs", "mainstem.dlt.DltLoadCollectionComponent", "loads"),
            *("--source", "sql_database"),
        )


def test_without_dlt_the_module_can_be_imported_and_says_what_is_missing() -> None:
    code = "import sys; sys.modules['dlt'] = None; import mainstem.dlt; from mainstem.dlt import dlt_assets"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert "ModuleNotFoundError: mainstem.dlt needs dlt: pip install 'mainstem[dlt]'" in done.stderr
