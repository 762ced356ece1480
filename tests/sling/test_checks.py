"""Checks on request: reconciliation, freshness and a change of the source's columns."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mainstem.errors import ConfigError
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

ORDERS = dg.AssetKey(["target", "main", "orders"])
KEYED: dict[str, Any] = {"mode": "incremental", "primary_key": "id", "update_key": "made"}


class Shop:
    """Orders in one DuckDB, and assets of them in another."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "shop.duckdb"
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.sling = SlingResource(
            connections=[
                SlingConnectionResource(name="SHOP", type="duckdb", instance=str(self.source)),
                SlingConnectionResource(name="WH", type="duckdb", instance=str(self.warehouse.path)),
            ]
        )
        self.run(
            "create table orders (id integer, name varchar, made timestamp)",
            "insert into orders values (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02')",
        )

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.source)) as connection:
            for statement in statements:
                connection.execute(statement)

    def config(self, checks: Any = None, **stream: Any) -> dict[str, Any]:
        dagster = {"asset_key": "target/main/orders", "checks": checks}
        own = {"object": "main.loaded", "meta": {"dagster": dagster}, **stream}
        return {"source": "SHOP", "target": "WH", "streams": {"main.orders": own}}

    def assets(
        self,
        checks: Any = None,
        partitions: Any = None,
        policy: dg.BackfillPolicy | None = None,
        **stream: Any,
    ) -> dg.AssetsDefinition:
        config = self.config(checks, **stream)

        @sling_assets(replication_config=config, partitions_def=partitions, backfill_policy=policy)
        def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
            yield from sling.replicate(context=context)

        return orders

    def materialize(self, assets: dg.AssetsDefinition, **options: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize([assets], resources={"sling": self.sling}, **options)

    def check(self, assets: dg.AssetsDefinition, *names: str, **options: Any) -> dg.ExecuteInProcessResult:
        """Run checks alone, as the button of the UI does."""
        keys = [dg.AssetCheckKey(ORDERS, name) for name in names]
        job = dg.define_asset_job("check", selection=dg.AssetSelection.checks(*keys))
        defs = dg.Definitions(assets=[assets], jobs=[job], resources={"sling": self.sling})
        return defs.resolve_job_def("check").execute_in_process(**options)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def only(result: dg.ExecuteInProcessResult) -> tuple[dg.AssetCheckEvaluation, Mapping[str, Any]]:
    (found,) = result.get_asset_check_evaluations()
    return found, {name: value.value for name, value in found.metadata.items()}


# What is asked for.


def test_checks_of_the_document_are_checks_of_the_asset(shop: Shop) -> None:
    assets = shop.assets(["reconciliation", {"schema_change": {"blocking": True}}])
    specs = {spec.name: spec for spec in assets.check_specs}
    assert set(specs) == {"reconciliation", "schema_change"}
    assert [specs["reconciliation"].blocking, specs["schema_change"].blocking] == [False, True]
    assert {spec.asset_key for spec in specs.values()} == {ORDERS}


def test_checks_of_the_defaults_are_every_streams(shop: Shop) -> None:
    config = {
        "source": "SHOP",
        "target": "WH",
        "defaults": {"object": "main.{stream_table}", "meta": {"dagster": {"checks": "reconciliation"}}},
        "streams": {"main.orders": None, "main.carts": {"meta": {"dagster": {"group": "sales"}}}},
    }

    @sling_assets(replication_config=config)
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    assert len(list(assets.check_specs)) == 2


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ("reconcilation", "Did you mean reconciliation"),
        ({"reconciliation": {"compare": ["rows"]}}, "row_count"),
        ({"reconciliation": {"often": True}}, "compare"),
        ({"reconciliation": {"severity": "loud"}}, "warn or error"),
        ("freshness", "within"),
        ({"freshness": {"within": "soon"}}, "24h"),
        (5, "names checks"),
    ],
)
def test_a_check_that_is_none_is_told_when_definitions_load(shop: Shop, checks: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"main\.orders.*{told}"):
        shop.assets(checks, update_key="made")


def test_freshness_needs_a_column(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="update_key"):
        shop.assets({"freshness": "24h"})


# Reconciliation.


def test_what_was_loaded_agrees(shop: Shop) -> None:
    found, metadata = only(shop.materialize(shop.assets("reconciliation")))
    assert found.passed
    assert found.description == "2 rows and 3 columns agree."
    assert (metadata["source_rows"], metadata["target_rows"]) == (2, 2)
    assert metadata["compared"] == ["id", "name", "made"]


