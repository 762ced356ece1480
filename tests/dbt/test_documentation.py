"""What docs/dbt.md shows, run."""

import re
import runpy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from mainstem.dbt import DbtCliResource, DbtProject, DbtProjectComponent
from mainstem.dbt.__main__ import __doc__ as command

DOCUMENT = (Path(__file__).parents[2] / "docs" / "dbt.md").read_text()


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def shown(parsed_project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's Python, as a module beside a project."""
    parsed_project.rename(parsed_project.with_name("jaffle"))
    folder = parsed_project.parent
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAGSTER_DBT_PARSE_PROJECT_ON_LOAD", "1")
    (folder / "shown.py").write_text("\n".join(blocks("python")))
    return runpy.run_path(str(folder / "shown.py"))


def test_the_page_runs_and_names_all_metadata(shown: dict[str, Any]) -> None:
    dg.Definitions.validate_loadable(shown["defs"])
    lineage = shown["shop"].metadata_by_key[dg.AssetKey("customers")]["dagster/column_lineage"]
    assert "total" in lineage.deps_by_column
    result = dg.materialize(
        [shown["shop"], shown["chart"]],
        selection=dg.AssetSelection.assets(["seeds", "raw_orders"], "stg_orders"),
        resources={"dbt": DbtCliResource(shown["project"])},
        raise_on_error=False,
    )
    materialized = [event.materialization.metadata for event in result.get_asset_materialization_events()]
    checked = [check.metadata for check in result.get_asset_check_evaluations()]
    assert materialized
    assert checked
    shared = {"stream_name", "dagster/table_name", "dagster/storage_kind"}
    for key in {key for metadata in (*materialized, *checked) for key in metadata} - shared:
        assert f"`{key}`" in DOCUMENT, key


# Dagster's own: when it reads a component's YAML, and where assets point at their code.
@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Class `(LocalFileCodeReference|CodeReferencesMetadataValue)`")
def test_the_component_is_valid(jaffle: DbtProject) -> None:
    [block] = blocks("yaml")
    shown = yaml.safe_load(block)
    assert shown["type"] == f"mainstem.dbt.{DbtProjectComponent.__name__}"
    attributes = {**shown["attributes"], "project": str(jaffle.project_dir)}
    component = DbtProjectComponent.resolve_from_yaml(yaml.safe_dump(attributes))
    assets = dg.build_defs_for_component(component).resolve_assets_def(dg.AssetKey("customers"))
    assert assets.op.name == "build_shop"
    assert assets.group_names_by_key[dg.AssetKey("customers")] == "models"


def test_the_command_is_the_one_that_there_is() -> None:
    [block] = blocks("sh")
    assert block.split("#")[0].strip() in str(command)
