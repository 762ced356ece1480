"""A run in Dagster: what dbt does, and what Dagster hears of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import psutil
import pytest

from mainstem.dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

if TYPE_CHECKING:
    from tests.dbt.conftest import Run

ORDERS = dg.AssetKey(["finance", "orders"])
ORDERS_TEST = "unique_orders_order_id"
SOURCE_TEST = "source_not_null_shop_customers_id"


def test_everything_that_dbt_builds_is_materialized_in_its_order(built: "Run") -> None:
    assert built.success
    assert sorted(built.materialized) == [
        "customers",
        "daily_orders",
        "finance/orders",
        "history/customers_history",
        "order_days",
        "seeds/raw_orders",
        "stg_customers",
        "stg_orders",
        "stg_payments",
    ]
    order = built.materialized
    assert order.index("seeds/raw_orders") < order.index("stg_orders") < order.index("customers")
    assert {key.replace("/", "__") for key in order} <= built.outputs


def test_a_materialization_says_what_dbt_knows(built: "Run") -> None:
    seed = built.metadata("seeds/raw_orders")
    assert seed["rows"] == 4
    assert seed["dagster/table_name"] == "jaffle.main_seeds.raw_orders"
    assert seed["dagster/storage_kind"] == "duckdb"
    assert seed["unique_id"] == "seed.jaffle.raw_orders"
    assert (seed["status"], seed["message"]) == ("success", "INSERT 4")
    assert seed["elapsed_time"] == seed["Execution Duration"] > 0
    assert seed["invocation_id"]
    # DuckDB does not tell how many rows a `create table as` wrote, so neither do we.
    assert "rows" not in built.metadata("customers")


def test_every_test_is_evaluated_and_a_warning_does_not_fail_the_run(built: "Run") -> None:
    assert len(built.checks) == 12
    assert [name for name, check in built.checks.items() if not check.passed] == ["amounts_are_round"]
    warned = built.checks["amounts_are_round"]
    assert warned.severity == dg.AssetCheckSeverity.WARN
    metadata: dict[str, Any] = {name: value.value for name, value in warned.metadata.items()}
    assert metadata.pop("unique_id") == "test.jaffle.amounts_are_round.cc8f66584b"
    assert metadata.pop("invocation_id")
    assert metadata.pop("Execution Duration") > 0
    assert metadata == {
        "status": "warn",
        "dagster_dbt/failed_row_count": 1,
        "severity": "warn",
        "message": "Got 1 result, configured to warn if != 0",
    }
    assert built.checks["totals_agree"].asset_key == dg.AssetKey("customers")
    assert built.checks[SOURCE_TEST].asset_key == dg.AssetKey(["shop", "customers"])


def test_tests_that_are_no_checks_run_too_when_everything_does(built: "Run") -> None:
    assert built.ran - set(built.checks) >= {"days_agree", "customers_without_orders_have_none"}


def test_dbt_runs_beside_what_is_in_the_project_not_in_it(built: "Run", jaffle: DbtProject) -> None:
    [invocation] = built.invocations
    target = invocation.target_path
    assert target.parent == jaffle.project_dir / "target"
    assert target.name.startswith(f"shop-{built.result.run_id[:8]}-")
    assert (target / "dbt.log").exists()
    assert not (jaffle.project_dir / "logs").exists()
    assert not (jaffle.project_dir / "target" / "run_results.json").exists()
    assert invocation.get_artifact("run_results.json")["args"]["which"] == "build"


def test_dbt_starts_from_what_it_parsed_before(built: "Run") -> None:
    log = (built.invocations[0].target_path / "dbt.log").read_text()
    assert "Partial parsing enabled" in log
    assert "Unable to do partial parsing" not in log


def test_nothing_is_left_in_our_own_environment(built: "Run") -> None:
    assert not [name for name in os.environ if name.startswith("DBT_")]


@pytest.fixture(scope="module")
def broken(run: "Callable[..., Run]") -> "Run":
    """A run in which two models and a test fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAFFLE_BREAK", "yes")
        return run()


def test_a_failed_model_leaves_the_results_of_the_others(broken: "Run") -> None:
    assert not broken.success
    assert {"customers", "stg_orders", "history/customers_history"} <= set(broken.materialized)
    assert "finance/orders" not in broken.materialized
    assert "order_days" not in broken.materialized
    assert "daily_orders" not in broken.materialized
    assert broken.checks["unique_customers_customer_id"].passed
    assert ORDERS_TEST not in broken.checks


def test_what_dbt_skipped_is_told_with_the_reason(broken: "Run") -> None:
    warnings = [message for level, message in broken.logs if level == "WARNING"]
    assert (
        "dbt skipped model order_days (models/marts/orders/order_days.sql): "
        "model orders (models/marts/orders.sql) failed." in warnings
    )
    assert "It skipped 4, which depend on what failed." in broken.error


