"""Sources are nodes of the graph: described without a connection, observed with a data version."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import duckdb
import pytest

from mainstem.connections import Connection
from mainstem.errors import ConfigError
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets
from mainstem.sling.observation import build_sling_source_observations
from mainstem.sling.snapshot import prepare_replication
from mainstem.sling.sources import build_sling_source_specs
from mainstem.testing.postgres import EmbeddedPostgres, free_port

BIN = Path(sys.executable).parent
ORDERS = dg.AssetKey(["shop", "orders"])
TARGET = dg.AssetKey(["target", "shop", "orders"])
KEYED: dict[str, Any] = {"mode": "incremental", "primary_key": "id", "update_key": "made"}


def look(
    sources: dg.AssetsDefinition,
    sling: SlingResource,
    instance: dg.DagsterInstance | None = None,
    selection: Any = None,
) -> dg.ExecuteInProcessResult:
    """Observe sources, as the button of the UI does."""
    job = dg.define_asset_job("look", selection=selection or dg.AssetSelection.assets(sources))
    defs = dg.Definitions(assets=[sources], jobs=[job], resources={"sling": sling})
    return defs.resolve_job_def("look").execute_in_process(instance=instance, raise_on_error=False)


class Shop:
    """A project: what is sold is in DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "source.duckdb"
        self.connections = [SlingConnectionResource(name="SHOP", type="duckdb", instance=str(self.file))]
        self.sling = SlingResource(
            connections=[
                *self.connections,
                SlingConnectionResource(name="WH", type="duckdb", instance=str(folder / "wh.duckdb")),
            ]
        )
        self.run(
            "create schema shop",
            "create table shop.orders (id integer primary key, name varchar, made timestamp)",
            "comment on table shop.orders is 'What was bought.'",
            "insert into shop.orders values (1, 'a', '2024-01-01'), (2, 'b', '2024-01-02')",
        )

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            for statement in statements:
                connection.execute(statement)

    def config(self, **stream: Any) -> dict[str, Any]:
        own = {"object": "main.orders", **stream}
        # The asset's key is that of the stream, not of its object.
        meta = {"dagster": {"asset_key": "target/shop/orders", **stream.get("meta", {}).get("dagster", {})}}
        return {"source": "SHOP", "target": "WH", "streams": {"shop.orders": {**own, "meta": meta}}}

    def observe(
        self, *statements: str, instance: dg.DagsterInstance | None = None, **stream: Any
    ) -> tuple[str, Mapping[str, Any]]:
        """Run statements at the source, observe it, and return the data version and the metadata."""
        self.run(*statements)
        sources = build_sling_source_observations(self.config(**stream))
        (event,) = look(sources, self.sling, instance).get_asset_observation_events()
        seen = event.asset_observation_data.asset_observation
        metadata = {name: value.value for name, value in seen.metadata.items()}
        return str(seen.data_version), metadata


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed."""
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    return str(event.step_failure_data.user_failure_data)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


# What is known without a connection.


def test_a_source_has_its_kind_its_table_and_the_columns_of_the_snapshot(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare_replication(shop.config(), shop.connections)
    shop.file.unlink()
    (spec,) = build_sling_source_specs(shop.config(), group_name="sources")
    assert (spec.key, spec.kinds, spec.group_name) == (ORDERS, {"duckdb"}, "sources")
    assert spec.description == "What was bought."
    assert spec.metadata["dagster/table_name"] == "shop.orders"
    assert spec.metadata["estimated_rows"] == 2
    columns = spec.metadata["dagster/column_schema"].columns
    assert [(column.name, column.type) for column in columns] == [
        ("id", "INTEGER"),
        ("name", "VARCHAR"),
        ("made", "TIMESTAMP"),
    ]


def test_without_a_snapshot_the_connection_tells_the_kind(shop: Shop) -> None:
    (spec,) = build_sling_source_specs(shop.config(), connections=shop.connections)
    assert spec.kinds == {"duckdb"}
    (unknown,) = build_sling_source_specs(shop.config())
    assert (unknown.key, unknown.kinds) == (ORDERS, set())


def test_a_source_of_two_streams_is_one_node(shop: Shop) -> None:
    config = shop.config()
    config["streams"]["shop.carts"] = {"object": "main.carts", "meta": {"dagster": {"deps": "shop/orders"}}}
    assert [spec.key for spec in build_sling_source_specs(config)] == [ORDERS]
    assert list(build_sling_source_specs(config, exclude=[ORDERS])) == []


# What is observed.


def test_an_observation_tells_what_is_there(shop: Shop) -> None:
    _, metadata = shop.observe(**KEYED)
    assert metadata["dagster/row_count"] == 2
    assert metadata["greatest_update_key"] == "2024-01-02 00:00:00.000000"
    assert metadata["dagster/table_name"] == "shop.orders"
    assert metadata["estimated_rows"] == 2
    assert [column.name for column in metadata["dagster/column_schema"].columns] == ["id", "name", "made"]


CHANGES = {
    "a row more": "insert into shop.orders values (3, 'c', '2024-01-03')",
    "a row less": "delete from shop.orders where id = 1",
    "another value": "update shop.orders set name = 'x' where id = 1",
    "a value later": "update shop.orders set made = '2024-02-01' where id = 1",
    "a column more": "alter table shop.orders add column more integer",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("stream", "unseen"),
    [
        ({}, set()),
        # An incremental run would not find this row either.
        (KEYED, {"another value"}),
        ({"meta": {"dagster": {"observe": "rows"}}}, {"another value", "a value later"}),
    ],
    ids=["by checksum", "by update key", "by rows"],
)
def test_the_data_version_is_another_one_after_a_change_and_only_then(
    shop: Shop, stream: dict[str, Any], unseen: set[str], change: str
) -> None:
    before, _ = shop.observe(**stream)
    assert shop.observe(**stream)[0] == before
    after, _ = shop.observe(CHANGES[change], **stream)
    assert (after == before) == (change in unseen)


def test_the_same_rows_in_another_order_are_the_same(shop: Shop) -> None:
    before, _ = shop.observe()
    after, _ = shop.observe(
        "create table again as select * from shop.orders order by id desc",
        "delete from shop.orders",
        "insert into shop.orders select * from again",
    )
    assert after == before


def test_custom_sql_is_observed_as_it_is_read(shop: Shop) -> None:
    condition = "id > 1 and {incremental_where_cond} and '{stream_name}' = 'shop.orders'"
    own: dict[str, Any] = {"sql": f"select id from shop.orders where {condition}"}
    before, metadata = shop.observe(**own)
    assert metadata["dagster/row_count"] == 1
    assert shop.observe("update shop.orders set name = 'x'", **own)[0] == before
    assert shop.observe("insert into shop.orders values (3, 'c', null)", **own)[0] != before


def test_a_source_that_counts_its_changes_needs_no_scan(postgres: EmbeddedPostgres, schema: str) -> None:
    postgres.execute(f"create table {schema}.orders (id int)", f"insert into {schema}.orders values (1)")
    stream = {"object": "main.x", "meta": {"dagster": {"observe": "statistics"}}}
    config = {"source": postgres.url, "target": "WH", "streams": {f"{schema}.orders": stream}}
    sources = build_sling_source_observations(config)
    (event,) = look(sources, SlingResource()).get_asset_observation_events()
    seen = event.asset_observation_data.asset_observation
    statistics: Any = seen.metadata["statistics"].value
    assert statistics["bytes"] > 0
    assert "changes" in statistics
    assert "dagster/row_count" not in seen.metadata


def test_where_a_source_counts_no_changes_it_says_so(shop: Shop) -> None:
    sources = build_sling_source_observations(shop.config(meta={"dagster": {"observe": "statistics"}}))
    told = failure(look(sources, shop.sling))
    assert "SHOP (duckdb) keeps no count of the changes of shop.orders" in told
    assert "checksum" in told


@pytest.mark.parametrize("way", ["often", "update_key"])
def test_a_way_that_is_none_is_told_when_definitions_load(shop: Shop, way: str) -> None:
    with pytest.raises(ConfigError, match=r"shop\.orders"):
        build_sling_source_observations(shop.config(meta={"dagster": {"observe": way}}))


def test_a_source_that_is_gone_is_told_by_name_and_the_others_are_observed(shop: Shop) -> None:
    config = shop.config()
    config["streams"] = {"shop.gone": {"object": "main.gone"}, **config["streams"]}
    sources = build_sling_source_observations(config)
    result = look(sources, shop.sling)
    assert [event.asset_key for event in result.get_asset_observation_events()] == [ORDERS]
    assert "1 of 2 sources could not be observed" in failure(result)
    assert "There is no table gone" in failure(result)


def test_single_sources_can_be_observed(shop: Shop) -> None:
    shop.run("create table shop.carts (id integer)")
    config = shop.config()
    config["streams"]["shop.carts"] = {"object": "main.carts"}
    sources = build_sling_source_observations(config)
    result = look(sources, shop.sling, selection=dg.AssetSelection.assets(ORDERS))
    assert [event.asset_key for event in result.get_asset_observation_events()] == [ORDERS]


def test_a_table_that_is_new_is_told_in_the_log(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**shop.config(), "streams": {"shop.*": {"object": "main.{stream_table}"}}}
    prepare_replication(config, [Connection("SHOP", "duckdb", {"instance": str(shop.file)})])
    shop.run("create table shop.carts (id integer)")
    sources = build_sling_source_observations(config)
    assert look(sources, shop.sling).success
    assert "shop.carts is not yet in the snapshot" in capfd.readouterr().err


# What Dagster makes of it.


def assets_of(shop: Shop, **stream: Any) -> list[dg.AssetsDefinition]:
    @sling_assets(replication_config=shop.config(**stream))
    def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    return [build_sling_source_observations(shop.config(**stream)), orders]


def test_a_job_looks_at_the_sources_before_it_loads_the_targets(shop: Shop) -> None:
    assets = assets_of(shop)
    everything = dg.define_asset_job("all", selection=dg.AssetSelection.assets(assets[0], TARGET))
    defs = dg.Definitions(assets=assets, jobs=[everything], resources={"sling": shop.sling})
    result = defs.resolve_job_def("all").execute_in_process()
    (observed,) = result.get_asset_observation_events()
    (made,) = result.get_asset_materialization_events()
    version = observed.asset_observation_data.asset_observation.data_version
    assert (made.materialization.tags or {})["dagster/input_data_version/shop/orders"] == version


def evaluate(defs: dg.Definitions, instance: dg.DagsterInstance, before: Any = None) -> Any:
    """Have the target's automation condition evaluated, as the daemon does."""
    target = dg.AssetSelection.assets(TARGET)
    cursor = before.cursor if before else None
    return dg.evaluate_automation_conditions(defs, instance, asset_selection=target, cursor=cursor)


