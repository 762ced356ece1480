"""What a person sees: the demo in the real Dagster UI, in a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from mainstem.testing.postgres import free_port

DEMO = Path(__file__).parent.parent / "demo"
CHROMIUM = shutil.which("chromium")
# Nothing that Chromium looks for by itself is to be had on a closed network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
GROUPS = ("replication", "marts", "charts")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the path (Debian: apt install chromium)"
)


@pytest.fixture
def dagster_ui(tmp_path: Path) -> Iterator[str]:
    """The address of `python -m shop ui`, as `make ui` starts it."""
    port = free_port()
    environment = {
        **os.environ,
        # Set SHOP_LOCAL to photograph a shop that has been run; CONTRIBUTING.md says how.
        "SHOP_LOCAL": os.environ.get("SHOP_LOCAL", str(tmp_path / "shop")),
        "SHOP_ORDERS": os.environ.get("SHOP_ORDERS", "1000"),
        "SHOP_POSTGRES_PORT": str(free_port()),
        "SHOP_API_PORT": str(free_port()),
    }
    command = [sys.executable, "-m", "shop", "ui", "--port", str(port)]
    with (tmp_path / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=DEMO, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, tmp_path / "ui.log")
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/server_info"):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    pytest.fail(f"The UI did not come up:\n{log.read_text()[-3000:]}")


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 2400, "height": 1300})
        browser.close()


def test_the_lineage_page_shows_the_six_replication_assets_and_the_chart(
    dagster_ui: str, page: Page, tmp_path: Path
) -> None:
    expanded = "%2C".join(f"global%40global%3A{group}" for group in GROUPS)
    page.goto(f"{dagster_ui}/asset-groups?expanded={expanded}", wait_until="domcontentloaded")
    nodes = page.locator("svg foreignObject")
    nodes.filter(has_text="order_count_chart").first.wait_for(timeout=60_000)
    page.get_by_text("Hide navigation").click()
    for table in ("customers", "orders", "products"):
        for kind in ("Postgres", "Sling"):
            asset = nodes.filter(has_text=re.compile(f"^{table}.*{kind}"))
            asset.first.wait_for(timeout=60_000)
            assert asset.count() == 1, f"{table} of {kind} is there {asset.count()} times"
    page.get_by_text("Loading...").first.wait_for(state="detached", timeout=120_000)
    picture = Path(os.environ.get("MAINSTEM_SCREENSHOT", tmp_path / "lineage.png"))
    page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": 2400, "height": 1040})
    assert picture.stat().st_size > 10_000
