"""The demo, run as its reader runs it: twice, and where it must say no."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import expect, sync_playwright

from mainstem.testing.postgres import EmbeddedPostgres, free_port

DEMO = Path(__file__).parent.parent / "demo"
ORDERS = 20_000
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
REPLICATION = {
    *("data/customers", "data/products", "data/orders"),
    *("target/data/customers", "target/data/products", "target/data/orders"),
}


@dataclass(frozen=True)
class Shop:
    """A copy of the demo whose files lie in a folder of its own."""

    local: Path
    orders: int = ORDERS

    @property
    def environment(self) -> dict[str, str]:
        home = self.local / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {
            # No PATH to the virtual environment: `make demo` has none either.
            **{name: value for name, value in os.environ.items() if name not in {"PATH", "VIRTUAL_ENV"}},
            "PATH": os.defpath,
            "HOME": str(home),
            "SHOP_LOCAL": str(self.local / "shop"),
            "SHOP_ORDERS": str(self.orders),
            "SHOP_POSTGRES_PORT": str(free_port()),
            "SHOP_API_PORT": str(free_port()),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=DEMO,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def duckdb(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.local / "shop" / "shop.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    @contextmanager
    def postgres(self) -> Iterator[EmbeddedPostgres]:
        with EmbeddedPostgres(self.local / "shop" / "postgres") as server:
            yield server


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    said: str
    complained: str


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The one copy of the demo that is run. All workers share it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    return Shop(shared / "demo")


@pytest.fixture(scope="session")
def runs(shop: Shop) -> list[Outcome]:
    """What two runs said, one straight after the other. The first worker that asks runs them."""
    shop.local.mkdir(exist_ok=True)
    kept = shop.local / "runs.json"
    with (shop.local / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            done = [shop.python("-m", "shop") for _ in range(2)]
            # For who changes something in it; the server's files keep their owner.
            (shop.local / "another").mkdir()
            subprocess.run(["cp", "-a", str(shop.local / "shop"), str(shop.local / "another")], check=True)
            kept.write_text(json.dumps([(run.returncode, run.stdout, run.stderr) for run in done]))
    return [Outcome(*run) for run in json.loads(kept.read_text())]


@dataclass(frozen=True)
class Graph:
    """The asset graph: what stands directly upstream of each asset, and the checks of each asset."""

    upstream: dict[str, list[str]]
    checks: list[str]


@pytest.fixture(scope="session")
def graph(shop: Shop, runs: list[Outcome]) -> Graph:
    """The graph of the project as Dagster loads it."""
    code = (
        "import json; from shop.definitions import defs; graph = defs.resolve_asset_graph()\n"
        "name = lambda key: key.to_user_string()\n"
        "upstream = {name(key): [name(parent) for parent in graph.get(key).parent_keys]"
        " for key in graph.get_all_asset_keys()}\n"
        "print(json.dumps([upstream, sorted(map(name, graph.asset_check_keys))]))"
    )
    done = shop.python("-c", code)
    assert done.returncode == 0, done.stderr
    return Graph(*json.loads(done.stdout))


def table(said: str) -> dict[str, list[str]]:
    """The printed table of what each asset did, without the seconds: rows and checks by asset."""
    _, _, printed = said.partition("What each asset did")
    lines = re.findall(r"^  (\S+) +([\d,]+|-) +[\d.]+ s +(\d+ passed|-)  $", printed, re.MULTILINE)
    return {asset: [rows, checks] for asset, rows, checks in lines}


def test_it_runs_from_postgres_to_the_chart_and_prints_what_each_asset_did(
    shop: Shop, runs: list[Outcome]
) -> None:
    first = runs[0]
    assert first.code == 0, first.complained
    printed = table(first.said)
    assert printed["target/data/orders"] == ["20,000", "-"]
    assert printed["target/data/customers"] == ["10,000", "-"]
    assert printed["target/data/products"] == ["1,000", "-"]
    assert printed["dlt_simple_source_load_dict"] == ["2", "-"]
    assert printed["dlt_api_payments"] == ["2,000", "-"]
    assert printed["raw_customers"] == ["100", "-"]
    assert printed["orders"] == ["20,000", "6 passed"]
    assert printed["customers"] == ["10,000", "5 passed"]
    assert "order_count_chart" in printed
    assert "28 checks passed, 0 failed" in first.said
    assert "plotly" in (shop.local / "shop" / "order_count_chart.html").read_text(encoding="utf-8")


def test_every_order_is_in_duckdb_as_it_is_in_postgres(shop: Shop, runs: list[Outcome]) -> None:
    assert runs[1].code == 0, runs[1].complained
    query = (
        "select order_id, customer_id, quantity, cast(unit_price as text), cast(discount as text),"
        " cast(amount as text), note, ordered_at at time zone 'UTC' from {} order by order_id"
    )
    with shop.postgres() as postgres:
        left = postgres.fetch(query.format("data.orders"))
    assert len(left) == ORDERS
    assert shop.duckdb(query.format("main.data_orders")) == left


def test_the_run_compares_what_arrived_with_what_left(runs: list[Outcome]) -> None:
    _, _, compared = runs[0].said.partition("What left is what arrived")
    equal = re.findall(r"^  (\S+(?: API)?) .* (\d+)/(\d+)  $", compared, re.MULTILINE)
    assert [source for source, _, _ in equal] == [
        *("data.customers", "data.products", "data.orders", "data.orders"),
        *("suppliers.csv", "payments API"),
    ]
    assert all(same == measures for _, same, measures in equal)


def test_it_may_run_again_at_once_with_the_same_result(runs: list[Outcome]) -> None:
    first, second = runs
    assert second.code == 0, second.complained
    assert table(second.said) == table(first.said)


def test_each_was_a_real_run_of_dagster_that_its_ui_can_show(
    shop: Shop, runs: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(shop.local / "shop" / "dagster"))
    with dg.DagsterInstance.get() as instance:
        found = instance.get_run_records()
        assert [record.dagster_run.status for record in found] == [dg.DagsterRunStatus.SUCCESS] * len(runs)
        event = instance.get_latest_materialization_event(dg.AssetKey(["target", "data", "orders"]))
    assert event is not None
    assert event.run_id == found[0].dagster_run.run_id


def test_nothing_is_written_outside_its_own_folder(shop: Shop, runs: list[Outcome]) -> None:
    assert list((shop.local / "home").rglob("*")) == []
    assert not (DEMO / "dbt" / "target").exists()
    assert not (DEMO / "dbt" / "logs").exists()
    assert not (DEMO / "logs").exists()


def test_the_graph_is_one_and_leads_from_postgres_to_the_chart(graph: Graph) -> None:
    assert set(graph.upstream) >= REPLICATION
    neighbours: dict[str, set[str]] = {key: set(parents) for key, parents in graph.upstream.items()}
    for key, parents in graph.upstream.items():
        for parent in parents:
            neighbours[parent].add(key)
    reached, waiting = set[str](), ["order_count_chart"]
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += neighbours[key]
    assert reached == set(graph.upstream)


def test_lineage_runs_from_the_orders_in_postgres_to_the_chart(graph: Graph) -> None:
    path = ["data/orders", "target/data/orders", "stg_orders", "orders", "customers", "order_count_chart"]
    for upstream, downstream in pairwise(path):
        assert upstream in graph.upstream[downstream]


def test_a_column_of_the_mart_is_followed_to_postgres_on_the_command_line(
    shop: Shop, runs: list[Outcome]
) -> None:
    home = str(shop.local / "shop" / "dagster")
    command = ("-c", "from mainstem.cli import main; main()")
    traced = shop.python(*command, "lineage", "customers.lifetime_value", DAGSTER_HOME=home)
    assert traced.returncode == 0, traced.stderr
    found = [line.strip("│├└─ ") for line in traced.stdout.splitlines()]
    path = ["orders.amount", "stg_orders.amount", "target.data.orders.amount", "data.orders.amount"]
    assert found[: len(path) + 1] == ["customers.lifetime_value", *path]

    hit = shop.python(*command, "impact", "data.orders.amount", "--json", DAGSTER_HOME=home)
    assert hit.returncode == 0, hit.stderr
    impact = json.loads(hit.stdout)
    assert "customers.lifetime_value" in impact["columns"]
    assert "order_count_chart" in impact["assets"]
    assert "orders:not_null_orders_amount" in impact["checks"]


def test_a_refresh_skips_what_has_not_changed_and_makes_exactly_what_depends_on_a_changed_row(
    shop: Shop, runs: list[Outcome], tmp_path: Path
) -> None:
    assert runs[1].code == 0
    another = Shop(shop.local / "another")
    unchanged = refreshed(another.python("-m", "shop", "refresh"))
    assert set(unchanged.values()) == {"skipped"}
    assert len(unchanged) == 17
    with another.postgres() as postgres:
        postgres.execute("update data.products set price = price + 1 where product_id = 1")
    changed = refreshed(another.python("-m", "shop", "refresh"))
    assert {name for name, outcome in changed.items() if outcome == "made"} == {
        *("target/data/products", "stg_products", "orders", "customers", "order_count_chart")
    }


def refreshed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What a refresh says it did to each asset."""
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^(\S+) +(made|skipped|failed) +\S", done.stdout, re.MULTILINE)
    return dict(lines)


