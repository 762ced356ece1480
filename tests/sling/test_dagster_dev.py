"""Replications in a real `dagster dev`: launched, re-executed and backfilled as in its UI, and looked at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from tests.sling.dagster_dev import Dev, dagster_dev

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

DEFINITIONS = """
import dagster as dg
from mainstem.sling import SlingConnectionResource, SlingResource, build_sling_source_specs, sling_assets

sling = SlingResource(
    connections=[
        SlingConnectionResource(name="MY_SQLITE", type="sqlite", instance="shop.db"),
        SlingConnectionResource(name="MY_DUCKDB", type="duckdb", instance="lake.duckdb"),
        SlingConnectionResource(
            name="MY_POSTGRES", type="postgres", connection_string=dg.EnvVar("POSTGRES_OF_TEST")
        ),
    ]
)


def replication_of(streams):
    return {
        "source": "MY_SQLITE",
        "target": "MY_DUCKDB",
        "defaults": {"object": "{stream_table}"},
        "streams": streams,
    }


def assets_of(name, streams, **options):
    @sling_assets(replication_config=replication_of(streams), name=name, **options)
    def assets(context, sling: SlingResource):
        yield from sling.replicate(context=context)

    return assets


shop = assets_of("shop", dict.fromkeys(["main.customers", "main.orders", "main.items"]))
checked = {"main.people": {"meta": {"dagster": {"checks": ["reconciliation"]}}}}
people = assets_of("people", checked)
people_source = build_sling_source_specs(replication_of(checked), connections=sling.connections)
visits = assets_of(
    "visits",
    {"main.visits": {"primary_key": "id", "update_key": "at"}},
    partitions_def=dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01"),
    backfill_policy=dg.BackfillPolicy.single_run(),
)


@sling_assets(
    replication_config={
        "source": "MY_POSTGRES",
        "target": "MY_DUCKDB",
        "streams": {"public.numbers": {"object": "main.numbers"}},
    }
)
def numbers(context, sling: SlingResource):
    yield from sling.replicate(context=context)


sales = assets_of(
    "sales",
    {"main.sales": {"primary_key": "id", "meta": {"dagster": {"partition": "region"}}}},
    partitions_def=dg.StaticPartitionsDefinition(["eu", "us", "asia"]),
    backfill_policy=dg.BackfillPolicy.multi_run(),
)

defs = dg.Definitions(
    assets=[shop, people, *people_source, visits, sales, numbers],
    jobs=[
        dg.define_asset_job("load_shop", selection=dg.AssetSelection.assets(shop)),
        dg.define_asset_job("load_people", selection=dg.AssetSelection.assets(people)),
        dg.define_asset_job("load_numbers", selection=dg.AssetSelection.assets(numbers)),
        dg.define_asset_job(
            "load_numbers_in_one_process",
            selection=dg.AssetSelection.assets(numbers),
            executor_def=dg.in_process_executor,
        ),
    ],
    resources={"sling": sling},
)
"""
CHROMIUM = shutil.which("chromium")
# Nothing that Chromium looks for by itself is to be had on a closed network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    execute(
        folder,
        "create table customers as select 1 as id",
        "create table orders as select 1 as id",
        "create table people (id integer primary key, name text, born date)",
        "insert into people values (1, 'Zoë', '2000-01-01')",
        "create table visits (id integer primary key, at timestamp)",
        *(f"insert into visits values ({day}, '2024-01-0{day} 12:00:00')" for day in range(1, 7)),
        "create table sales (id integer primary key, region text)",
        "insert into sales values (1, 'eu'), (2, 'us'), (3, 'eu'), (4, 'asia')",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTGRES_OF_TEST", postgres.url)
        with dagster_dev(folder, DEFINITIONS) as started:
            started.wait()
            yield started


def execute(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def ids(dev: Dev, table: str) -> list[int]:
    found = Warehouse(dev.folder / "lake.duckdb").query(f"select id from {table} order by id")
    return [int(row[0]) for row in found]


def test_a_failed_run_is_reexecuted_from_its_failure(dev: Dev) -> None:
    first = dev.launch("load_shop")
    assert dev.ended(first) == ("FAILURE", ["customers", "orders"])

    # What is published is not read again: it would fail.
    execute(dev.folder, "create table items as select 1 as id", "drop table customers")
    assert dev.ended(dev.launch_again(first, "FROM_FAILURE")) == ("SUCCESS", ["items"])
    assert dev.ended(dev.launch_again(first, "FROM_ASSET_FAILURE")) == ("SUCCESS", ["items"])
    assert dev.ended(dev.launch_again(first, "ALL_STEPS")) == ("FAILURE", ["items", "orders"])


def test_a_backfill_is_one_run_of_a_range_or_a_run_for_each_partition(dev: Dev) -> None:
    days, regions = ["2024-01-02", "2024-01-03", "2024-01-04"], ["eu", "us"]
    visits, sales = ["target", "main", "visits"], ["target", "main", "sales"]
    one, many = dev.launch_backfill(visits, days), dev.launch_backfill(sales, regions)
    assert dev.backfilled(one) == ("COMPLETED_SUCCESS", ["SUCCESS"])
    assert dev.backfilled(many) == ("COMPLETED_SUCCESS", ["SUCCESS", "SUCCESS"])
    assert ids(dev, "visits") == [2, 3, 4]
    assert ids(dev, "sales") == [1, 2, 3]
    of_days = dev.partitions(visits, "partition_row_counts")
    assert of_days == dict.fromkeys(days, dict.fromkeys(days, 1))
    assert dev.partitions(sales, "dagster/partition_row_count") == {"eu": 2, "us": 1}


ROWS_AND_THEN_NOTHING = """
create or replace view numbers as select i, repeat('x', 1000) as text from generate_series(1, {rows}) i
 union all select 0, pg_sleep({seconds})::text