def test_a_test_that_is_no_check_is_an_observation_of_what_it_reads(built: "Run") -> None:
    assert {
        (key.to_user_string(), observation.metadata["status"].value)
        for key, observation in built.observations
        if "days_agree" in str(observation.metadata["unique_id"].value)
    } == {("order_days", "pass"), ("finance/orders", "pass")}


def test_where_tests_are_no_checks_they_are_observations(run: "Callable[..., Run]", built: "Run") -> None:
    none = DagsterDbtTranslator(DagsterDbtTranslatorSettings(enable_asset_checks=False))
    some = run(["test", "--select", "amounts_are_round"], dagster_dbt_translator=none)
    assert some.success
    assert not some.checks
    [(key, observation)] = some.observations
    assert (key, observation.metadata["status"].value) == (dg.AssetKey("stg_orders"), "warn")


def test_a_failed_test_is_a_failed_check_with_its_count(broken: "Run") -> None:
    failed = broken.checks["no_negative_totals"]
    assert not failed.passed
    assert failed.severity == dg.AssetCheckSeverity.ERROR
    assert failed.metadata["dagster_dbt/failed_row_count"].value == 4


def test_a_failed_model_is_named_with_its_file_and_the_message_of_dbt(broken: "Run") -> None:
    assert "DbtRunError: dbt build failed in 3 nodes." in broken.error
    assert "model orders (models/marts/orders.sql): Binder Error" in broken.error
    assert "model daily_orders (models/marts/daily_orders.sql): Binder Error" in broken.error
    assert "test no_negative_totals (tests/no_negative_totals.sql): Got 4 results" in broken.error
    assert str(broken.invocations[0].target_path / "dbt.log") in broken.error
    assert "Traceback" not in broken.error


def test_a_selected_model_runs_with_its_checks_and_the_tests_that_are_none(
    run: "Callable[..., Run]", built: "Run"
) -> None:
    some = run(selection=dg.AssetSelection.assets("customers"))
    assert some.success
    assert some.materialized == ["customers"]
    assert set(some.checks) == {
        "unique_customers_customer_id",
        "not_null_customers_customer_id",
        "no_negative_totals",
        "totals_agree",
    }
    # The unit test has no check, and goes with its model.
    assert some.ran == {"customers", "customers_without_orders_have_none", *some.checks}


def test_tests_that_the_decorator_leaves_out_do_not_run_with_a_part_either(
    run: "Callable[..., Run]", built: "Run"
) -> None:
    some = run(selection=dg.AssetSelection.assets("customers"), exclude="resource_type:test")
    assert some.success
    assert some.ran == {"customers", "customers_without_orders_have_none"}


def test_to_run_one_model_the_manifest_is_not_parsed_as_a_whole(
    jaffle: DbtProject, dbt: DbtCliResource, built: "Run", tmp_path: Path
) -> None:
    content = jaffle.manifest_path.read_bytes()
    # Behind the nodes it is not even JSON any more.
    (tmp_path / "manifest.json").write_bytes(content[: content.index(b'"parent_map": ')] + b"what is this")

    @dbt_assets(manifest=tmp_path / "manifest.json")
    def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["run"], context=context).stream().fetch_row_counts()

    selection = dg.AssetSelection.assets("order_days").without_checks()
    result = dg.materialize([shop], selection=selection, resources={"dbt": dbt})
    assert result.asset_materializations_for_node("shop")[0].metadata["dagster/row_count"].value == 3


def test_deselected_checks_do_not_run_and_a_folder_is_not_taken_for_the_model_of_its_name(
    run: "Callable[..., Run]", built: "Run"
) -> None:
    source_check = dg.AssetCheckKey(dg.AssetKey(["shop", "customers"]), SOURCE_TEST)
    selection = dg.AssetSelection.assets(ORDERS).without_checks() | dg.AssetSelection.checks(source_check)
    some = run(selection=selection)
    assert some.success
    assert some.materialized == ["finance/orders"]
    assert set(some.checks) == {SOURCE_TEST}
    assert some.ran == {"orders", SOURCE_TEST}


def test_what_dbt_did_beside_the_selection_is_told_but_is_no_output_also_when_dbt_is_quiet(
    run: "Callable[..., Run]",
) -> None:
    selection = dg.AssetSelection.assets("stg_payments")
    some = run(["--quiet", "run", "--select", "stg_customers"], selection)
    assert some.success
    assert set(some.materialized) == {"stg_payments", "stg_customers"}
    assert some.outputs == {"stg_payments"}


