"""The names and the signatures that projects written for the official package use."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import mainstem.dbt
from mainstem.dbt import (
    DagsterDbtCliRuntimeError,
    DagsterDbtError,
    DagsterDbtProjectPreparer,
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliEventMessage,
    DbtCliInvocation,
    DbtCliResource,
    DbtManifestAssetSelection,
    DbtProject,
    DbtProjectComponent,
    DbtProjectPreparer,
    build_dbt_asset_selection,
    build_dbt_asset_specs,
    build_freshness_checks_from_dbt_assets,
    build_schedule_from_dbt_selection,
    dbt_assets,
    default_group_from_dbt_resource_props,
    default_metadata_from_dbt_resource_props,
    get_asset_key_for_model,
    get_asset_key_for_source,
    get_asset_keys_by_output_name_for_source,
    group_from_dbt_resource_props_fallback_to_directory,
)

# All that the official package exports, but for dbt Cloud.
OFFICIAL = {
    *("DagsterDbtCliRuntimeError", "DagsterDbtError", "DagsterDbtProjectPreparer", "DagsterDbtTranslator"),
    *("DagsterDbtTranslatorSettings", "DbtCliEventMessage", "DbtCliInvocation", "DbtCliResource"),
    *("DbtManifestAssetSelection", "DbtProject", "DbtProjectComponent", "DbtProjectPreparer", "__version__"),
    *("build_dbt_asset_selection", "build_dbt_asset_specs", "build_freshness_checks_from_dbt_assets"),
    *("build_schedule_from_dbt_selection", "dbt_assets", "default_group_from_dbt_resource_props"),
    *("default_metadata_from_dbt_resource_props", "get_asset_key_for_model", "get_asset_key_for_source"),
    "get_asset_keys_by_output_name_for_source",
    "group_from_dbt_resource_props_fallback_to_directory",
}
SELECTION = "select exclude selector"
ARGUMENTS: list[tuple[Callable[..., Any], str]] = [
    (
        dbt_assets,
        f"manifest {SELECTION} name io_manager_key partitions_def dagster_dbt_translator backfill_policy "
        "op_tags required_resource_keys project retry_policy pool",
    ),
    (build_dbt_asset_specs, f"manifest dagster_dbt_translator {SELECTION} project"),
    (build_dbt_asset_selection, "dbt_assets dbt_select dbt_exclude dbt_selector"),
    (
        build_schedule_from_dbt_selection,
        "dbt_assets job_name cron_schedule dbt_select dbt_exclude dbt_selector schedule_name tags config "
        "execution_timezone default_status",
    ),
    (build_freshness_checks_from_dbt_assets, "dbt_assets"),
    (get_asset_key_for_model, "dbt_assets model_name"),
    (get_asset_key_for_source, "dbt_assets source_name"),
    (get_asset_keys_by_output_name_for_source, "dbt_assets source_name"),
    (default_metadata_from_dbt_resource_props, "dbt_resource_props"),
    (default_group_from_dbt_resource_props, "dbt_resource_props"),
    (group_from_dbt_resource_props_fallback_to_directory, "dbt_resource_props"),
    (DbtManifestAssetSelection.build, "manifest select dagster_dbt_translator exclude selector project"),
    (
        DbtProject,
        "project_dir target_path profiles_dir profile target packaged_project_dir state_path "
        "prepare_project_cli_args",
    ),
    (
        DbtCliResource.__init__,
        "self project_dir global_config_flags profiles_dir profile target dbt_executable state_path kwargs",
    ),
    (
        DbtCliResource.cli,
        "self args raise_on_error manifest dagster_dbt_translator context target_path",
    ),
    (
        DbtCliEventMessage.to_default_asset_events,
        "self manifest dagster_dbt_translator context target_path project",
    ),
    (DagsterDbtTranslator.get_asset_spec, "self manifest unique_id project"),
    (DagsterDbtTranslator.get_asset_check_spec, "self asset_spec manifest unique_id project"),
]
METHODS: list[tuple[type, str]] = [
    (DbtProject, "prepare_if_dev"),
    (DbtProjectPreparer, "prepare prepare_if_dev using_dagster_dev"),
    (DagsterDbtProjectPreparer, "prepare prepare_if_dev using_dagster_dev"),
    (DbtCliResource, "cli get_defer_args get_state_args"),
    (DbtCliInvocation, "wait is_successful get_error stream stream_raw_events get_artifact dbt_command"),
    (DbtCliEventMessage, "is_result_event has_column_lineage_metadata to_default_asset_events"),
    (
        DagsterDbtTranslator,
        "settings get_resource_props get_asset_spec get_asset_check_spec get_asset_key get_description "
        "get_partition_mapping get_metadata get_tags get_group_name get_code_version get_owners "
        "get_auto_materialize_policy get_automation_condition get_partitions_def",
    ),
    (
        DbtProjectComponent,
        "translator get_resource_props get_asset_spec get_asset_check_spec dbt_project get_asset_selection "
        "get_cli_args execute asset_key_for_model op_config_schema config_cls",
    ),
]


def test_every_official_name_is_here_and_no_other() -> None:
    assert set(mainstem.dbt.__all__) == OFFICIAL


@pytest.mark.parametrize(
    ("function", "expected"), ARGUMENTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_function_takes_the_official_arguments_in_their_order(
    function: Callable[..., Any], expected: str
) -> None:
    assert list(inspect.signature(function).parameters) == expected.split()


@pytest.mark.parametrize(("cls", "expected"), METHODS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_class_has_the_official_methods(cls: type, expected: str) -> None:
    assert {name for name in expected.split() if not hasattr(cls, name)} == set()


def test_the_settings_are_the_official_ones_and_one_more() -> None:
    settings = set(inspect.signature(DagsterDbtTranslatorSettings).parameters)
    assert settings - {"enable_column_lineage"} == {
        "enable_asset_checks",
        "enable_duplicate_source_asset_keys",
        "enable_code_references",
        "enable_dbt_selection_by_name",
        "enable_source_tests_as_checks",
        "enable_source_metadata",
        "enable_dbt_views_as_virtual_assets",
    }


def test_errors_are_caught_by_their_official_names(jaffle: DbtProject, tmp_path: Path) -> None:
    with pytest.raises(DagsterDbtError):
        DbtProject(tmp_path)
    with pytest.raises(DagsterDbtCliRuntimeError):
        DbtCliResource(jaffle).cli(["parse", "--nonsense"]).wait()
    assert issubclass(DagsterDbtCliRuntimeError, DagsterDbtError)


def test_assets_can_be_had_without_what_runs_them(jaffle: DbtProject) -> None:
    specs = build_dbt_asset_specs(manifest=jaffle.manifest_path, select="tag:nightly")
    assert [spec.key for spec in specs] == [dg.AssetKey("customers")]
    dg.Definitions.validate_loadable(dg.Definitions(assets=specs))


def test_groups_can_fall_back_to_folders(jaffle: DbtProject) -> None:
    class ByFolder(DagsterDbtTranslator):
        def get_group_name(self, dbt_resource_props: Any) -> str | None:
            return group_from_dbt_resource_props_fallback_to_directory(dbt_resource_props)

    specs = build_dbt_asset_specs(manifest=jaffle.manifest_path, dagster_dbt_translator=ByFolder())
    groups = {spec.key.to_user_string(): spec.group_name for spec in specs}
    assert groups["customers"] == "sales"
    assert groups["stg_orders"] == "staging"
    assert groups["seeds/raw_orders"] is None


# Dagster's own: policies are deprecated, and existing projects have them.
@pytest.mark.filterwarnings("ignore:.*`AutoMaterializePolicy:DeprecationWarning")
@pytest.mark.parametrize("kind", ["eager", "lazy"])
def test_an_older_policy_is_a_condition(kind: str) -> None:
    node = {"meta": {"dagster": {"auto_materialize_policy": {"type": kind}}}}
    assert isinstance(DagsterDbtTranslator().get_automation_condition(node), dg.AutomationCondition)
    assert DagsterDbtTranslator().get_automation_condition({}) is None


def test_a_model_may_depend_on_its_own_earlier_partitions(jaffle: DbtProject) -> None:
    class Mapped(DagsterDbtTranslator):
        def get_partition_mapping(
            self, dbt_resource_props: Any, dbt_parent_resource_props: Any
        ) -> dg.PartitionMapping | None:
            if dbt_resource_props is not dbt_parent_resource_props:
                return None
            return dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

    def model(name: str, **more: Any) -> dict[str, Any]:
        same = {"resource_type": "model", "name": name, "original_file_path": f"{name}.sql"}
        return {"unique_id": f"model.shop.{name}", **same, **more}

    running = model("running", meta={"dagster": {"has_self_dependency": True}})
    manifest = {"nodes": {node["unique_id"]: node for node in (running, model("other"))}}
    specs = build_dbt_asset_specs(manifest=manifest, dagster_dbt_translator=Mapped())
    deps = {spec.key.to_user_string(): [dep.asset_key for dep in spec.deps] for spec in specs}
    assert deps == {"running": [dg.AssetKey("running")], "other": []}