LINEAGE = """
query Columns($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetMaterializations(limit: 1) {
        metadataEntries {
          ... on TableColumnLineageMetadataEntry {
            lineage { columnName columnDeps { assetKey { path } columnName } }
          }
        }
      }
    }
  }
}
"""


@contextmanager
def dagsters_ui(shop: Shop, log: Path) -> Iterator[str]:
    """The address of Dagster's webserver over what was run."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-m", "shop.definitions"]
    home = {"DAGSTER_HOME": str(shop.local / "shop" / "dagster")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-p", str(port), "-h", "127.0.0.1"],
            cwd=DEMO,
            env={**shop.environment, **home},
            stdout=output,
            stderr=output,
        )
        try:
            while b"Serving dagster-webserver" not in log.read_bytes():
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def made_of(address: str, column: str) -> list[str]:
    """What a column is made of, as the UI's own server tells it."""
    *path, name = column.split(".")
    asked = json.dumps({"query": LINEAGE, "variables": {"key": {"path": path}}}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/graphql", asked, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        node = json.load(answer)["data"]["assetNodeOrError"]
    return [
        ".".join([*dep["assetKey"]["path"], dep["columnName"]])
        for event in node.get("assetMaterializations", ())
        for entry in event["metadataEntries"]
        for each in entry.get("lineage", ())
        if each["columnName"] == name
        for dep in each["columnDeps"]
    ]


WAY = [
    *("customers.lifetime_value", "orders.amount", "stg_orders.amount"),
    *("target.data.orders.amount", "data.orders.amount"),
]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (Debian: apt install chromium)")
def test_a_column_of_the_charts_table_is_followed_to_postgres_in_the_browser(
    shop: Shop, runs: list[Outcome], tmp_path: Path
) -> None:
    """In Dagster's UI asset by asset, and on the page of `mainstem report` at once."""
    assert runs[1].code == 0
    home = str(shop.local / "shop" / "dagster")
    report = tmp_path / "report.html"
    command = ("-c", "from mainstem.cli import main; main()", "report", "-o", str(report))
    written = shop.python(*command, DAGSTER_HOME=home)
    assert written.returncode == 0, written.stderr
    with dagsters_ui(shop, tmp_path / "ui.log") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1100})
        for column, origin in pairwise(WAY):
            assert origin in made_of(address, column)
            *path, name = column.split(".")
            page.goto(f"{address}/assets/{'/'.join(path)}?view=overview", wait_until="domcontentloaded")
            expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=120_000)
        page.screenshot(path=_picture(tmp_path, "MAINSTEM_UI_SCREENSHOT", "ui.png"))

        page.goto(f"{report.as_uri()}#{WAY[0]}")
        expect(page.locator("#way h2")).to_have_text(WAY[0])
        for column, origin in pairwise(WAY):
            link = page.locator("#way section").first.get_by_role("link", name=origin, exact=True).first
            assert link.is_visible(), f"{column} does not lead to {origin}"
        lit = page.locator("svg .node.on title").all_text_contents()
        assert {title.partition(":")[0] for title in lit} >= {
            "customers",
            "target/data/orders",
            "data/orders",
        }
        page.screenshot(path=_picture(tmp_path, "MAINSTEM_REPORT_SCREENSHOT", "report.png"))
        browser.close()


