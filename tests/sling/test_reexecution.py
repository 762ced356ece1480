"""What failed runs again, and nothing else: retries and re-executions of replications."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets

SLING = SlingResource(
    connections=[
        # Read when a run starts: Dagster keeps a reconstructed job for all tests of this process.
        SlingConnectionResource(name="MY_SQLITE", type="sqlite", instance=dg.EnvVar("SOURCE_OF_TEST")),
        SlingConnectionResource(name="MY_DUCKDB", type="duckdb", instance=dg.EnvVar("TARGET_OF_TEST")),
    ]
)
REPLICATION = {
    "source": "MY_SQLITE",
    "target": "MY_DUCKDB",
    "defaults": {"object": "{stream_table}"},
    "streams": dict.fromkeys(("main.customers", "main.orders", "main.items")),
}


@sling_assets(replication_config=REPLICATION)
def shop_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
    yield from sling.replicate(context=context)


@dg.asset(deps=[dg.AssetKey(["target", "main", "customers"])])
def report() -> None: ...


def job_of(*assets: dg.AssetsDefinition) -> dg.JobDefinition:
    defs = dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("shop_job")],
        resources={"sling": SLING},
        executor=dg.in_process_executor,
    )
    return defs.resolve_job_def("shop_job")


def replication_job() -> dg.JobDefinition:
    return job_of(shop_assets)


def job_with_a_report() -> dg.JobDefinition:
    return job_of(shop_assets, report)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop without items: that stream fails."""
    monkeypatch.setenv("SOURCE_OF_TEST", str(tmp_path / "shop.db"))
    monkeypatch.setenv("TARGET_OF_TEST", str(tmp_path / "lake.duckdb"))
    execute(tmp_path, *(f"create table {name} as select 1 as id" for name in ("customers", "orders")))
    return tmp_path


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def execute(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "shop.db")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def run(
    instance: dg.DagsterInstance, job: Callable[[], dg.JobDefinition] = replication_job, **options: Any
) -> dg.JobExecutionResult:
    return dg.execute_job(dg.reconstructable(job), instance, **options)


def materialized(instance: dg.DagsterInstance, result: dg.JobExecutionResult) -> list[str]:
    records = instance.get_records_for_run(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    keys = [record.event_log_entry.asset_materialization for record in records.records]
    return [found.asset_key.path[-1] for found in keys if found]


def from_failure(
    instance: dg.DagsterInstance,
    parent: dg.JobExecutionResult,
    job: Callable[[], dg.JobDefinition] = replication_job,
) -> dg.JobExecutionResult:
    options = dg.ReexecutionOptions.from_failure(parent.run_id, instance)
    return run(instance, job, reexecution_options=options)


def test_a_reexecution_from_failure_runs_what_failed_alone(shop: Path, instance: dg.DagsterInstance) -> None:
    with run(instance) as failed:
        assert not failed.success
        assert materialized(instance, failed) == ["customers", "orders"]
    execute(shop, "create table items as select 1 as id", "drop table customers")
    with from_failure(instance, failed) as second:
        assert second.success
        assert materialized(instance, second) == ["items"]


def test_it_does_so_again_and_again(shop: Path, instance: dg.DagsterInstance) -> None:
    execute(shop, "drop table orders")
    with run(instance) as first:
        assert materialized(instance, first) == ["customers"]
    execute(shop, "create table orders as select 1 as id")
    with from_failure(instance, first) as second:
        assert materialized(instance, second) == ["orders"]
    execute(shop, "create table items as select 1 as id")
    with from_failure(instance, second) as third:
        assert third.success
        assert materialized(instance, third) == ["items"]


def test_a_reexecution_of_everything_runs_everything(shop: Path, instance: dg.DagsterInstance) -> None:
    with run(instance) as failed:
        assert not failed.success
    execute(shop, "create table items as select 1 as id")
    again = dg.ReexecutionOptions(parent_run_id=failed.run_id)
    with run(instance, reexecution_options=again) as second:
        assert materialized(instance, second) == ["customers", "orders", "items"]


def test_a_step_that_has_succeeded_and_is_selected_again_runs_again(
    shop: Path, instance: dg.DagsterInstance
) -> None:
    execute(shop, "create table items as select 1 as id")
    with run(instance, job_with_a_report) as first:
        assert first.success
    again = dg.ReexecutionOptions(parent_run_id=first.run_id, step_selection=["shop_assets"])
    with run(instance, job_with_a_report, reexecution_options=again) as second:
        assert materialized(instance, second) == ["customers", "orders", "items"]


def test_a_new_run_knows_nothing_of_an_old_one(shop: Path, instance: dg.DagsterInstance) -> None:
    with run(instance) as failed:
        assert not failed.success
    execute(shop, "create table items as select 1 as id")
    with run(instance) as second:
        assert materialized(instance, second) == ["customers", "orders", "items"]


def test_what_waits_for_a_published_stream_runs_too(shop: Path, instance: dg.DagsterInstance) -> None:
    """Dagster skips a step whose input has no result in its run: so that one has the earlier run's result."""
    with run(instance, job_with_a_report) as failed:
        assert materialized(instance, failed) == ["customers", "orders"]
    execute(shop, "create table items as select 1 as id", "drop table customers")
    with from_failure(instance, failed, job_with_a_report) as second:
        assert second.success
        assert materialized(instance, second) == ["customers", "items", "report"]
        event = instance.get_latest_materialization_event(dg.AssetKey(["target", "main", "customers"]))
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["rows"].value == 1
        assert metadata["notes"].value == f"- Published by run {failed.run_id}, and not run again."


def test_a_step_that_dagster_retries_runs_what_failed_alone(shop: Path, instance: dg.DagsterInstance) -> None:
    attempts: list[list[str]] = []

    @sling_assets(replication_config=REPLICATION)
    def patient_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        attempts.append([])
        try:
            for event in sling.replicate(context=context):
                assert isinstance(event, dg.MaterializeResult)
                assert event.asset_key
                attempts[-1].append(event.asset_key.path[-1])
                yield event
        except dg.Failure as failure:
            execute(shop, "create table items as select 1 as id")
            raise dg.RetryRequested from failure

    result = dg.materialize([patient_assets], instance=instance, resources={"sling": SLING})
    assert result.success
    assert attempts == [["customers", "orders"], ["items"]]