def test_a_difference_is_told_by_column_with_both_sides(shop: Shop) -> None:
    assets = shop.assets("reconciliation")
    shop.materialize(assets)
    shop.warehouse.query("update main.loaded set made = '2023-01-01' where id = 1")
    found, metadata = only(shop.check(assets, "reconciliation"))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (
        "| minimum | made | 2024-01-01 00:00:00.000000 | 2023-01-01 00:00:00.000000 |"
        in metadata["differences"]
    )


def test_a_check_can_be_run_alone_and_moves_nothing(shop: Shop) -> None:
    assets = shop.assets("reconciliation")
    shop.materialize(assets)
    shop.run("insert into orders values (3, 'c', '2024-01-03')")
    result = shop.check(assets, "reconciliation")
    assert outcomes(result) == {"reconciliation": False}
    assert result.get_asset_materialization_events() == []
    assert shop.warehouse.query("select count(*) from main.loaded") == [(2,)]


def test_an_asset_can_be_materialized_without_its_checks(shop: Shop) -> None:
    assets = shop.assets("reconciliation")
    job = dg.define_asset_job("load", selection=dg.AssetSelection.assets(ORDERS).without_checks())
    defs = dg.Definitions(assets=[assets], jobs=[job], resources={"sling": shop.sling})
    result = defs.resolve_job_def("load").execute_in_process()
    assert len(result.get_asset_materialization_events()) == 1
    assert outcomes(result) == {}


def test_only_what_is_asked_for_is_compared(shop: Shop) -> None:
    assets = shop.assets({"reconciliation": {"compare": ["row_count"], "severity": "warn"}})
    shop.materialize(assets)
    shop.warehouse.query("update main.loaded set name = 'x'")
    assert outcomes(shop.check(assets, "reconciliation")) == {"reconciliation": True}
    shop.warehouse.query("delete from main.loaded where id = 1")
    found, _ = only(shop.check(assets, "reconciliation"))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_where_the_source_went_on_a_difference_is_a_warning(shop: Shop) -> None:
    assets = shop.assets("reconciliation", **KEYED)
    shop.materialize(assets)
    shop.run("insert into orders values (3, 'c', '2024-01-03')")
    found, metadata = only(shop.check(assets, "reconciliation"))
    assert found.passed
    assert metadata["newer_rows"] == 1
    shop.run("update orders set made = '2024-01-04' where id = 1")
    found, _ = only(shop.check(assets, "reconciliation"))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "2 newer rows" in (found.description or "")


def test_a_partition_is_compared_by_itself(shop: Shop) -> None:
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
    assets = shop.assets("reconciliation", days, **KEYED)
    found, metadata = only(shop.materialize(assets, partition_key="2024-01-02"))
    assert found.passed
    assert (metadata["source_rows"], metadata["target_rows"]) == (1, 1)
    assert metadata["partition"] == "2024-01-02"


def test_a_range_of_partitions_is_compared_at_once(shop: Shop) -> None:
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
    assets = shop.assets("reconciliation", days, dg.BackfillPolicy.single_run(), **KEYED)
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    found, metadata = only(
        shop.materialize(assets, tags=dict(zip(ends, ("2024-01-01", "2024-01-03"), strict=True)))
    )
    assert found.passed
    assert (metadata["source_rows"], metadata["target_rows"]) == (2, 2)
    assert metadata["partitions"] == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_a_static_partition_is_compared_by_itself(shop: Shop) -> None:
    names = dg.StaticPartitionsDefinition(["a", "b"])
    meta = {"dagster": {"asset_key": "target/main/orders", "checks": "reconciliation", "partition": "name"}}
    assets = shop.assets(partitions=names, primary_key="id", meta=meta)
    shop.materialize(assets, partition_key="a")
    shop.warehouse.query("update main.loaded set made = null where id = 1")
    found, metadata = only(shop.materialize(assets, partition_key="b"))
    assert found.passed
    assert (metadata["source_rows"], metadata["target_rows"]) == (1, 1)


def test_what_cannot_be_compared_fails_by_its_reason(shop: Shop) -> None:
    found, _ = only(shop.materialize(shop.assets("reconciliation", source_options={"limit": 1})))
    assert not found.passed
    assert "limit" in (found.description or "")