def _picture(folder: Path, variable: str, name: str) -> Path:
    return Path(os.environ.get(variable, folder / name))


def test_nobody_has_lined_anything_up_by_hand() -> None:
    files = [path for folder in ("shop", "dbt") for path in (DEMO / folder).rglob("*.*")]
    written = {path: path.read_text() for path in files if path.suffix in {".py", ".yaml", ".yml", ".sql"}}
    assert len(written) > 15
    by_hand = re.compile(
        r"(?<!\.)asset_key *[:=]|AssetKey\(\W|AssetSpec\(\W|key_prefix|\bmeta\b|AssetIn|\bins="
    )
    found = [f"{path}: {match.group()}" for path, text in written.items() for match in by_hand.finditer(text)]
    assert found == []


def test_the_tests_of_dbt_are_asset_checks(graph: Graph) -> None:
    assert "orders:unique_orders_order_id" in graph.checks
    assert "orders:relationships_orders_customer_id__customer_id__ref_stg_customers_" in graph.checks
    assert len(graph.checks) == 28


@pytest.mark.parametrize("command", [["dg", "check", "defs"], ["dagster", "definitions", "validate"]])
def test_the_project_opens_though_nothing_was_ever_run(tmp_path: Path, command: list[str]) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(DEMO / "shop" / "dagster.yaml", home)
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=DEMO,
        env={**Shop(tmp_path).environment, "DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_at_once_do_not_meet_and_ctrl_c_stops_the_servers(tmp_path: Path) -> None:
    shop = Shop(tmp_path, orders=1_000)
    with subprocess.Popen(
        [sys.executable, "-m", "shop", "serve"],
        cwd=DEMO,
        env=shop.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        while "dg dev" not in first.stdout.readline():
            assert first.poll() is None
        second = shop.python("-m", "shop")
        assert second.returncode == 1
        assert f"python -m shop serve, process {first.pid}, is at work in {tmp_path}" in second.stderr
        first.send_signal(signal.SIGINT)
    assert first.returncode == 130
    assert not EmbeddedPostgres(tmp_path / "shop" / "postgres").running


def test_a_run_that_fails_says_which_asset_failed_and_why(tmp_path: Path) -> None:
    shop = Shop(tmp_path, orders=1_000)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.duckdb").write_text("This is no database. " * 500)
    failed = shop.python("-m", "shop")
    assert failed.returncode == 1
    assert "raw_customers failed: " in failed.stderr
    assert "not a valid DuckDB database file" in failed.stderr
    assert re.search(r"Not materialized: .*order_count_chart", failed.stderr)
    assert "Traceback" not in failed.stderr
