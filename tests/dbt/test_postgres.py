"""dbt on a real PostgreSQL: what is fetched there, and what a cancelled run leaves in the server."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets
from mainstem.testing.postgres import EmbeddedPostgres

PROJECT = Path(__file__).parent / "projects" / "market"


@pytest.fixture
def market(
    postgres: EmbeddedPostgres, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DbtProject:
    """The project over a schema of its own, parsed."""
    postgres.execute(
        f"create table {schema}.stalls (id int, row_name text, rent numeric(8,2), loaded_at timestamptz)",
        f"insert into {schema}.stalls values (1, 'north', 10.5, now()), (2, 'south', 7, now())",
        f"insert into {schema}.stalls values (3, 'south', 8, now() - interval '1 day')",
    )
    connection = {
        "HOST": postgres.host,
        "PORT": str(postgres.port),
        "USER": postgres.user,
        "PASSWORD": postgres.password,
        "DATABASE": postgres.database,
        "SCHEMA": schema,
    }
    for name, value in connection.items():
        monkeypatch.setenv(f"MARKET_{name}", value)
    shutil.copytree(PROJECT, tmp_path / "market")
    project = DbtProject(tmp_path / "market")
    project.prepare()
    return project


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    [event] = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey.from_user_string(asset)
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_rows_columns_and_lineage_come_from_the_server(market: DbtProject, schema: str) -> None:
    @dbt_assets(manifest=market.manifest_path)
    def assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream().fetch_row_counts().fetch_column_metadata()

    result = dg.materialize([assets], resources={"dbt": DbtCliResource(market)})
    by_row = metadata_of(result, "stalls_by_row")
    assert (by_row["rows"], by_row["dagster/row_count"]) == (2, 2)
    assert by_row["dagster/table_name"].endswith(f".{schema}.stalls_by_row")
    assert [(column.name, column.type) for column in by_row["dagster/column_schema"].columns] == [
        ("row_name", "text"),
        ("stalls", "bigint"),
        ("highest_rent", "numeric"),
    ]
    view = metadata_of(result, "stg_stalls")
    assert "dagster/row_count" not in view
    source = dg.AssetKey(["market", "stalls"])
    assert view["dagster/column_lineage"].deps_by_column == {
        name: [dg.TableColumnDep(source, name)] for name in ("id", "row_name", "rent", "loaded_at")
    }
    history = metadata_of(result, "stalls_history")["dagster/column_lineage"].deps_by_column
    assert history["rent"] == [dg.TableColumnDep(dg.AssetKey("stg_stalls"), "rent")]
    assert metadata_of(result, "new_stalls")["dagster/row_count"] == 3
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "source_unique_market_stalls_id": True,
        "not_null_stalls_by_row_row_name": True,
    }


def test_source_freshness_is_an_observation_of_the_source(market: DbtProject) -> None:
    @dg.op(out={})
    def look(context: dg.OpExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["source", "freshness"], context=context).stream()

    @dg.job(resource_defs={"dbt": DbtCliResource(market)})
    def job() -> None:
        look()

    result = job.execute_in_process()
    [event] = result.filter_events(lambda event: event.event_type_value == "ASSET_OBSERVATION")
    observation = event.asset_observation_data.asset_observation
    assert observation.asset_key == dg.AssetKey(["market", "stalls"])
    assert observation.metadata["status"].value == "pass"
    assert isinstance(observation.metadata["dagster/last_updated_timestamp"], dg.TimestampMetadataValue)


RUN = """
import sys, dagster as dg
from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets

project = DbtProject(sys.argv[1])

@dbt_assets(manifest=project.manifest_path)
def market(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    invocation = dbt.cli(["run", "--select", "sleeper"], context=context)
    print("dbt is", invocation.process.pid, flush=True)
    yield from invocation.stream()

selection = dg.AssetSelection.assets("stg_stalls").without_checks()
dg.materialize([market], selection=selection, resources={"dbt": DbtCliResource(project)})
"""


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL])
def test_ending_the_run_ends_its_query_in_the_server(
    market: DbtProject,
    postgres: EmbeddedPostgres,
    schema: str,
    monkeypatch: pytest.MonkeyPatch,
    ended_by: signal.Signals,
) -> None:
    def sleeping() -> bool:
        # The schema tells the query from those of other tests.
        active = "select 1 from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
        return bool(postgres.fetch(f"{active} and query like '%{schema}%pg_sleep(3600)%'"))

    monkeypatch.setenv("MARKET_SLEEPER", "yes")
    command = [sys.executable, "-c", RUN, str(market.project_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        dbt = next(psutil.Process(int(line.split()[-1])) for line in run.stdout if line.startswith("dbt is"))
        while not sleeping():
            assert run.poll() is None
        run.send_signal(ended_by)
        run.stdout.read()
    assert run.returncode != 0
    dbt.wait(60)
    assert not sleeping()