def test_an_automation_condition_acts_when_the_source_has_changed_and_only_then(shop: Shop) -> None:
    stream: dict[str, Any] = {"meta": {"dagster": {"automation": "eager"}}}
    assets = assets_of(shop, **stream)
    defs = dg.Definitions(assets=assets, resources={"sling": shop.sling})
    with dg.DagsterInstance.ephemeral() as instance:
        shop.observe(instance=instance, **stream)
        dg.materialize([assets[1]], resources={"sling": shop.sling}, instance=instance)
        first = evaluate(defs, instance)
        shop.observe(instance=instance, **stream)
        unchanged = evaluate(defs, instance, first)
        shop.observe("update shop.orders set name = 'x'", instance=instance, **stream)
        changed = evaluate(defs, instance, unchanged)
    assert [unchanged.get_num_requested(TARGET), changed.get_num_requested(TARGET)] == [0, 1]


DEFINITIONS = """
    from collections.abc import Iterator
    from typing import Any

    import dagster as dg

    from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets
    from mainstem.sling.observation import build_sling_source_observations

    replication = {config!r}

    @sling_assets(replication_config=replication)
    def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    defs = dg.Definitions(
        assets=[build_sling_source_observations(replication), orders],
        resources={{
            "sling": SlingResource(
                connections=[
                    SlingConnectionResource(name="SHOP", type="duckdb", instance={shop!r}),
                    SlingConnectionResource(name="WH", type="duckdb", instance={warehouse!r}),
                ]
            )
        }},
    )
"""


