"""What a person sees of a dlt table and of a dbt model over it: their pages, in a real Chromium."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from tests.test_ui import CHROMIUM, FLAGS, wait_for

from mainstem.testing.postgres import free_port

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the path (Debian: apt install chromium)"
)

LOCATION = """
from pathlib import Path

import dagster as dg
import dlt
from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets
from mainstem.dlt import DagsterDltResource, build_dlt_source_specs, dlt_assets

HERE = Path(__file__).parent
project = DbtProject(HERE / "shop")
project.prepare_if_dev()

@dlt.source
def shop():
    @dlt.resource(primary_key="id", schema_contract={"columns": "freeze"})
    def orders():
        "Everything that was ever ordered."
        yield {"id": 1, "amount": 10.5, "placed": "2026-01-01"}
        yield {"id": 2, "amount": 7.0, "placed": "2026-01-02"}

    return orders

source = shop()
destination = dlt.destinations.duckdb(str(HERE / "shop.duckdb"))
pipeline = dlt.pipeline("shop", destination=destination, dataset_name="raw", pipelines_dir=str(HERE / "dlt"))

@dlt_assets(dlt_source=source, dlt_pipeline=pipeline)
def loaded(context: dg.AssetExecutionContext, dlt: DagsterDltResource):
    yield from dlt.run(context=context).fetch_row_count()

@dbt_assets(manifest=project.manifest_path, project=project)
def built(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    yield from dbt.cli(["build"], context=context).stream().fetch_row_counts().fetch_column_metadata()

resources = {"dlt": DagsterDltResource(), "dbt": DbtCliResource(project)}
defs = dg.Definitions([loaded, built, *build_dlt_source_specs(source)], resources=resources)

if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        dg.materialize([loaded, built], resources=resources, instance=instance)
"""
PROJECT = {
    "dbt_project.yml": "{name: shop, version: '1.0', profile: shop}",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: ../shop.duckdb}}}",
    "models/paid_orders.sql": "{{ config(materialized='table') }} "
    "select *, amount * 2 as doubled from {{ source('raw', 'orders') }}",
    "models/models.yml": """
sources:
  - name: raw
    tables:
      - name: orders
        config: {meta: {dagster: {asset_key: [dlt_shop_orders]}}}
models:
  - name: paid_orders
    columns:
      - name: id
        description: The order.
        data_tests:
          - unique
          - accepted_values:
              name: first_only
              arguments: {values: [1], quote: false}
              config: {severity: warn}
""",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a code location and its Dagster home: dlt has loaded a table, dbt has read it."""
    place = tmp_path_factory.mktemp("browser")
    (place / "location.py").write_text(LOCATION)
    for name, content in PROJECT.items():
        file = place / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (place / "home").mkdir()
    (place / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    environment = {**environment_of(place), "DAGSTER_DBT_PARSE_PROJECT_ON_LOAD": "1"}
    run = [sys.executable, "location.py"]
    done = subprocess.run(run, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def environment_of(place: Path) -> dict[str, str]:
    return {**os.environ, "DAGSTER_HOME": str(place / "home"), "RUNTIME__DLTHUB_TELEMETRY": "false"}


@pytest.fixture(scope="module")
def ui(place: Path) -> Iterator[str]:
    """The address of Dagster's UI over that code location."""
    port, log = free_port(), place / "ui.log"
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-f", "location.py"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=place,
            env=environment_of(place),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, log)
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 1300})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()


def expect_columns(page: Page, columns: Mapping[str, str]) -> None:
    """Look at the table of columns: the name and the type of each, in their order."""
    rows = page.get_by_role("table").filter(has_text="Column name").get_by_role("row")
    expect(rows).to_have_count(1 + len(columns))
    for row, (name, type_) in zip(rows.all()[1:], columns.items(), strict=True):
        expect(row.get_by_role("cell").nth(0)).to_have_text(name)
        expect(row.get_by_role("cell").nth(1)).to_contain_text(type_)


def expect_text(page: Page, *texts: str) -> None:
    """Look for something that can be read as it stands."""
    for text in texts:
        expect(page.get_by_text(text, exact=True).locator("visible=true").first).to_be_visible()


def expect_checks(page: Page, checks: Mapping[str, str]) -> None:
    """Look at the list of checks: how each of them went."""
    expect_text(page, f"Checks ({len(checks)})")
    for name, outcome in checks.items():
        expect(page.locator("body")).to_contain_text(re.compile(rf"{name}\s*{outcome}"))


def test_the_page_of_a_dlt_table_shows_its_columns_and_where_it_comes_from(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/dlt_shop_orders?view=overview", wait_until="domcontentloaded")
    expect_columns(
        page,
        {"id": "bigint", "amount": "double", "placed": "text", "_dlt_load_id": "text", "_dlt_id": "text"},
    )
    expect_text(page, "Everything that was ever ordered.", "shop_orders", "paid_orders")


def test_the_contract_of_a_dlt_table_is_among_its_checks(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/dlt_shop_orders?view=checks", wait_until="domcontentloaded")
    expect_checks(page, {"schema_contract": "Succeeded"})


def test_the_page_of_a_dbt_model_shows_its_columns_and_the_dlt_table_that_it_reads(
    ui: str, page: Page
) -> None:
    page.goto(f"{ui}/assets/paid_orders?view=overview", wait_until="domcontentloaded")
    text = "character varying"
    from_dlt = {"id": "BIGINT", "amount": "DOUBLE", "placed": text, "_dlt_load_id": text, "_dlt_id": text}
    expect_columns(page, {**from_dlt, "doubled": "DOUBLE"})
    expect_text(page, "The order.", "dlt_shop_orders")


def test_the_tests_of_a_dbt_model_are_its_checks(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/paid_orders?view=checks", wait_until="domcontentloaded")
    expect_checks(page, {"unique_paid_orders_id": "Succeeded", "first_only": "Failed"})


def test_the_lineage_of_a_dbt_model_begins_at_the_source_of_dlt(ui: str, page: Page) -> None:
    page.goto(f"{ui}/assets/paid_orders?view=lineage&lineageDepth=5", wait_until="domcontentloaded")
    nodes = page.locator("svg foreignObject")
    for name in ("shop_orders", "dlt_shop_orders", "paid_orders"):
        expect(nodes.filter(has_text=re.compile(f"^{name}")).first).to_be_visible()


def test_a_star_over_a_dlt_table_is_traced_to_the_columns_that_dlt_told(place: Path) -> None:
    with dg.DagsterInstance.from_config(str(place / "home")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("paid_orders"))
    assert event is not None
    assert event.asset_materialization is not None
    lineage = event.asset_materialization.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    orders = dg.AssetKey("dlt_shop_orders")
    assert lineage.deps_by_column["placed"] == [dg.TableColumnDep(orders, "placed")]
    assert lineage.deps_by_column["doubled"] == [dg.TableColumnDep(orders, "amount")]
