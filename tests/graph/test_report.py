"""`mainstem report`: one page that a browser shows without a server, where each column leads home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mainstem.graph.columns import ColumnGraph, column_graph
from mainstem.graph.report import report_page
from mainstem.graph.status import AssetStatus, graph_status

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
NASTY = "</script><script>document.title='stolen'</script><b>\"'&"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the path (Debian: apt install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which no script fails, and which asks for nothing but its file."""
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    wrong: list[str] = []
    asked: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    opened.close()
    assert wrong == []
    assert all(url.startswith("file:") for url in asked)


Ways = Mapping[str, Mapping[str, Sequence[str]]]


def asset(name: str, ways: Mapping[str, Sequence[str]]) -> dg.AssetSpec:
    """An asset with its columns: of each, those that it is made of, as ``asset.column``."""
    made = {
        column: [dg.TableColumnDep(dg.AssetKey(way.split(".")[0]), way.split(".")[1]) for way in of]
        for column, of in ways.items()
    }
    schema = dg.TableSchema([dg.TableColumn(column) for column in ways])
    deps = sorted({dep.asset_key.to_user_string() for each in made.values() for dep in each})
    metadata = {
        "dagster/column_schema": schema,
        "dagster/column_lineage": dg.TableColumnLineage(made),
    }
    return dg.AssetSpec(name, deps=deps, metadata=metadata)


def written(folder: Path, defs: dg.Definitions) -> str:
    """The address of the page of definitions that nothing was run of."""
    with dg.DagsterInstance.ephemeral() as instance:
        text = report_page("shop <1>", graph_status(defs, instance), column_graph(defs), "Now.")
    file = folder / "report.html"
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


SHOP: Ways = {
    "source": {"id": [], "amount": [], "note": []},
    "raw": {"id": ["source.id"], "amount": ["source.amount"], "note": ["source.note"]},
    "other": {"id": []},
    "orders": {"id": ["raw.id", "other.id"], "total": ["raw.amount"]},
    "chart": {"sum": ["orders.total"], "share": ["orders.total", "orders.id"]},
}


def chosen(page: Page, column: str) -> set[str]:
    """The assets that are on a column's way, once that is chosen."""
    expect(page.locator("#way h2")).to_have_text(column)
    return set(page.locator("svg .node.on > text:first-of-type").all_text_contents())


def test_a_column_is_chosen_and_followed_home(page: Page, tmp_path: Path) -> None:
    page.goto(written(tmp_path, dg.Definitions(assets=[asset(name, ways) for name, ways in SHOP.items()])))
    page.locator("svg .node", has_text="chart").click()
    assert chosen(page, "chart") == set()
    page.locator("#way a", has_text="sum").click()
    assert chosen(page, "chart.sum") == {"chart", "orders", "raw", "source"}
    assert page.locator("#way section").first.locator("a").all_inner_texts() == [
        *("orders.total", "raw.amount", "source.amount")
    ]
    assert page.locator("svg .edge.on").count() == 3

    page.locator("#way a", has_text="source.amount").click()
    assert chosen(page, "source.amount") == {"chart", "orders", "raw", "source"}
    assert page.locator("#way section").last.locator("a").all_inner_texts() == [
        *("raw.amount", "orders.total", "chart.share", "chart.sum")
    ]
    page.go_back()
    assert chosen(page, "chart.sum")
    picture = Path(os.environ.get("MAINSTEM_REPORT_SCREENSHOT", tmp_path / "report.png"))
    page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000


def test_a_column_has_an_address_and_is_found_by_a_part_of_its_name(page: Page, tmp_path: Path) -> None:
    address = written(tmp_path, dg.Definitions(assets=[asset(name, ways) for name, ways in SHOP.items()]))
    page.goto(f"{address}#orders.id")
    assert chosen(page, "orders.id") == {"orders", "raw", "other", "source", "chart"}
    page.get_by_role("searchbox").fill("NOTE")
    assert page.locator("#found a").all_inner_texts() == ["source.note", "raw.note"]
    page.locator("#found a").last.click()
    assert chosen(page, "raw.note") == {"raw", "source"}
    page.goto(f"{address}#no.such.column")
    assert chosen(page, "Columns") == set()


def test_no_name_is_more_than_text(page: Page, tmp_path: Path) -> None:
    nasty: Ways = {"Größe_顧客": {NASTY: []}, NASTY: {"x": [], NASTY: []}}
    address = written(tmp_path, dg.Definitions(assets=[asset(name, ways) for name, ways in nasty.items()]))
    page.goto(address)
    assert page.title() == "shop <1>"
    assert page.locator("h1").inner_text() == "shop <1>"
    page.get_by_role("searchbox").fill("顧客")
    page.locator("#found a").last.click()
    assert chosen(page, f"Größe_顧客.{NASTY}") == {"Größe_顧客"}
    assert page.locator("b").count() == 0
    assert page.title() == "shop <1>"


def many(count: int) -> Sequence[AssetStatus]:
    """A chain of assets beside others that all read the first."""
    keys = [dg.AssetKey(["target", f"a_rather_long_name_of_a_table_{number}"]) for number in range(count)]
    at = datetime(2024, 1, 2, 3, 4, tzinfo=timezone.utc)
    upstream = [[], *([keys[number - 1] if number < 10 else keys[0]] for number in range(1, count))]
    return [
        AssetStatus(key, "raw", ["duckdb"], above, False, at, 12_345_678, [], [], [])
        for key, above in zip(keys, upstream, strict=True)
    ]


@pytest.mark.parametrize("count", [0, 3, 60, 600])
def test_it_is_one_page_however_many_assets_there_are(count: int, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_page("many", many(count) if count else [], ColumnGraph({}, {}), "Now."))
    page.goto(file.as_uri())
    assert page.locator("svg .node").count() == count
    assert page.locator("svg .edge").count() == max(count - 1, 0)
    assert page.locator("table tbody tr").count() == count
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.node rect')]"
        ".map((box) => [box.x, box.y].map((at) => at.baseVal.value))"
    )
    assert len({tuple(box) for box in boxes}) == count
    spills = page.evaluate(
        "[...document.querySelectorAll('.node')].filter((node) => {"
        " const box = node.querySelector('rect').getBBox();"
        " return [...node.querySelectorAll('text')].some((text) =>"
        " text.getBBox().x + text.getBBox().width > box.x + box.width); }).length"
    )
    assert spills == 0


def test_it_is_dark_where_the_reader_wants_that(browser: Browser, tmp_path: Path) -> None:
    address = written(tmp_path, dg.Definitions(assets=[asset("one", {"id": []})]))
    colours = set()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(address)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert colours == {"rgb(255, 255, 255)", "rgb(22, 24, 29)"}


def test_what_failed_is_seen_before_all_else(page: Page, tmp_path: Path) -> None:
    fails = many(3)[0]
    file = tmp_path / "report.html"
    status = AssetStatus(
        fails.key,
        "raw",
        [],
        [],
        False,
        fails.at,
        3,
        ["orders is new"],
        ["holds"],
        [],
    )
    file.write_text(report_page("one", [status], ColumnGraph({}, {}), "Now."))
    page.goto(file.as_uri())
    assert page.locator("svg .node.failing").count() == 1
    assert page.locator("p .count").all_inner_texts() == ["1 failing"]
    assert "orders is new" in page.locator("tbody tr").inner_text()