def test_in_an_op_results_are_plain_events_and_the_manifest_is_that_of_the_command(
    dbt: DbtCliResource,
) -> None:
    only_its_own = ["--indirect-selection", "cautious"]

    @dg.op(out={})
    def build(context: dg.OpExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build", "--select", "stg_customers", *only_its_own], context=context).stream()

    @dg.job(resource_defs={"dbt": dbt})
    def job() -> None:
        build()

    result = job.execute_in_process()
    assert result.success
    keys = [event.asset_key for event in result.get_asset_materialization_events()]
    assert keys == [dg.AssetKey("stg_customers")]
    assert {check.check_name for check in result.get_asset_check_evaluations()} == {
        "unique_stg_customers_customer_id",
        "not_null_stg_customers_customer_id",
        "named_customers_stg_customers_",
    }


def test_raw_events_can_be_turned_into_dagster_events_one_by_one(
    dbt: DbtCliResource, jaffle: DbtProject
) -> None:
    invocation = dbt.cli(["run", "--select", "stg_customers", "stg_payments"])
    names: list[str] = []
    events: list[Any] = []
    for event in invocation.stream_raw_events():
        names.append(event.name)
        events += event.to_default_asset_events(manifest=jaffle.manifest_path)
    assert "LogModelResult" in names
    assert "SQLQuery" not in names
    built = {event.asset_key for event in events}
    assert built == {dg.AssetKey("stg_customers"), dg.AssetKey("stg_payments")}


def test_a_command_that_builds_nothing_materializes_nothing(jaffle: DbtProject) -> None:
    dbt = DbtCliResource(project_dir=jaffle, target="other", global_config_flags=["--no-use-colors"])
    invocation = dbt.cli(["compile", "--select", "stg_orders"], manifest=jaffle.manifest_path)
    assert list(invocation.stream()) == []
    assert invocation.is_successful()
    # The target and the flags of the resource reached dbt.
    assert invocation.get_artifact("manifest.json")["nodes"]["model.jaffle.stg_orders"]["database"] == "other"
    assert not invocation.get_artifact("run_results.json")["args"]["use_colors"]


def test_a_result_comes_before_the_command_ends_and_closing_the_stream_ends_it(
    dbt: DbtCliResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAFFLE_ENDLESS", "yes")
    invocation = dbt.cli(["run", "--select", "endless", "stg_payments"])
    stream = invocation.stream()
    first = next(stream)
    assert isinstance(first, dg.AssetMaterialization)
    assert first.asset_key == dg.AssetKey("stg_payments")
    assert invocation.process.poll() is None
    stream.close()
    assert invocation.process.poll() is not None


def test_a_stream_that_is_closed_before_it_starts_ends_dbt(dbt: DbtCliResource) -> None:
    invocation = dbt.cli(["parse"])
    invocation.stream().close()
    assert invocation.process.poll() is not None


def test_many_selected_nodes_run_where_the_project_is(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: many\nversion: '1.0'\nprofile: many\n")
    outputs = "{dev: {type: duckdb, path: many.duckdb}}"
    (folder / "profiles.yml").write_text(f"many: {{target: dev, outputs: {outputs}}}\n")
    for number in range(302):
        (folder / "models" / f"m{number}.sql").write_text("select 1 as one")
    project = DbtProject(folder)
    project.prepare()
    invocations: list[DbtCliInvocation] = []

    @dbt_assets(manifest=project.manifest_path, project=project)
    def many(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        # dbt does not run them, but it finds each: that is enough here, and quicker.
        invocations.append(dbt.cli(["compile"], context=context).wait())
        yield from (dg.Output(None, name) for name in context.op_execution_context.selected_output_names)

    selection = dg.AssetSelection.all() - dg.AssetSelection.assets("m0", "m1")
    dg.materialize([many], selection=selection, resources={"dbt": DbtCliResource(project)})
    [invocation] = invocations
    assert invocation.project_dir == folder
    results = invocation.get_artifact("run_results.json")["results"]
    assert {result["unique_id"] for result in results} == {f"model.many.m{n}" for n in range(2, 302)}


CANCELLED = """
import sys, dagster as dg
from mainstem.dbt import DbtCliResource, dbt_assets

@dbt_assets(manifest=sys.argv[1])
def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    invocation = dbt.cli(["run", "--select", "endless"], context=context)
    print("dbt is", invocation.process.pid, flush=True)
    yield from invocation.stream()

selection = dg.AssetSelection.assets("stg_payments").without_checks()
dg.materialize([shop], selection=selection, resources={"dbt": DbtCliResource(sys.argv[2])})
"""


def test_cancelling_the_run_ends_dbt(jaffle: DbtProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAFFLE_ENDLESS", "yes")
    command = [sys.executable, "-c", CANCELLED, str(jaffle.manifest_path), str(jaffle.project_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        dbt: psutil.Process | None = None
        for line in run.stdout:
            if line.startswith("dbt is"):
                dbt = psutil.Process(int(line.split()[-1]))
            if "OK created sql view model main.stg_payments" in line:
                break
        run.send_signal(signal.SIGINT)
        run.stdout.read()
    assert run.returncode != 0
    assert dbt is not None
    assert not dbt.is_running()