def test_a_stream_that_failed_is_not_checked_and_the_others_are(shop: Shop) -> None:
    config = shop.config("reconciliation")
    config["streams"]["main.gone"] = {
        "object": "main.gone",
        "meta": {"dagster": {"checks": "reconciliation"}},
    }

    @sling_assets(replication_config=config)
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    result = shop.materialize(assets, raise_on_error=False)
    assert not result.success
    assert [each.asset_key for each in result.get_asset_check_evaluations()] == [ORDERS]


def test_a_server_and_a_file_agree(postgres: EmbeddedPostgres, schema: str, shop: Shop) -> None:
    postgres.execute(
        f"create table {schema}.orders as select n as id, n * 1.10::numeric(12,2) as amount,"
        " timestamptz '2024-01-01' + n * interval '1 hour' as at, array[n::text, null] as tags,"
        " jsonb_build_object('n', n) as told, n % 2 = 0 as even, sqrt(n) as root"
        " from generate_series(1, 1000) n"
    )
    meta = {"dagster": {"asset_key": "target/main/orders", "checks": "reconciliation"}}
    stream = {"object": "main.orders", "meta": meta}
    config = {"source": postgres.url, "target": "WH", "streams": {f"{schema}.orders": stream}}

    @sling_assets(replication_config=config)
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    found, _ = only(shop.materialize(assets))
    assert found.passed
    assert found.description == "1000 rows and 7 columns agree."


# Freshness.


def test_the_newest_row_tells_the_freshness(shop: Shop) -> None:
    now = datetime.now(timezone.utc)
    shop.run(f"insert into orders values (3, 'c', '{now - timedelta(hours=2):%Y-%m-%d %H:%M:%S}')")
    fresh, metadata = only(
        shop.materialize(shop.assets({"freshness": "3h"}, update_key="made", mode="truncate"))
    )
    assert fresh.passed
    assert 7_000 < metadata["age_seconds"] < 9_000
    stale, _ = only(shop.materialize(shop.assets({"freshness": {"within": "1h", "column": "made"}})))
    assert not stale.passed
    assert "2.0 hours old; allowed are 60.0 minutes" in (stale.description or "")


def test_a_table_without_a_time_is_not_fresh(shop: Shop) -> None:
    shop.run("update orders set made = null")
    found, _ = only(shop.materialize(shop.assets({"freshness": {"within": "1h", "column": "made"}})))
    assert not found.passed
    other, _ = only(shop.materialize(shop.assets({"freshness": {"within": "1h", "column": "name"}})))
    assert "no time" in (other.description or "")


# A change of the source's columns.


def test_a_change_of_the_sources_columns_is_told_once(shop: Shop) -> None:
    assets = shop.assets("schema_change")
    with dg.DagsterInstance.ephemeral() as instance:
        first, _ = only(shop.materialize(assets, instance=instance))
        same, _ = only(shop.materialize(assets, instance=instance))
        shop.run("alter table orders add column more integer", "alter table orders drop column name")
        changed, metadata = only(shop.materialize(assets, instance=instance))
        again, _ = only(shop.materialize(assets, instance=instance))
    assert [each.passed for each in (first, same, changed, again)] == [True, True, False, True]
    assert changed.severity == dg.AssetCheckSeverity.WARN
    assert (metadata["added"], metadata["removed"]) == ({"more": "INTEGER"}, {"name": "VARCHAR"})


def test_a_change_can_be_looked_for_before_the_next_load(shop: Shop) -> None:
    assets = shop.assets("schema_change")
    with dg.DagsterInstance.ephemeral() as instance:
        shop.materialize(assets, instance=instance)
        shop.run("alter table orders alter id type bigint")
        found, metadata = only(shop.check(assets, "schema_change", instance=instance))
    assert not found.passed
    assert metadata["changed"] == {"id": "INTEGER → BIGINT"}


