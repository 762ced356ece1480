"""SlingResource with the embedded engine: what it offers besides a run, and what a run says."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from mainstem.errors import ConnectionConfigError, RelationNotFoundError, SlingRunError
from mainstem.sling import SlingConnectionResource, SlingEventIterator, SlingResource, sling_assets
from mainstem.testing.warehouse import Warehouse

SECRET = "c4n4ry-hunter2"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    execute(
        path,
        "create table users (id integer primary key, name text, photo blob)",
        "insert into users values (1, 'Zoë', x'0102'), (2, null, null)",
        "create table orders (id integer primary key)",
        "insert into orders values (1)",
    )
    return path


@pytest.fixture
def sling(shop: Path, warehouse: Warehouse) -> SlingResource:
    return SlingResource(
        connections=[
            SlingConnectionResource(name="MY_SQLITE", type="sqlite", instance=str(shop)),
            SlingConnectionResource(name="MY_DUCKDB", type="duckdb", connection_string=warehouse.url),
        ]
    )


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def replication(*streams: str, **configured: Any) -> dict[str, Any]:
    return {
        "source": "MY_SQLITE",
        "target": "MY_DUCKDB",
        "defaults": {"object": "{stream_table}"},
        "streams": {**dict.fromkeys(streams), **configured},
    }


def assets_of(config: Any, fetch: Any = lambda events: events, **options: Any) -> dg.AssetsDefinition:
    @sling_assets(replication_config=config)
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from fetch(sling.replicate(context=context, **options))

    return my_assets


def run(
    assets: dg.AssetsDefinition, sling: SlingResource, **options: Any
) -> tuple[dg.ExecuteInProcessResult, list[tuple[int, str]]]:
    """A run, and the lines of its log that are not Dagster's own."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [assets], resources={"sling": sling}, instance=instance, raise_on_error=False, **options
        )
        logged = [
            (int(record.level), record.user_message)
            for record in instance.all_logs(result.run_id)
            if not record.is_dagster_event
        ]
    return result, logged


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Mapping[str, Any]]:
    return {
        event.asset_key.path[-1]: event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


# What a stream's event says.


def test_a_stream_says_how_much_it_moved_and_how_fast(sling: SlingResource) -> None:
    result, _ = run(assets_of(replication("main.users")), sling)
    users = metadata_of(result)["users"]
    assert (users["rows"].value, users["mode"].value) == (2, "full-refresh")
    bytes_, seconds, rate = (users[key].value for key in ("bytes", "elapsed_time", "rows_per_second"))
    assert isinstance(bytes_, int)
    assert isinstance(seconds, float)
    assert bytes_ > 0
    assert rate == round(2 / seconds, 1)


def test_an_incremental_stream_says_where_it_began_and_where_it_ended(
    sling: SlingResource, shop: Path
) -> None:
    assets = assets_of(
        replication(**{"main.orders": {"mode": "incremental", "primary_key": "id", "update_key": "id"}})
    )
    run(assets, sling)
    execute(shop, "insert into orders values (7)")
    result, _ = run(assets, sling)
    orders = metadata_of(result)["orders"]
    assert (orders["cursor_before"].value, orders["cursor_after"].value) == ("1", "7")
    assert orders["dagster/row_count"].value == 2


def test_a_preview_is_there_when_it_is_asked_for(sling: SlingResource) -> None:
    def fetch(events: SlingEventIterator) -> SlingEventIterator:
        return events.fetch_column_metadata().fetch_row_count().fetch_preview()

    result, _ = run(assets_of(replication("main.users"), fetch), sling)
    preview = metadata_of(result)["users"]["preview"]
    assert isinstance(preview, dg.TableMetadataValue)
    assert [(column.name, column.type) for column in preview.schema.columns] == [
        ("id", "int"),
        ("name", "string"),
        ("photo", "string"),
    ]
    assert [record.data for record in preview.records] == [
        {"id": 1, "name": "Zoë", "photo": "0102"},
        {"id": 2, "name": None, "photo": None},
    ]
    plain, _ = run(assets_of(replication("main.users")), sling)
    assert "preview" not in metadata_of(plain)["users"]


def test_a_preview_has_five_rows_or_as_many_as_are_asked_for(sling: SlingResource, shop: Path) -> None:
    execute(shop, *(f"insert into orders values ({number})" for number in range(2, 10)))

    def rows(*asked: int) -> int:
        result, _ = run(
            assets_of(replication("main.orders"), lambda events: events.fetch_preview(*asked)), sling
        )
        preview = metadata_of(result)["orders"]["preview"]
        assert isinstance(preview, dg.TableMetadataValue)
        return len(preview.records)

    assert (rows(), rows(2)) == (5, 2)


def test_materializations_come_one_by_one_while_the_run_goes_on(
    sling: SlingResource, warehouse: Warehouse
) -> None:
    """Official fault 5: there, nothing is materialized before the last stream is done."""
    seen = []

    @sling_assets(replication_config=replication("main.users", "main.orders"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        for event in sling.replicate(context=context):
            seen.append(sling.get_row_count_for_table("MY_DUCKDB", "main.users"))
            with pytest.raises(RelationNotFoundError):
                sling.get_row_count_for_table("MY_DUCKDB", "main.orders")
            yield event
            break

    run(my_assets, sling)
    assert seen == [2]


def test_fetching_from_a_stream_that_wrote_nothing_fails_nothing(sling: SlingResource, shop: Path) -> None:
    """Official faults 8 and 14."""
    execute(shop, "delete from orders")

    def fetch(events: SlingEventIterator) -> SlingEventIterator:
        return events.fetch_column_metadata().fetch_row_count().fetch_preview()

    result, logged = run(assets_of(replication("main.orders"), fetch), sling)
    assert result.success
    assert metadata_of(result)["orders"]["rows"].value == 0
    assert [text for level, text in logged if level == 30 and "No rows in main.orders" in text]


# What the log says.


def test_each_thing_is_logged_once_at_its_level(sling: SlingResource, shop: Path) -> None:
    execute(shop, "create table empty (id integer)")
    config = replication("main.users", "main.missing", "main.empty")
    _, logged = run(assets_of(config), sling)
    levels = [(level, text.split(":")[0].split(" ")[0]) for level, text in logged]
    assert levels == [
        (20, "main.users"),
        (20, "main.users"),
        (40, "Stream"),
        (20, "main.empty"),
        (20, "main.empty"),
        (30, "main.empty"),
    ]
    assert len({text for _, text in logged}) == len(logged)


def test_a_stream_of_many_batches_has_no_line_a_batch(sling: SlingResource, shop: Path) -> None:
    execute(
        shop,
        "insert into orders with recursive n(i) as (select 2 union all select i + 1 from n where i < 400000)"
        " select i from n",
    )
    _, logged = run(assets_of(replication("main.orders")), sling)
    assert logged[0][1] == "main.orders → main.orders"
    assert logged[-1][1].startswith("main.orders: 400,000 rows, 3.2 MB in ")
    # Where the machine stands still, one on the way may be among them.
    assert len(logged) < 5


def test_debug_says_more(sling: SlingResource) -> None:
    _, quiet = run(assets_of(replication("main.users")), sling)
    _, loud = run(assets_of(replication("main.users"), debug=True), sling)
    assert {level for level, _ in quiet} == {20}
    assert {level for level, _ in loud} == {10, 20}


def test_the_lines_of_a_run_can_be_read_again(sling: SlingResource) -> None:
    lines: list[str] = []

    @sling_assets(replication_config=replication("main.users"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)
        lines.extend(sling.stream_raw_logs())

    _, logged = run(my_assets, sling)
    assert lines == [text for _, text in logged]
    assert list(SlingResource().stream_raw_logs()) == []


# Which streams run.


def test_another_assets_function_may_replicate(sling: SlingResource, warehouse: Warehouse) -> None:
    @dg.asset
    def nightly(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context, replication_config=replication("main.users"))
        yield dg.MaterializeResult(metadata={"done": True})

    result, _ = run(nightly, sling)
    assert result.success
    assert list(metadata_of(result)) == ["users", "nightly"]
    assert warehouse.query("select count(*) from users") == [(2,)]


def test_the_assets_function_may_be_called_by_itself(sling: SlingResource, warehouse: Warehouse) -> None:
    @sling_assets(replication_config=replication("main.users", "main.orders"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    events: Any = my_assets(dg.build_asset_context(), sling=sling)
    assert [event.asset_key.path[-1] for event in events] == ["users", "orders"]
    assert warehouse.tables() == ["main.orders", "main.users"]


def test_an_op_replicates_what_a_wildcard_matches_now(
    sling: SlingResource, warehouse: Warehouse, shop: Path
) -> None:
    @dg.op(out={})
    def replicate(context: dg.OpExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context, replication_config=replication("main.*"))

    @dg.job(resource_defs={"sling": sling})
    def job() -> None:
        replicate()

    execute(shop, "create table latest (id integer)", "insert into latest values (1)")
    result = job.execute_in_process()
    keys = {
        event.asset_key for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"
    }
    assert keys == {dg.AssetKey(["target", "main", name]) for name in ("latest", "orders", "users")}
    assert warehouse.tables() == ["main.latest", "main.orders", "main.users"]


def test_a_wildcard_is_an_asset_for_each_table(
    sling: SlingResource, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Official fault 4: there, it is one asset that is named after the wildcard."""
    monkeypatch.setenv("MAINSTEM_PREPARE_ON_LOAD", "1")
    monkeypatch.chdir(tmp_path)

    @sling_assets(replication_config=replication("main.*"), connections=sling.connections)
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    assert {spec.key.path[-1] for spec in my_assets.specs} == {"users", "orders"}
    (key,) = [spec.key for spec in my_assets.specs if spec.key.path[-1] == "orders"]
    result, _ = run(my_assets, sling, selection=[key])
    assert list(metadata_of(result)) == ["orders"]
    assert warehouse.tables() == ["main.orders"]


def test_the_runs_config_may_name_streams_and_their_keys(sling: SlingResource, warehouse: Warehouse) -> None:
    """Official fault 12: there, any other config of the op widens the run to all streams."""

    class Streams(dg.Config):
        context_streams: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it

    @sling_assets(replication_config=replication("main.users", "main.orders"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource, config: Streams) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    named = {"main.users": {"source_options": {"limit": 1}}}
    config = {"ops": {"my_assets": {"config": {"context_streams": named}}}}
    result, _ = run(my_assets, sling, run_config=config)
    assert result.success
    assert list(metadata_of(result)) == ["users"]
    assert warehouse.query("select id from users") == [(1,)]


# Connections.


def test_a_connection_that_is_not_complete_matters_only_where_it_is_needed(sling: SlingResource) -> None:
    unused = SlingConnectionResource(name="LATER", type="snowflake", password=dg.EnvVar("NO_SUCH_VARIABLE"))
    more = SlingResource(connections=[*sling.connections, unused])
    result, _ = run(assets_of(replication("main.users")), more)
    assert result.success
    with pytest.raises(ConnectionConfigError, match="LATER: 'password' is the environment variable NO_SUCH"):
        more.get_row_count_for_table("LATER", "t")


# Settings.


@pytest.mark.parametrize("setting", [{"threads": 0}, {"retries": -1}, {"retry_delay": -0.5}])
def test_a_setting_that_is_too_small_is_refused(setting: Any) -> None:
    with pytest.raises(ValidationError, match="It is at least"):
        SlingResource(**setting)


def test_a_setting_may_be_a_variable_of_the_environment(
    sling: SlingResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADS_OF_TEST", "2")
    threads: Any = dg.EnvVar.int("THREADS_OF_TEST")
    more = SlingResource(connections=sling.connections, threads=threads)
    result, _ = run(assets_of(replication("main.users", "main.orders")), more)
    assert sorted(metadata_of(result)) == ["orders", "users"]


# Tables, and the command line.


def test_the_resource_describes_and_counts_a_table(sling: SlingResource) -> None:
    run(assets_of(replication("main.users")), sling)
    assert sling.get_row_count_for_table("MY_DUCKDB", "main.users") == 2
    columns = sling.get_column_info_for_table("my_duckdb", "Main.Users")
    assert [(column["Column"], column["General Type"], column["Native Type"]) for column in columns] == [
        ("id", "bigint", "BIGINT"),
        ("name", "text", "VARCHAR"),
        ("photo", "binary", "BLOB"),
    ]
    with pytest.raises(RelationNotFoundError, match=r"no table userz in .*Did you mean users\?"):
        sling.get_row_count_for_table("MY_DUCKDB", "main.userz")


def test_the_command_line_is_ours_and_knows_the_connections(
    sling: SlingResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(os.environ)
    said = json.loads(
        sling.run_sling_cli(["conns", "exec", "MY_SQLITE", "select id, name from users"], force_json=True)
    )
    assert said == {"fields": ["id", "name"], "rows": [[1, "Zoë"], [2, None]]}
    assert dict(os.environ) == before
    monkeypatch.setenv("SECRET_OF_TEST", SECRET)
    closed = SlingConnectionResource(
        name="MY_POSTGRES", type="postgres", host="127.0.0.1", port=1, password=dg.EnvVar("SECRET_OF_TEST")
    )
    with pytest.raises(SlingRunError, match="exit code 1") as raised:
        SlingResource(connections=[closed]).run_sling_cli(["conns", "test", "MY_POSTGRES"])
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(closed)
