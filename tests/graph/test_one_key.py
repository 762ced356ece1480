"""Where one key stands for several tables, each of its readers is downstream of what it reads itself."""

# No postponed annotations: Dagster reads those of an asset's function, which are local.

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
from tests.graph.conftest import Project, Replicate
from tests.graph.test_wire import sling, upstream, warehouse

from mainstem import table_dep, table_identity, wire
from mainstem.dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings
from mainstem.dlt import DagsterDltResource
from mainstem.sling import DagsterSlingTranslator, SlingResource, sling_assets


class OneSource(DagsterSlingTranslator):
    """All sources are one asset."""

    def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
        return super().get_asset_spec(stream_definition).replace_attributes(deps=["erp"])


def test_streams_that_share_a_key_are_each_downstream_of_their_own_table(
    tmp_path: Path, replicate: Replicate
) -> None:
    there = replicate("PG", "DUCK", {"data.a": "raw.a", "data.b": "raw.b"}, name="there")
    config = {
        "source": "DUCK",
        "target": "PG",
        "streams": {f"raw.{name}": {"object": f"crm.{name}"} for name in "abc"},
    }

    @sling_assets(replication_config=config, dagster_sling_translator=OneSource(), name="back")
    def back(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    defs = wire(dg.Definitions(assets=[there, back], resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "target/crm/a") == {"target/raw/a"}
    assert upstream(defs, "target/crm/b") == {"target/raw/b"}
    assert upstream(defs, "target/crm/c") == {"erp"}


def test_a_model_that_reads_two_sources_of_one_key_is_downstream_of_both(
    tmp_path: Path, replicate: Replicate
) -> None:
    class Together(DagsterDbtTranslator):
        def __init__(self) -> None:
            super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            found = super().get_asset_key(dbt_resource_props)
            return dg.AssetKey("raw") if dbt_resource_props["resource_type"] == "source" else found

    dbt = warehouse(tmp_path)
    sources = [dbt.source("raw", name, "raw") for name in ("orders", "users", "others")]
    dbt.model("joined", "main", sources)
    dbt.model("alone", "main", sources[:1])
    assets = [
        replicate("PG", "DUCK", {"data.orders": "raw.orders"}, name="one"),
        replicate("PG", "DUCK", {"data.users": "raw.users"}, name="other"),
        dbt.assets(dagster_dbt_translator=Together()),
    ]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "joined") == {"target/raw/orders", "target/raw/users", "raw"}
    assert upstream(defs, "alone") == {"target/raw/orders"}


def test_a_model_that_reads_a_table_and_what_is_nested_in_it_is_downstream_of_it_once(
    tmp_path: Path, load: Replicate
) -> None:
    dbt = warehouse(tmp_path)
    dbt.model(
        "people", "main", [dbt.source("app", "users", "loaded"), dbt.source("app", "users__tags", "loaded")]
    )
    assets = [load("app", ["users"], dlt.destinations.duckdb(f"{tmp_path}/w.duckdb"), "loaded"), dbt.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"dlt": DagsterDltResource()}))
    [spec] = [spec for spec in defs.resolve_all_asset_specs() if spec.key == dg.AssetKey("people")]
    assert [dep.asset_key.to_user_string() for dep in spec.deps] == ["dlt_app_users"]


def test_a_run_makes_what_was_joined_before_what_reads_it() -> None:
    """Of files, one dependency may be several assets: a run waits for all of them."""
    ran: list[str] = []
    lake = {"type": "s3", "bucket": "lake"}

    def made(name: str, table: str, *reads: str) -> dg.AssetsDefinition:
        @dg.asset(
            name=name, metadata=table_identity(lake, table), deps=[table_dep(lake, each) for each in reads]
        )
        def asset() -> None:
            ran.append(name)

        return asset

    # One after the other: by the first alone, their reader would be early.
    names = "dhcagfbe"
    assets = [made("top", "top.csv", "*/in.csv"), made("both", "both.csv", "top.csv", "x/*.csv")]
    assets += [made("x1", "x/1.csv"), made("d", "d/in.csv")]
    assets += [made(name, f"{name}/in.csv", f"{before}/in.csv") for before, name in pairwise(names)]
    defs = wire(dg.Definitions(assets=assets))
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process().success
    assert set(ran) == {*names, "x1", "top", "both"}
    assert ran.index("top") > max(ran.index(name) for name in names)
    assert ran.index("both") > max(ran.index("x1"), ran.index("top"))


def test_a_project_is_wired_with_all_that_its_definitions_say(tmp_path: Path, replicate: Replicate) -> None:
    """Partitions, hooks and checks of one's own go through the wiring."""
    days = dg.DailyPartitionsDefinition("2024-01-01")

    @dg.success_hook
    def rings(context: dg.HookContext) -> None: ...

    @dg.asset(
        deps=[
            dg.AssetDep(
                "x",
                partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1),
                metadata=table_identity("DUCK", "raw.orders"),
            )
        ],
        partitions_def=days,
        hooks={rings},
        check_specs=[dg.AssetCheckSpec("holds", asset="mart", additional_deps=["elsewhere", "x"])],
        metadata=table_identity("DUCK", "marts.mart"),
    )
    def mart() -> Iterator[Any]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    assets = [replicate("PG", "DUCK", {"data.orders": "raw.orders"}), mart]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    [wired] = [
        each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition) and mart.key in each.keys
    ]
    [dep] = wired.get_asset_spec().deps
    assert dep.asset_key.to_user_string() == "target/raw/orders"
    assert dep.partition_mapping == dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    assert wired.partitions_def == days
    assert wired.hook_defs == {rings}
    [check] = wired.check_specs
    assert [dep.asset_key.to_user_string() for dep in check.additional_deps] == [
        *("elsewhere", "target/raw/orders")
    ]


def test_a_check_of_ones_own_on_a_source_is_one_on_the_asset_that_it_is(
    tmp_path: Path, replicate: Replicate
) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("stg", "main", [dbt.source("raw", "orders", "raw"), dbt.source("raw", "users", "raw")])

    @dg.asset_check(asset=dg.AssetKey(["raw", "orders"]), additional_deps=[dg.AssetKey(["raw", "users"])])
    def fresh() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    streams = {"data.orders": "raw.orders", "data.users": "raw.users"}
    assets = [replicate("PG", "DUCK", streams), dbt.assets()]
    resources = {"sling": sling(tmp_path)}
    defs = wire(dg.Definitions(assets=assets, asset_checks=[fresh], resources=resources))
    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.asset_check_keys} == {"target/raw/orders:fresh"}
    assert not {dg.AssetKey(["raw", "orders"]), dg.AssetKey(["raw", "users"])} & set(
        graph.get_all_asset_keys()
    )
    [check] = [spec for each in defs.asset_checks or () for spec in each.check_specs]
    assert [dep.asset_key.to_user_string() for dep in check.additional_deps] == ["target/raw/users"]


def test_a_dbt_project_of_sources_that_nobody_makes_is_left_as_it_is(tmp_path: Path) -> None:
    dbt = Project(tmp_path / "dbt", "shop", {"type": "duckdb", "path": "w.duckdb"}, "w")
    dbt.model("stg", "main", [dbt.source("raw", "orders", "raw")])
    assets = dbt.assets()
    assert list(wire(dg.Definitions(assets=[assets])).assets or ()) == [assets]
