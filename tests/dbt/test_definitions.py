"""What the asset graph knows of a dbt project before anything runs."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from mainstem.dbt.manifest import read_manifest
from mainstem.errors import ConfigError


def key(text: str) -> dg.AssetKey:
    return dg.AssetKey.from_user_string(text)


def specs_of(assets: dg.AssetsDefinition) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in assets.specs}


def deps_of(spec: dg.AssetSpec) -> set[str]:
    return {dep.asset_key.to_user_string() for dep in spec.deps}


def define(manifest: Mapping[str, Any] | Path, **options: Any) -> dg.AssetsDefinition:
    @dbt_assets(manifest=manifest, **options)
    def assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream()

    return assets


def manifest_of(*nodes: Mapping[str, Any], **collections: Any) -> Mapping[str, Any]:
    return {"nodes": {node["unique_id"]: node for node in nodes}, **collections}


def model(name: str, **more: Any) -> dict[str, Any]:
    return {
        "unique_id": f"model.shop.{name}",
        "resource_type": "model",
        "package_name": "shop",
        "name": name,
        "fqn": ["shop", name],
        "original_file_path": f"models/{name}.sql",
        **more,
    }


def test_models_seeds_and_snapshots_are_assets_and_ephemeral_models_are_not(
    shop: dg.AssetsDefinition,
) -> None:
    assert set(specs_of(shop)) == {
        "seeds/raw_orders",
        "stg_customers",
        "stg_orders",
        "stg_payments",
        "customers",
        "finance/orders",
        "order_days",
        "daily_orders",
        "history/customers_history",
    }


def test_an_asset_depends_on_what_it_reads_through_ephemeral_models_and_on_sources(
    shop: dg.AssetsDefinition,
) -> None:
    specs = specs_of(shop)
    assert deps_of(specs["customers"]) == {"stg_customers", "stg_orders"}
    assert deps_of(specs["stg_customers"]) == {"shop/customers"}
    assert deps_of(specs["stg_payments"]) == {"bank/payments"}
    assert deps_of(specs["order_days"]) == {"finance/orders"}
    assert deps_of(specs["history/customers_history"]) == {"stg_customers"}


def test_the_dependency_on_a_source_says_which_table_it_is(shop: dg.AssetsDefinition) -> None:
    [dep] = specs_of(shop)["stg_customers"].deps
    assert dep.metadata["dagster/table_name"] == "jaffle.raw.shop_customers"
    assert dep.metadata["dagster/storage_kind"] == "duckdb"


def test_an_asset_tells_its_table_its_columns_and_how_dbt_builds_it(shop: dg.AssetsDefinition) -> None:
    spec = specs_of(shop)["customers"]
    assert spec.metadata["dagster/table_name"] == "jaffle.main.customers"
    assert spec.metadata["dagster-dbt/materialization_type"] == "table"
    assert spec.kinds == {"dbt", "duckdb"}
    columns = spec.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns] == [
        ("customer_id", "integer"),
        ("total", "decimal(18,2)"),
    ]
    assert columns[0].description == "The customer."
    assert not columns[0].constraints.nullable
    assert columns[1].constraints.nullable


def test_description_group_owners_and_tags_come_from_the_project(shop: dg.AssetsDefinition) -> None:
    specs = specs_of(shop)
    assert specs["customers"].description is not None
    assert specs["customers"].description.startswith("One row for each customer.")
    assert "{{ ref('stg_customers') }}" in specs["customers"].description
    assert specs["customers"].group_name == "sales"
    assert specs["customers"].owners == ["team:crm"]
    assert "nightly" in specs["customers"].tags
    assert specs["order_days"].owners == ["sales@example.com"]
    assert specs["finance/orders"].group_name == "finance"


def test_a_dbt_tag_that_dagster_forbids_is_left_out(shop: dg.AssetsDefinition) -> None:
    tags = set(specs_of(shop)["stg_orders"].tags)
    assert tags == {"staging", "dagster/kind/dbt", "dagster/kind/duckdb"}


def test_a_code_version_changes_with_the_sql_of_its_own_model_alone() -> None:
    def versions(sql: str) -> dict[str, str | None]:
        manifest = manifest_of(model("a", raw_code=sql), model("b", raw_code="select 2"))
        return {name: spec.code_version for name, spec in specs_of(define(manifest)).items()}

    before, after = versions("select 1"), versions("select 1 as one")
    assert before["a"] != after["a"]
    assert before["b"] == after["b"]
    assert before["a"] != before["b"]


def test_a_code_version_changes_with_the_macros_and_the_ephemeral_models_that_a_model_is_made_of() -> None:
    def versions(macro: str = "1", inner: str = "2", ephemeral: str = "3", dbts: str = "4") -> dict[str, Any]:
        def of(name: str, *macros: str, **more: Any) -> dict[str, Any]:
            depends_on = {"macros": macros, "nodes": more.pop("nodes", [])}
            return model(name, raw_code=f"select '{name}'", depends_on=depends_on, **more)

        manifest = manifest_of(
            of("plain"),
            of("with_macro", "macro.shop.outer"),
            {**of("hidden", "macro.shop.inner", config={"materialized": "ephemeral"}), "raw_code": ephemeral},
            of("with_hidden", "macro.dbt.theirs", nodes=["model.shop.hidden"]),
            macros={
                "macro.shop.outer": {"macro_sql": macro, "depends_on": {"macros": ["macro.shop.inner"]}},
                "macro.shop.inner": {"macro_sql": inner, "depends_on": {"macros": ["macro.shop.outer"]}},
                "macro.dbt.theirs": {"macro_sql": dbts, "depends_on": {"macros": []}},
            },
        )
        return {name: spec.code_version for name, spec in specs_of(define(manifest)).items()}

    def changed(**what: str) -> set[str]:
        before, after = versions(), versions(**what)
        return {name for name, version in after.items() if version != before[name]}

    assert changed(macro="new") == {"with_macro", "with_hidden"}
    assert changed(inner="new") == {"with_macro", "with_hidden"}
    assert changed(ephemeral="new") == {"with_hidden"}
    # The next version of dbt is no new version of the project.
    assert changed(dbts="new") == set()


def test_a_code_version_of_ones_own_is_the_code_version() -> None:
    class Mine(DagsterDbtTranslator):
        def get_code_version(self, dbt_resource_props: Mapping[str, Any]) -> str:
            return f"v-{dbt_resource_props['name']}"

    hidden = model("hidden", raw_code="1", config={"materialized": "ephemeral"})
    manifest = manifest_of(hidden, model("a", raw_code="2", depends_on={"nodes": ["model.shop.hidden"]}))
    assert specs_of(define(manifest, dagster_dbt_translator=Mine()))["a"].code_version == "v-a"


def test_dbt_tests_are_checks_on_the_node_that_they_are_about(shop: dg.AssetsDefinition) -> None:
    checks = {(check.asset_key.to_user_string(), check.name) for check in shop.check_specs}
    assert checks == {
        ("customers", "unique_customers_customer_id"),
        ("customers", "not_null_customers_customer_id"),
        ("customers", "no_negative_totals"),
        ("customers", "totals_agree"),
        ("finance/orders", "unique_orders_order_id"),
        ("stg_customers", "unique_stg_customers_customer_id"),
        ("stg_customers", "not_null_stg_customers_customer_id"),
        ("stg_customers", "named_customers_stg_customers_"),
        ("stg_orders", "unique_stg_orders_order_id"),
        ("stg_orders", "relationships_stg_orders_customer_id__customer_id__ref_stg_customers_"),
        ("stg_orders", "amounts_are_round"),
        ("shop/customers", "source_not_null_shop_customers_id"),
    }


def test_a_check_knows_what_else_it_reads_and_blocks_unless_it_only_warns(shop: dg.AssetsDefinition) -> None:
    checks = {check.name: check for check in shop.check_specs}
    assert {dep.asset_key for dep in checks["totals_agree"].additional_deps} == {key("finance/orders")}
    assert checks["totals_agree"].blocking
    assert not checks["amounts_are_round"].blocking


def test_a_check_on_a_source_does_not_block_the_other_readers_of_the_source(
    shop: dg.AssetsDefinition,
) -> None:
    checks = {check.name: check for check in shop.check_specs}
    assert not checks["source_not_null_shop_customers_id"].blocking


def test_tests_are_no_checks_where_the_settings_say_so(jaffle: DbtProject) -> None:
    none = DagsterDbtTranslatorSettings(enable_asset_checks=False)
    assets = define(jaffle.manifest_path, dagster_dbt_translator=DagsterDbtTranslator(none))
    assert not list(assets.check_specs)
    own = DagsterDbtTranslatorSettings(enable_source_tests_as_checks=False)
    assets = define(jaffle.manifest_path, dagster_dbt_translator=DagsterDbtTranslator(own))
    assert key("shop/customers") not in {check.asset_key for check in assets.check_specs}
    assert len(list(assets.check_specs)) == 11


def test_a_changed_key_is_followed_by_dependencies_and_checks(jaffle: DbtProject) -> None:
    class Prefixed(DagsterDbtTranslator):
        def get_asset_spec(
            self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
        ) -> dg.AssetSpec:
            spec = super().get_asset_spec(manifest, unique_id, project)
            return spec.replace_attributes(key=spec.key.with_prefix("wh"))

    assets = define(jaffle.manifest_path, dagster_dbt_translator=Prefixed())
    assert deps_of(specs_of(assets)["wh/customers"]) == {"wh/stg_customers", "wh/stg_orders"}
    assert deps_of(specs_of(assets)["wh/stg_customers"]) == {"wh/shop/customers"}
    checks = {check.name: check for check in assets.check_specs}
    assert checks["totals_agree"].asset_key == key("wh/customers")
    assert {dep.asset_key for dep in checks["totals_agree"].additional_deps} == {key("wh/finance/orders")}


def test_each_attribute_can_be_overridden_alone_also_without_calling_super_init(jaffle: DbtProject) -> None:
    class Mine(DagsterDbtTranslator):
        def __init__(self) -> None:
            self.mine = True

        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            return super().get_asset_key(dbt_resource_props).with_prefix("wh")

        def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
            return f"all_{dbt_resource_props['resource_type']}s"

        def get_automation_condition(
            self, dbt_resource_props: Mapping[str, Any]
        ) -> dg.AutomationCondition[Any] | None:
            eager = dbt_resource_props["name"] == "customers"
            return dg.AutomationCondition.eager() if eager else None

    spec = specs_of(define(jaffle.manifest_path, dagster_dbt_translator=Mine()))["wh/customers"]
    assert deps_of(spec) == {"wh/stg_customers", "wh/stg_orders"}
    assert spec.group_name == "all_models"
    assert spec.automation_condition is not None


def test_the_class_instead_of_an_object_is_told_apart(jaffle: DbtProject) -> None:
    with pytest.raises(ConfigError, match=r"dagster_dbt_translator=MyTranslator\(\)"):
        define(jaffle.manifest_path, dagster_dbt_translator=DagsterDbtTranslator)


def test_two_nodes_with_one_key_are_named_with_their_files() -> None:
    meta = {"dagster": {"asset_key": ["b"]}}
    with pytest.raises(ConfigError) as raised:
        define(manifest_of(model("a", meta=meta), model("b")))
    assert "b: model.shop.a (models/a.sql), model.shop.b (models/b.sql)" in str(raised.value)
    assert "meta.dagster.asset_key" in str(raised.value)


def test_a_configured_key_may_stand_on_the_node_or_in_its_config_as_a_list_or_as_text() -> None:
    manifest = manifest_of(
        model("a", meta={"dagster": {"asset_key": ["x", "a"]}}),
        model("b", config={"meta": {"dagster": {"asset_key": "x/b"}}}),
    )
    assert define(manifest).keys == {key("x/a"), key("x/b")}


def test_a_versioned_model_is_called_by_its_alias_and_a_configured_schema_leads() -> None:
    manifest = manifest_of(
        model("a", version=2, alias="a_v2"), model("b", config={"schema": "marts"}), model("c", config={})
    )
    assert define(manifest).keys == {key("a_v2"), key("marts/b"), key("c")}


def test_sources_may_share_a_key_where_the_settings_say_so() -> None:
    def source(table: str) -> dict[str, Any]:
        return {
            "unique_id": f"source.shop.raw.{table}",
            "resource_type": "source",
            "source_name": "raw",
            "name": table,
            "original_file_path": "models/sources.yml",
            "meta": {"dagster": {"asset_key": ["lake"]}},
        }

    sources = {"source.shop.raw.a": source("a"), "source.shop.raw.b": source("b")}
    manifest = manifest_of(model("m", depends_on={"nodes": list(sources)}), sources=sources)
    with pytest.raises(ConfigError, match=r"lake: source\.shop\.raw\.a .*source\.shop\.raw\.b"):
        define(manifest)
    shared = DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)
    assets = define(manifest, dagster_dbt_translator=DagsterDbtTranslator(shared))
    assert deps_of(specs_of(assets)["m"]) == {"lake"}


# Dagster's own: the classes are beta.
@pytest.mark.filterwarnings("ignore:Class `(LocalFileCodeReference|CodeReferencesMetadataValue)`")
def test_code_references_point_at_the_model_and_need_the_project(jaffle: DbtProject) -> None:
    translator = DagsterDbtTranslator(DagsterDbtTranslatorSettings(enable_code_references=True))
    with pytest.raises(ConfigError, match="Give @dbt_assets a DbtProject"):
        define(jaffle.manifest_path, dagster_dbt_translator=translator)
    assets = define(jaffle.manifest_path, dagster_dbt_translator=translator, project=jaffle)
    [reference] = specs_of(assets)["customers"].metadata["dagster/code_references"].code_references
    assert reference.file_path == str(jaffle.project_dir / "models/marts/customers.sql")


# Dagster's own: the feature is a preview.
@pytest.mark.filterwarnings("ignore:Virtual assets")
def test_views_are_virtual_assets_where_the_settings_say_so(jaffle: DbtProject) -> None:
    settings = DagsterDbtTranslatorSettings(enable_dbt_views_as_virtual_assets=True)
    specs = specs_of(define(jaffle.manifest_path, dagster_dbt_translator=DagsterDbtTranslator(settings)))
    assert specs["stg_orders"].is_virtual
    assert "view" in specs["stg_orders"].kinds
    assert not specs["customers"].is_virtual


def test_the_options_of_the_op_come_through(jaffle: DbtProject) -> None:
    daily = dg.DailyPartitionsDefinition("2024-01-01")
    assets = define(
        jaffle.manifest_path,
        name="nightly_build",
        partitions_def=daily,
        op_tags={"team": "crm"},
        retry_policy=dg.RetryPolicy(max_retries=2),
        pool="warehouse",
        io_manager_key="warehouse_io",
    )
    assert assets.op.name == "nightly_build"
    assert assets.partitions_def == daily
    assert assets.backfill_policy == dg.BackfillPolicy.single_run()
    assert assets.op.tags == {"team": "crm"}
    assert assets.op.retry_policy == dg.RetryPolicy(max_retries=2)
    assert assets.op.pool == "warehouse"
    assert assets.required_resource_keys >= {"dbt", "warehouse_io"}
    assert assets.get_io_manager_key_for_asset_key(key("customers")) == "warehouse_io"


def test_resources_can_be_taken_from_the_context(jaffle: DbtProject) -> None:
    @dbt_assets(manifest=jaffle.manifest_path, required_resource_keys={"my_dbt"})
    def assets(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from context.resources.my_dbt.cli(["build"], context=context).stream()

    assert assets.required_resource_keys == {"my_dbt", "io_manager"}


def test_a_manifest_is_read_once_as_long_as_it_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text('{"nodes": {}}')
    first = read_manifest(file)
    assert read_manifest(str(file)) is first
    file.write_text('{"nodes": {}, "sources": {}}')
    assert "sources" in read_manifest(file)


def test_a_missing_or_broken_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"manifest\.json cannot be read.*dbt parse.*prepare_if_dev"):
        define(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match="is not JSON"):
        define(tmp_path / "manifest.json")
    with pytest.raises(ConfigError, match="is no dbt manifest"):
        define({"results": []})


def test_five_thousand_models_load_with_all_their_edges_and_checks(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(5000)]
    models = {
        f"model.shop.{name}": model(
            name, depends_on={"nodes": [f"model.shop.m{number - 1}"] if number else []}, raw_code="select 1"
        )
        for number, name in enumerate(names)
    }
    tests = {
        f"test.shop.unique_{name}": {
            **model(f"unique_{name}", resource_type="test", attached_node=f"model.shop.{name}"),
            "unique_id": f"test.shop.unique_{name}",
            "depends_on": {"nodes": [f"model.shop.{name}"]},
        }
        for name in names
    }
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"metadata": {"adapter_type": "duckdb"}, "nodes": {**models, **tests}}))
    assets = define(file)
    specs = specs_of(assets)
    assert len(specs) == 5000
    assert deps_of(specs["m4999"]) == {"m4998"}
    assert len(list(assets.check_specs)) == 5000


def test_loading_a_whole_project_does_not_import_dbt(jaffle: DbtProject) -> None:
    script = f"""
import sys
import mainstem.dbt as m
@m.dbt_assets(manifest={str(jaffle.manifest_path)!r})
def shop(): ...
m.build_schedule_from_dbt_selection([shop], "daily", "0 0 * * *")
print([name for name in sys.modules if name == "dbt" or name.startswith(("dbt.", "dbt_"))])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