"""
QUERY = (
    "select pid from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    """ and query like '%from "public"."numbers"%'"""
)


def in_the_middle(dev: Dev, server: EmbeddedPostgres, job: str) -> str:
    """A run whose source has sent some batches, and then nothing; of a table that had ten rows before."""
    server.execute(ROWS_AND_THEN_NOTHING.format(rows=9, seconds=0))
    assert dev.ended(dev.launch(job)) == ("SUCCESS", ["numbers"])
    server.execute(ROWS_AND_THEN_NOTHING.format(rows=30_000, seconds=3600))
    run = dev.launch(job)
    while not server.fetch(f"{QUERY} and wait_event = 'PgSleep'"):
        time.sleep(0.2)
    return run


def numbers(dev: Dev) -> list[int]:
    found = Warehouse(dev.folder / "lake.duckdb").query("select i from numbers order by i")
    return [int(row[0]) for row in found]


def left_behind(dev: Dev) -> list[str]:
    return [name for name in Warehouse(dev.folder / "lake.duckdb").tables() if "mainstem" in name]


def test_a_run_that_is_cancelled_leaves_the_table_as_it_was(dev: Dev, postgres: EmbeddedPostgres) -> None:
    run = in_the_middle(dev, postgres, "load_numbers")
    dev.terminate(run)
    assert dev.ended(run) == ("CANCELED", [])
    assert numbers(dev) == list(range(10))
    assert left_behind(dev) == []
    assert postgres.fetch(QUERY) == []


def test_a_run_whose_worker_is_killed_has_failed_and_the_next_one_converges(
    dev: Dev, postgres: EmbeddedPostgres
) -> None:
    run = in_the_middle(dev, postgres, "load_numbers_in_one_process")
    os.kill(int(dev.said(run, r"Executing steps in process \(pid: (\d+)\)")), signal.SIGKILL)
    assert dev.ended(run) == ("FAILURE", [])
    assert numbers(dev) == list(range(10))
    postgres.execute(f"select pg_terminate_backend(pid, 10000) from ({QUERY}) as left_behind")
    postgres.execute(ROWS_AND_THEN_NOTHING.format(rows=19, seconds=0))
    assert dev.ended(dev.launch("load_numbers_in_one_process")) == ("SUCCESS", ["numbers"])
    assert numbers(dev) == list(range(20))
    assert left_behind(dev) == []


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1600, "height": 1200})
        browser.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (Debian: apt install chromium)")
def test_the_ui_shows_a_streams_columns_their_lineage_and_its_checks(dev: Dev, page: Page) -> None:
    assert dev.ended(dev.launch("load_people")) == ("SUCCESS", ["people"])
    # Dagster's own UI draws no lineage of columns, but hands it to those that do.
    assert dev.column_lineage(["target", "main", "people"])["born"] == [("main/people", "born")]

    asset = f"{dev.address}/assets/target/main/people"
    page.goto(f"{asset}?view=overview", wait_until="domcontentloaded")
    columns = page.locator("tr")
    for name, kind in (("id", "BIGINT"), ("name", "VARCHAR"), ("born", "DATE")):
        columns.filter(has_text=re.compile(rf"^{name}\s*{kind}")).first.wait_for(timeout=60_000)

    page.goto(f"{asset}?view=lineage", wait_until="domcontentloaded")
    nodes = page.locator("svg foreignObject").filter(has_text="people")
    for kind in ("SQLite", "Sling"):
        nodes.filter(has_text=re.compile(kind, re.IGNORECASE)).first.wait_for(timeout=60_000)

    page.goto(f"{asset}?view=checks", wait_until="domcontentloaded")
    for text in ("reconciliation", "1 rows and 3 columns agree.", "Passed"):
        page.get_by_text(text).first.wait_for(timeout=60_000)
