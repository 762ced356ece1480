"""A constraint of `columns` is a check of its asset, with what the load has counted."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mainstem.sling import (
    SlingConnectionResource,
    SlingReplicationCollectionComponent,
    SlingResource,
    sling_assets,
)
from mainstem.testing.warehouse import Warehouse

ORDERS = dg.AssetKey(["target", "main", "orders"])
COLUMNS = {"id": "bigint", "amount": "decimal(10, 2) | value > 0", "name": "string | value != ''"}
SKIP = {"SLING_ON_CONSTRAINT_FAILURE": "skip"}
ABORT = {"SLING_ON_CONSTRAINT_FAILURE": "abort"}


class Shop:
    """Four orders in one DuckDB, of which two have no good amount, and assets of them in another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "shop.duckdb"
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.sling = SlingResource(
            connections=[
                SlingConnectionResource(name="SHOP", type="duckdb", instance=str(self.source)),
                SlingConnectionResource(name="WH", type="duckdb", instance=str(self.warehouse.path)),
            ]
        )
        with duckdb.connect(str(self.source)) as connection:
            connection.execute("create table orders (id integer, amount decimal(10, 2), name varchar)")
            connection.execute(
                "insert into orders values (1, 1, 'a'), (2, -2, 'b'), (3, null, 'c'), (4, -4, 'd')"
            )

    def config(self, env: Mapping[str, str] | None = None, **stream: Any) -> dict[str, Any]:
        own = {"object": "main.orders", "columns": COLUMNS, **stream}
        return {"source": "SHOP", "target": "WH", "env": env or {}, "streams": {"main.orders": own}}

    def assets(self, env: Mapping[str, str] | None = None, **stream: Any) -> dg.AssetsDefinition:
        @sling_assets(replication_config=self.config(env, **stream))
        def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
            yield from sling.replicate(context=context)

        return orders

    def materialize(self, assets: dg.AssetsDefinition, **options: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize([assets], resources={"sling": self.sling}, **options)

    def load(self, env: Mapping[str, str] | None = None, **stream: Any) -> dg.ExecuteInProcessResult:
        return self.materialize(self.assets(env, **stream), raise_on_error=False)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def said(check: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in check.metadata.items()}


def test_each_constrained_column_is_a_check_of_its_asset(shop: Shop) -> None:
    specs = {spec.name: spec for spec in shop.assets().check_specs}
    assert set(specs) == {"constraint_amount", "constraint_name"}
    assert {spec.asset_key for spec in specs.values()} == {dg.AssetKey(["target", "main", "orders"])}
    assert specs["constraint_amount"].description == "The column `amount` satisfies `value > 0`."


def test_names_that_dagster_does_not_take_are_spelled_otherwise(shop: Shop) -> None:
    columns = {"a b": "string | value != ''", "a-b": "string | value != ''", "*": "string | value != 'x'"}
    specs = shop.assets(columns=columns).check_specs
    assert {spec.name for spec in specs} == {"constraint_a_b", "constraint_a_b_2", "constraint_all"}


def test_warn_is_a_warning_with_failures_and_samples(shop: Shop) -> None:
    result = shop.load()
    assert result.success
    found = outcomes(result)
    assert (found["constraint_name"].passed, found["constraint_amount"].passed) == (True, False)
    amount = found["constraint_amount"]
    assert amount.severity == dg.AssetCheckSeverity.WARN
    assert amount.description == "2 values do not satisfy `value > 0`; they are in the target."
    assert said(amount) == {
        "constraint": "value > 0",
        "policy": "warn",
        "failures": 2,
        "rows": 4,
        "samples": [{"column": "amount", "value": "-2.00"}, {"column": "amount", "value": "-4.00"}],
    }


def test_skip_is_a_warning_that_names_the_quarantine(shop: Shop) -> None:
    amount = outcomes(shop.load(SKIP))["constraint_amount"]
    assert (amount.passed, amount.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (
        amount.description
        == "2 values do not satisfy `value > 0`; their rows are in main.orders__quarantine."
    )
    assert (said(amount)["quarantine"], said(amount)["rows"]) == ("main.orders__quarantine", 2)
    assert shop.warehouse.query("select count(*) from main.orders__quarantine") == [(2,)]


def test_abort_is_an_error_and_its_stream_fails(shop: Shop) -> None:
    result = shop.load(ABORT)
    assert not result.success
    ((name, amount),) = outcomes(result).items()
    assert (name, amount.passed, amount.severity) == ("constraint_amount", False, dg.AssetCheckSeverity.ERROR)
    assert amount.description == "At least 1 value does not satisfy `value > 0`; nothing was published."
    assert said(amount)["samples"] == [{"column": "amount", "value": "-2.00"}]
    assert result.get_asset_materialization_events() == []


def test_a_check_of_all_columns_counts_them_together(shop: Shop) -> None:
    found = outcomes(shop.load(columns={"*": "string | value != '1' && value != 'b'"}))
    assert said(found["constraint_all"])["samples"] == [
        {"column": "id", "value": "1"},
        {"column": "name", "value": "b"},
    ]


def test_a_load_of_nothing_breaks_nothing(shop: Shop) -> None:
    shop.load()
    found = outcomes(shop.load(target_options={"ignore_existing": True}))
    assert (found["constraint_amount"].passed, found["constraint_amount"].description) == (
        True,
        "No row was loaded.",
    )


def test_a_check_that_runs_alone_looks_at_the_targets_rows(shop: Shop) -> None:
    assets = shop.assets()
    key = dg.AssetCheckKey(ORDERS, "constraint_amount")
    job = dg.define_asset_job("check", selection=dg.AssetSelection.checks(key))
    defs = dg.Definitions(assets=[assets], jobs=[job], resources={"sling": shop.sling})
    before = outcomes(defs.resolve_job_def("check").execute_in_process())["constraint_amount"]
    assert "It could not be checked" in (before.description or "")
    shop.materialize(assets)
    result = defs.resolve_job_def("check").execute_in_process()
    ((name, amount),) = outcomes(result).items()
    assert (name, amount.passed, said(amount)["failures"], said(amount)["rows"]) == (key.name, False, 2, 4)
    assert result.get_asset_materialization_events() == []


def test_a_column_that_the_stream_does_not_bring_is_no_check_that_holds(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    config = shop.config(columns={"gone": "string | value != ''"})
    config["source"], config["streams"] = "LOCAL", {str(tmp_path / "a.csv"): config["streams"]["main.orders"]}

    @sling_assets(replication_config=config)
    def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    gone = outcomes(shop.materialize(orders))["constraint_gone"]
    assert (gone.passed, gone.description) == (
        False,
        "The stream brings no column gone: nothing was checked.",
    )


def test_in_an_op_they_are_evaluations(shop: Shop) -> None:
    @dg.op(out={})
    def load(context: dg.OpExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context, replication_config=shop.config())

    @dg.job(resource_defs={"sling": shop.sling})
    def job() -> None:
        load()

    assert not outcomes(job.execute_in_process())["constraint_amount"].passed


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")
def test_the_component_has_them_too(shop: Shop) -> None:
    (shop.folder / "r.yaml").write_text(
        "source: SHOP\ntarget: WH\nstreams:\n  main.orders:\n    object: main.orders\n"
        "    columns: {amount: 'decimal(10, 2) | value > 0'}\n"
    )
    component: SlingReplicationCollectionComponent = SlingReplicationCollectionComponent.resolve_from_dict(
        {
            "connections": {
                "SHOP": {"type": "duckdb", "instance": str(shop.source)},
                "WH": {"type": "duckdb", "instance": str(shop.warehouse.path)},
            },
            "replications": [{"path": str(shop.folder / "r.yaml")}],
        }
    )
    (assets,) = dg.build_defs_for_component(component).assets or ()
    assert isinstance(assets, dg.AssetsDefinition)
    assert not outcomes(dg.materialize([assets]))["constraint_amount"].passed
