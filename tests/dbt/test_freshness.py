"""Freshness checks, as a dbt project configures them."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from mainstem.dbt import (
    DbtCliResource,
    build_freshness_checks_from_dbt_assets,
    dbt_assets,
)
from mainstem.errors import ConfigError

# Dagster's own: the classes are beta, and superseded by policies.
pytestmark = pytest.mark.filterwarnings("ignore:.*freshness_checks")


def define(
    name: str = "shop", partitions_def: Any = None, **models: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Assets of models, each with the freshness check of its name."""
    nodes = {
        f"model.{name}.{model}": {
            "unique_id": f"model.{name}.{model}",
            "resource_type": "model",
            "name": model,
            "original_file_path": f"models/{model}.sql",
            "meta": {"dagster": {"freshness_check": check}},
        }
        for model, check in models.items()
    }

    @dbt_assets(manifest={"nodes": nodes}, name=name, partitions_def=partitions_def)
    def assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream()

    return assets


def checks_of(*assets: dg.AssetsDefinition) -> dict[str, dg.AssetCheckSpec]:
    found = build_freshness_checks_from_dbt_assets(dbt_assets=assets)
    return {spec.asset_key.to_user_string(): spec for definition in found for spec in definition.check_specs}


def test_a_model_is_to_be_fresh_within_the_seconds_that_it_says() -> None:
    daily = {"lower_bound_delta_seconds": 86400, "deadline_cron": "0 9 * * *", "severity": "ERROR"}
    checks = checks_of(define(customers=daily, orders={"lower_bound_delta_seconds": "60"}, other={}))
    assert set(checks) == {"customers", "orders"}
    metadata: Any = checks["customers"].metadata["dagster/freshness_params"].value
    assert metadata["lower_bound_delta_seconds"] == timedelta(days=1).total_seconds()
    assert metadata["deadline_cron"] == "0 9 * * *"


def test_the_check_evaluates() -> None:
    assets = define(customers={"lower_bound_delta_seconds": 3600})
    [check] = build_freshness_checks_from_dbt_assets(dbt_assets=[assets])
    with dg.instance_for_test() as instance:
        key = dg.AssetKey("customers")
        instance.report_runless_asset_event(dg.AssetMaterialization(key))
        result = dg.materialize(
            [assets, check],
            selection=dg.AssetSelection.checks_for_assets(key),
            resources={"dbt": dg.ResourceDefinition.none_resource()},
            instance=instance,
        )
        [evaluation] = result.get_asset_check_evaluations()
        assert evaluation.passed


def test_time_partitions_have_to_be_there_by_a_deadline() -> None:
    partitions = dg.DailyPartitionsDefinition("2024-01-01")
    checks = checks_of(define(partitions_def=partitions, customers={"deadline_cron": "0 9 * * *"}))
    assert set(checks) == {"customers"}


def test_several_projects_are_checked_at_once() -> None:
    check = {"lower_bound_delta_seconds": 60}
    assert set(checks_of(define("one", a=check), define("two", b=check))) == {"a", "b"}


def test_a_check_that_cannot_be_made_is_named_with_its_file() -> None:
    with pytest.raises(ConfigError, match=r"orders \(models/orders.sql\).*lower_bound_delta_seconds is soon"):
        checks_of(define(orders={"lower_bound_delta_seconds": "soon"}))
    with pytest.raises(ConfigError, match="its severity is FATAL"):
        checks_of(define(orders={"lower_bound_delta_seconds": 1, "severity": "FATAL"}))
    same = define(orders={"lower_bound_delta_seconds": 1})
    with pytest.raises(ConfigError, match="given twice: orders"):
        checks_of(same, same)