@pytest.fixture
def webserver(shop: Shop, tmp_path: Path) -> Iterator[str]:
    """The address of a real webserver over the shop's definitions, on an instance in the test's folder."""
    (tmp_path / "home").mkdir()
    (tmp_path / "definitions.py").write_text(
        dedent(DEFINITIONS).format(
            config=shop.config(), shop=str(shop.file), warehouse=str(tmp_path / "wh.duckdb")
        )
    )
    port = free_port()
    log = tmp_path / "webserver.log"
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home")}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(BIN / "dagster-webserver"), "-f", "definitions.py", "-h", "127.0.0.1", "-p", str(port)],
            cwd=tmp_path,
            env=environment,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    with urllib.request.urlopen(f"{address}/server_info"):  # noqa: S310 - our own server
                        break
                except (urllib.error.URLError, ConnectionError):
                    assert process.poll() is None, log.read_text()[-3000:]
                    time.sleep(0.5)
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def stale_status(address: str) -> tuple[str, list[str]]:
    """What the UI shows of the target: its status, and why."""
    query = """{ assetNodes(assetKeys: [{path: ["target", "shop", "orders"]}]) {
        staleStatus staleCauses { reason key { path } } } }"""
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 - our own server
        (node,) = json.load(response)["data"]["assetNodes"]
    return node["staleStatus"], ["/".join(cause["key"]["path"]) for cause in node["staleCauses"]]


def test_dagster_shows_a_target_as_stale_exactly_when_its_source_has_changed(
    shop: Shop, webserver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    assets = assets_of(shop)
    with dg.DagsterInstance.get() as instance:

        def load() -> None:
            dg.materialize([assets[1]], resources={"sling": shop.sling}, instance=instance)

        shop.observe(instance=instance)
        load()
        assert stale_status(webserver) == ("FRESH", [])
        shop.observe(instance=instance)
        assert stale_status(webserver) == ("FRESH", [])
        shop.observe("update shop.orders set name = 'x' where id = 1", instance=instance)
        assert stale_status(webserver) == ("STALE", ["shop/orders"])
        load()
        assert stale_status(webserver) == ("FRESH", [])
