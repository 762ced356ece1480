"""Each example opens in Dagster's UI, from inside its folder, with both commands."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.examples.conftest import Example

from mainstem.testing.postgres import free_port

Graph = dict[str, set[str]]

# The assets that the UI shows, and what stands directly upstream of each.
GRAPHS: dict[str, Graph] = {
    "sling_lesson": {
        "data/customers": set(),
        "data/products": set(),
        "data/orders": set(),
        "target/data/customers": {"data/customers"},
        "target/data/products": {"data/products"},
        "target/data/orders": {"data/orders"},
    },
    "sling_guide": {
        "billing_system": set(),
        "target/public/accounts": {"billing_system"},
        "target/public/users": {"billing_system"},
        "target/departments": {"billing_system"},
        "balances": {"target/public/accounts"},
    },
    "dlt_lesson": {
        "simple_source_load_dict": set(),
        "dlt_simple_source_load_dict": {"simple_source_load_dict"},
    },
    "dbt_tutorial": {
        "raw_customers": set(),
        "raw_orders": set(),
        "raw_payments": set(),
        "stg_customers": {"raw_customers"},
        "stg_orders": {"raw_orders"},
        "stg_payments": {"raw_payments"},
        "orders": {"stg_orders", "stg_payments"},
        "customers": {"stg_customers", "orders"},
        "order_count_chart": {"customers"},
    },
}


@pytest.mark.parametrize("tool", ["dg", "dagster"])
@pytest.mark.parametrize("name", GRAPHS)
def test_it_opens_with_all_its_assets(example: Callable[[str], Example], name: str, tool: str) -> None:
    with opened(example(name), tool) as ui:
        assert ui.graph() == GRAPHS[name]


class UI:
    """A Dagster UI that is starting, or up.

    Args:
        port: Where it listens.
        process: The command that started it.
        log: What it said so far.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self.process = process
        self.log = log

    def graph(self) -> Graph:
        """Ask for the assets until it answers, which it does once the code is loaded."""
        deadline = time.monotonic() + 180
        while True:
            try:
                return self._ask()
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.2)

    def _ask(self) -> Graph:
        query = "{assetNodes {assetKey {path} dependencyKeys {path}}}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            body = json.dumps({"query": query})
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            nodes = json.load(connection.getresponse())["data"]["assetNodes"]
        finally:
            connection.close()
        return {
            "/".join(node["assetKey"]["path"]): {"/".join(key["path"]) for key in node["dependencyKeys"]}
            for node in nodes
        }


@contextmanager
def opened(example: Example, tool: str) -> Iterator[UI]:
    """Run ``dg dev`` or ``dagster dev`` in the example's folder, and stop all that it started."""
    port, log = free_port(), example.home / "ui.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [tool, "dev", "--port", str(port)],
            cwd=example.folder,
            env=example.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the process group that is stopped below
        )
    try:
        yield UI(port, process, log)
    finally:
        # As Ctrl-C does it; then whoever is left.
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nobody is left
    finally:
        process.wait()
