"""dbt's selection syntax: in ``@dbt_assets``, in asset selections and in schedules."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from mainstem.dbt import (
    DbtCliResource,
    DbtManifestAssetSelection,
    DbtProject,
    build_dbt_asset_selection,
    build_schedule_from_dbt_selection,
    dbt_assets,
)
from mainstem.errors import ConfigError


def names(assets: dg.AssetsDefinition) -> set[str]:
    return {key.to_user_string() for key in assets.keys}


def define(project: DbtProject, **options: Any) -> dg.AssetsDefinition:
    @dbt_assets(manifest=project.manifest_path, project=project, **options)
    def assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream()

    return assets


def selected(assets: dg.AssetsDefinition, selection: dg.AssetSelection) -> tuple[set[str], set[str]]:
    """Return the assets and the checks of a job over the selection, in a loaded code location."""
    jobs = [dg.define_asset_job("job", selection)]
    defs = dg.Definitions([assets], jobs=jobs, resources={"dbt": dg.ResourceDefinition.none_resource()})
    layer = defs.resolve_job_def("job").asset_layer
    checks = selection.resolve_checks(defs.resolve_asset_graph())
    return {key.to_user_string() for key in layer.selected_asset_keys}, {key.name for key in checks}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"select": "tag:staging"}, {"stg_customers", "stg_orders", "stg_payments"}),
        ({"select": "path:models/marts/orders"}, {"order_days"}),
        ({"select": "customers tag:history"}, {"customers", "history/customers_history"}),
        ({"select": "tag:staging,+customers"}, {"stg_customers", "stg_orders"}),
        ({"select": "+customers", "exclude": "+stg_orders"}, {"stg_customers", "customers"}),
        ({"exclude": "tag:staging resource_type:seed"},
         {"customers", "daily_orders", "finance/orders", "order_days", "history/customers_history"}),
        ({"selector": "nightly"}, {"customers"}),
    ],
)  # fmt: skip
def test_a_part_of_the_project_is_selected_as_dbt_selects(
    jaffle: DbtProject, options: dict[str, str], expected: set[str]
) -> None:
    assert names(define(jaffle, **options)) == expected


def test_the_checks_are_those_of_the_selected_part(jaffle: DbtProject) -> None:
    assets = define(jaffle, select="stg_customers")
    assert {check.name for check in assets.check_specs} == {
        "unique_stg_customers_customer_id",
        "not_null_stg_customers_customer_id",
        "named_customers_stg_customers_",
    }
    assert not list(define(jaffle, select="customers", exclude="resource_type:test").check_specs)


def test_what_dbt_cannot_select_is_an_error_in_its_words(jaffle: DbtProject) -> None:
    with pytest.raises(ConfigError, match=r"--select nope:x.*'nope' is not a valid method name"):
        define(jaffle, select="nope:x")
    with pytest.raises(ConfigError, match=r"has no selector nightlies\. Did you mean nightly"):
        define(jaffle, selector="nightlies")
    with pytest.raises(ConfigError, match="--select tag:nope matches no model"):
        define(jaffle, select="tag:nope")
    with pytest.raises(ConfigError, match="cannot be combined"):
        define(jaffle, select="customers", selector="nightly")


def test_a_dbt_selection_is_a_dagster_selection(shop: dg.AssetsDefinition) -> None:
    assets, checks = selected(shop, build_dbt_asset_selection([shop], "tag:nightly"))
    assert assets == {"customers"}
    assert checks == {
        "unique_customers_customer_id",
        "not_null_customers_customer_id",
        "no_negative_totals",
        "totals_agree",
    }


def test_a_dbt_selection_can_leave_tests_out(shop: dg.AssetsDefinition) -> None:
    selection = build_dbt_asset_selection([shop], "customers", "test_type:generic")
    assert selected(shop, selection) == ({"customers"}, {"no_negative_totals", "totals_agree"})


def test_a_dbt_selection_can_be_extended_by_dagster(shop: dg.AssetsDefinition) -> None:
    selection = build_dbt_asset_selection([shop], "stg_payments", "resource_type:test").downstream()
    assets, _ = selected(shop, selection)
    assert assets == {"stg_payments", "finance/orders", "order_days"}


def test_a_dbt_selection_stays_within_the_assets(jaffle: DbtProject) -> None:
    staging = define(jaffle, select="tag:staging")
    assets, _ = selected(staging, build_dbt_asset_selection([staging], "+customers"))
    assert assets == {"stg_customers", "stg_orders"}


def test_a_manifest_alone_can_be_selected_from(jaffle: DbtProject, shop: dg.AssetsDefinition) -> None:
    selection = DbtManifestAssetSelection.build(jaffle.manifest_path, "tag:nightly", exclude="test_type:data")
    assert selected(shop, selection) == ({"customers"}, set())


def test_a_schedule_over_a_dbt_selection_loads_in_a_code_location(shop: dg.AssetsDefinition) -> None:
    schedule = build_schedule_from_dbt_selection(
        [shop],
        job_name="nightly_customers",
        cron_schedule="0 3 * * *",
        dbt_select="tag:nightly",
        tags={"team": "crm"},
        execution_timezone="Europe/Berlin",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    everything = build_schedule_from_dbt_selection([shop], job_name="all_of_it", cron_schedule="@daily")
    resources = {"dbt": dg.ResourceDefinition.none_resource()}
    defs = dg.Definitions([shop], schedules=[schedule, everything], resources=resources)
    dg.Definitions.validate_loadable(defs)
    loaded = defs.resolve_schedule_def("nightly_customers_schedule")
    assert (loaded.cron_schedule, loaded.execution_timezone) == ("0 3 * * *", "Europe/Berlin")
    assert loaded.default_status == dg.DefaultScheduleStatus.RUNNING
    job = defs.resolve_job_def("nightly_customers")
    assert job.tags["team"] == "crm"
    assert job.asset_layer.selected_asset_keys == {dg.AssetKey("customers")}
    assert defs.resolve_job_def("all_of_it").asset_layer.selected_asset_keys == shop.keys


def test_an_empty_dbt_selection_loads_and_selects_nothing(shop: dg.AssetsDefinition) -> None:
    assert selected(shop, build_dbt_asset_selection([shop], "tag:nope")) == (set(), set())