def downstream(shop: Shop) -> list[dg.AssetsDefinition]:
    """A table of names, a chart of it, and one of which nobody tells the columns."""

    def made_of(asset: str, column: str) -> dict[str, Any]:
        deps = {"label": [dg.TableColumnDep(dg.AssetKey(asset.split("/")), column)]}
        return {"dagster/column_lineage": dg.TableColumnLineage(deps)}

    @dg.asset(deps=[ORDERS], metadata=made_of("target/main/orders", "name"))
    def names() -> None: ...

    @dg.asset_check(asset=names, blocking=True)
    def names_are_good() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset(deps=[names], metadata=made_of("names", "label"))
    def chart() -> None: ...

    @dg.asset(deps=[ORDERS], metadata=made_of("target/main/orders", "made"))
    def dates() -> None: ...

    @dg.asset(deps=[ORDERS])
    def unknown() -> None: ...

    return [names, chart, dates, unknown, names_are_good]


def test_a_column_that_is_gone_is_told_before_the_load_with_what_it_breaks(shop: Shop) -> None:
    assets = [shop.assets("schema_change"), *downstream(shop)]
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize(assets, instance=instance, resources={"sling": shop.sling}).success
        shop.run("alter table orders drop column name")
        again = dg.materialize(
            assets, instance=instance, resources={"sling": shop.sling}, raise_on_error=False
        )
    [check] = [each for each in again.get_asset_check_evaluations() if each.check_name == "schema_change"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["breaks"].value == {
        "name": {
            "assets": ["chart", "names", "unknown"],
            "columns": ["chart.label", "names.label"],
            "checks": ["names:names_are_good"],
        }
    }
    kinds = [
        event.event_type_value
        for event in again.all_events
        if event.asset_key == ORDERS or "CHECK" in event.event_type_value
    ]
    assert kinds.index("ASSET_CHECK_EVALUATION") < kinds.index("ASSET_MATERIALIZATION")


def test_a_blocking_check_keeps_a_stream_from_being_loaded_without_its_column(shop: Shop) -> None:
    assets = [shop.assets({"schema_change": {"blocking": True}}), *downstream(shop)]
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize(assets, instance=instance, resources={"sling": shop.sling}).success
        shop.run("alter table orders drop column name", "insert into orders values (3, '2024-01-03')")
        stopped = dg.materialize(
            assets, instance=instance, resources={"sling": shop.sling}, raise_on_error=False
        )
    assert not stopped.success
    assert stopped.get_asset_materialization_events() == []
    failure = next(event.step_failure_data for event in stopped.all_events if event.is_step_failure)
    assert failure.user_failure_data is not None
    told = str(failure.user_failure_data.description)
    assert "main.orders was not loaded" in told
    assert "names" in told
    assert shop.warehouse.query("select id, name from main.loaded order by id") == [(1, "a"), (2, "b")]


def test_a_column_of_which_nothing_is_made_is_told_as_a_warning(shop: Shop) -> None:
    assets = shop.assets({"schema_change": {"blocking": True}}, select=["id", "made"])
    with dg.DagsterInstance.ephemeral() as instance:
        shop.materialize(assets, instance=instance)
        shop.run("alter table orders drop column name")
        changed, metadata = only(shop.materialize(assets, instance=instance))
    assert (changed.passed, changed.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "breaks" not in metadata


# `with_checks`.


def test_checks_can_be_asked_for_by_the_code(shop: Shop) -> None:
    @sling_assets(replication_config=shop.config())
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context).with_checks().fetch_row_count()

    result = shop.materialize(assets)
    assert outcomes(result) == {"reconciliation": True}
    assert len(result.get_asset_materialization_events()) == 1


def test_what_the_document_says_of_a_check_wins(shop: Shop) -> None:
    config = shop.config({"reconciliation": {"severity": "warn"}})

    @sling_assets(replication_config=config)
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        checks = ("reconciliation", "schema_change", {"freshness": {"within": "1h", "column": "made"}})
        yield from sling.replicate(context=context).with_checks(*checks)

    result = shop.materialize(assets)
    assert outcomes(result) == {"reconciliation": True, "schema_change": True, "freshness": False}


def test_checks_in_an_op_are_evaluations(shop: Shop) -> None:
    @dg.op(out={})
    def load(context: dg.OpExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context, replication_config=shop.config()).with_checks()

    @dg.job(resource_defs={"sling": shop.sling})
    def job() -> None:
        load()

    assert outcomes(job.execute_in_process()) == {"reconciliation": True}


def test_an_unknown_check_is_told_before_anything_is_loaded(shop: Shop) -> None:
    @sling_assets(replication_config=shop.config())
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context).with_checks("recon")

    with pytest.raises(ConfigError, match="recon"):
        shop.materialize(assets)
    assert not shop.warehouse.path.exists()
