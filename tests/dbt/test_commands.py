"""dbt commands beside the asset graph, the ways of old included, and what is said when one cannot run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets, get_asset_key_for_model
from mainstem.errors import ConfigError, DbtRunError


def test_the_spelling_of_the_tutorial_parses_on_load(
    parsed_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_DBT_PARSE_PROJECT_ON_LOAD", "1")
    dbt = DbtCliResource(project_dir=os.fspath(parsed_project))
    if os.getenv("DAGSTER_DBT_PARSE_PROJECT_ON_LOAD"):
        parsed = dbt.cli(["--quiet", "parse"], target_path=Path("target")).wait()
        dbt_manifest_path = parsed.target_path.joinpath("manifest.json")
    assert dbt_manifest_path == parsed_project / "target" / "manifest.json"

    @dbt_assets(manifest=dbt_manifest_path)
    def jaffle_shop_dbt_assets(context: dg.AssetExecutionContext, dbt: DbtCliResource):  # type: ignore[no-untyped-def]  # as in the tutorial
        yield from dbt.cli(["build"], context=context).stream()

    assert get_asset_key_for_model([jaffle_shop_dbt_assets], "customers") == dg.AssetKey("customers")


def test_a_project_that_dbt_cannot_parse_fails_with_the_words_of_dbt(
    parsed_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (parsed_project / "models" / "wrong.sql").write_text("select * from {{ ref('nowhere') }}")
    invocation = DbtCliResource(parsed_project).cli(["--quiet", "parse"], raise_on_error=False)
    assert not invocation.is_successful()
    error = invocation.get_error()
    assert isinstance(error, DbtRunError)
    assert (error.command, error.exit_code, error.failures) == ("parse", 2, {})
    assert "dbt parse failed with exit code 2." in str(error)
    assert "depends on a node named 'nowhere' which was not found" in str(error)
    assert "Traceback" not in str(error)
    # Its events are still there to be read, after the question how it went.
    assert "MainEncounteredError" in [event.name for event in invocation.stream_raw_events()]
    assert "nowhere" in capsys.readouterr().out


def test_what_dbt_says_before_it_starts_is_in_the_error(jaffle: DbtProject) -> None:
    with pytest.raises(DbtRunError, match="No such option") as raised:
        DbtCliResource(jaffle).cli(["parse", "--nonsense"]).wait()
    assert raised.value.exit_code == 2


def test_an_artifact_that_the_command_does_not_write_is_named(
    jaffle: DbtProject, dbt: DbtCliResource
) -> None:
    invocation = dbt.cli(["parse"]).wait()
    assert invocation.get_artifact("manifest.json")["metadata"]["project_name"] == "jaffle"
    with pytest.raises(ConfigError, match=r"dbt parse wrote no run_results\.json"):
        invocation.get_artifact("run_results.json")


def test_a_wrong_path_says_so_at_once(tmp_path: Path, fresh_project: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        DbtCliResource(project_dir=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"it has no dbt_project\.yml"):
        DbtCliResource(project_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"it has no dbt_project\.yml"):
        DbtProject(tmp_path)
    with pytest.raises(ConfigError, match=r"it has no profiles\.yml"):
        DbtCliResource(project_dir=fresh_project, profiles_dir=tmp_path)
    with pytest.raises(ConfigError, match="There is no dbt at /no/such/dbt"):
        DbtCliResource(project_dir=fresh_project, dbt_executable="/no/such/dbt").cli(["parse"])
    with pytest.raises(ConfigError, match="There is no dbt command"):
        DbtCliResource(project_dir=fresh_project).cli(["--quiet"])


def test_the_resource_takes_what_the_project_knows(fresh_project: Path) -> None:
    (fresh_project / "profiles").mkdir()
    (fresh_project / "profiles.yml").rename(fresh_project / "profiles" / "profiles.yml")
    (fresh_project / "state").mkdir()
    (fresh_project / "state" / "manifest.json").write_text("{}")
    project = DbtProject(
        fresh_project,
        profiles_dir=fresh_project / "profiles",
        profile="jaffle",
        target="other",
        state_path="state",
    )
    dbt = DbtCliResource(project_dir=project)
    assert (dbt.profile, dbt.target) == ("jaffle", "other")
    assert dbt.profiles_dir == str(fresh_project / "profiles")
    assert dbt.get_state_args() == ["--state", str(fresh_project / "state")]
    assert dbt.get_defer_args() == ["--defer", "--defer-state", str(fresh_project / "state")]
    assert DbtCliResource(project_dir=fresh_project).get_state_args() == []


def test_the_project_may_be_configured_by_the_environment(
    jaffle: DbtProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAFFLE_DIR", str(jaffle.project_dir))

    @dg.asset
    def asset(dbt: DbtCliResource) -> str:
        return dbt.project_dir

    resources = {"dbt": DbtCliResource(project_dir=dg.EnvVar("JAFFLE_DIR"))}
    result = dg.materialize([asset], resources=resources)
    assert result.output_for_node("asset") == str(jaffle.project_dir)


def test_in_development_a_project_is_prepared_with_its_packages(
    fresh_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "models").mkdir(parents=True)
    (package / "dbt_project.yml").write_text("name: extra\nversion: '1.0'\n")
    (package / "models" / "extra_model.sql").write_text("select 1 as one")
    (fresh_project / "packages.yml").write_text(f"packages:\n  - local: {package}\n")
    project = DbtProject(fresh_project)
    missing = project.has_uninstalled_deps
    project.prepare_if_dev()
    assert not project.manifest_path.exists()
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    project.prepare_if_dev()
    assert (project.name, missing) == ("jaffle", True)
    assert not list(project.manifest_path.parent.glob("prepare-*"))
    assert not project.has_uninstalled_deps

    @dbt_assets(manifest=project.manifest_path, project=project)
    def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream()

    assert get_asset_key_for_model([shop], "extra_model") == dg.AssetKey("extra_model")


def test_a_packaged_project_is_used_where_it_is_deployed(
    fresh_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "packaged"
    assert DbtProject(fresh_project, packaged_project_dir=packaged).project_dir == fresh_project
    packaged.mkdir()
    (packaged / "dbt_project.yml").touch()
    assert DbtProject(fresh_project, packaged_project_dir=packaged).project_dir == packaged
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    assert DbtProject(fresh_project, packaged_project_dir=packaged).project_dir == fresh_project
