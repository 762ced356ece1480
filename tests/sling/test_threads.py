"""Streams at once, in the order of their assets, on Dagster."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        for name in NAMES:
            connection.execute(f"create table {name} (id integer)")
            connection.execute(f"insert into {name} values (1), (2)")
    connection.close()
    return path


def materialized(resource: SlingResource, streams: dict[str, Any]) -> dg.ExecuteInProcessResult:
    replication = {
        "source": "MY_SQLITE",
        "target": "MY_DUCKDB",
        "defaults": {"object": "{stream_table}"},
        "streams": streams,
    }

    @sling_assets(replication_config=replication)
    def shop_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    return dg.materialize([shop_assets], resources={"sling": resource}, raise_on_error=False)


def resource(source: Path, target: Warehouse, **settings: Any) -> SlingResource:
    return SlingResource(
        connections=[
            SlingConnectionResource(name="MY_SQLITE", type="sqlite", instance=str(source)),
            SlingConnectionResource(name="MY_DUCKDB", type="duckdb", instance=str(target.path)),
        ],
        **settings,
    )


def tables(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key
    ]


def dep(name: str) -> dict[str, Any]:
    return {"meta": {"dagster": {"deps": [f"target/main/{name}"]}}}


@pytest.mark.parametrize("threads", [None, 4])
def test_a_stream_whose_asset_depends_on_another_stream_s_comes_after_it(
    shop: Path, warehouse: Warehouse, threads: int | None
) -> None:
    streams = {"main.a": dep("d"), "main.d": dep("c"), "main.b": None, "main.c": None}
    result = materialized(resource(shop, warehouse, threads=threads), streams)
    assert result.success
    order = tables(result)
    assert sorted(order) == list(NAMES)
    assert order.index("c") < order.index("d") < order.index("a")


def test_what_a_failed_stream_feeds_is_skipped_and_the_rest_is_there(
    shop: Path, warehouse: Warehouse
) -> None:
    streams = {"main.a": dep("missing"), "main.missing": None, "main.b": None}
    result = materialized(resource(shop, warehouse, threads=3), streams)
    assert not result.success
    assert tables(result) == ["b"]


def test_retries_are_told_as_warnings(
    tmp_path: Path, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    server = EmbeddedPostgres(tmp_path / "nobody")
    nobody = SlingResource(
        connections=[
            SlingConnectionResource(name="MY_SQLITE", type="postgres", connection_string=server.url),
            SlingConnectionResource(name="MY_DUCKDB", type="duckdb", instance=str(warehouse.path)),
        ],
        retries=1,
        retry_delay=0.01,
    )
    assert not materialized(nobody, {"public.a": None}).success
    told = capfd.readouterr().err
    assert "attempt 2 of 2 in 0.01 s" in told
    assert server.password not in told
