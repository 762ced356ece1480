"""Replications in a real `dagster dev`, launched and re-executed as its UI does it: by GraphQL."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from mainstem.testing.postgres import free_port

DEFINITIONS = """
import dagster as dg
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets

REPLICATION = {
    "source": "MY_SQLITE",
    "target": "MY_DUCKDB",
    "defaults": {"object": "{stream_table}"},
    "streams": dict.fromkeys(["main.customers", "main.orders", "main.items"]),
}


@sling_assets(replication_config=REPLICATION)
def shop(context, sling: SlingResource):
    yield from sling.replicate(context=context)


defs = dg.Definitions(
    assets=[shop],
    jobs=[dg.define_asset_job("everything")],
    resources={
        "sling": SlingResource(
            connections=[
                SlingConnectionResource(name="MY_SQLITE", type="sqlite", instance="shop.db"),
                SlingConnectionResource(name="MY_DUCKDB", type="duckdb", instance="lake.duckdb"),
            ]
        )
    },
)
"""
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""
_AGAIN = """
mutation ($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""
_RUN = """
query ($id: ID!) {
  runOrError(runId: $id) {
    ... on Run { status assetMaterializations { assetKey { path } } }
  }
}
"""


class Dev:
    """A `dagster dev` that is starting, or up."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], port: int) -> None:
        self.folder = folder
        self._process = process
        self._port = port

    def launch(self) -> str:
        """Launch the job, and return the run's id."""
        selector = {
            "repositoryLocationName": "definitions.py",
            "repositoryName": "__repository__",
            "jobName": "everything",
        }
        params = {"selector": selector, "runConfigData": {}, "mode": "default"}
        return self._launched(_LAUNCH, "launchRun", params)

    def launch_again(self, run: str, strategy: str) -> str:
        """Re-execute a run, and return the new one's id."""
        params = {"parentRunId": run, "strategy": strategy}
        return self._launched(_AGAIN, "launchRunReexecution", params)

    def ended(self, run: str) -> tuple[str, list[str]]:
        """Wait for a run's end, and return its status and what it materialized."""
        while True:
            found = self.ask(_RUN, id=run)["runOrError"]
            if found["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                names = [each["assetKey"]["path"][-1] for each in found["assetMaterializations"]]
                return found["status"], sorted(names)
            self._pause()

    def wait(self) -> None:
        """Wait until it answers with the code loaded."""
        while True:
            with suppress(OSError, KeyError):
                nodes = self.ask("{assetNodes {assetKey {path}}}")["assetNodes"]
                if len(nodes) > 1:
                    return
            self._pause()

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask by GraphQL."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            body = json.dumps({"query": query, "variables": variables})
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            answer = json.load(connection.getresponse())
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def _launched(self, query: str, field: str, params: dict[str, Any]) -> str:
        found = self.ask(query, params=params)[field]
        assert found["__typename"] == "LaunchRunSuccess", found
        return str(found["run"]["runId"])

    def _pause(self) -> None:
        assert self._process.poll() is None, (self.folder / "dev.log").read_text()
        time.sleep(0.2)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    execute(tmp_path, *(f"create table {name} as select 1 as id" for name in ("customers", "orders")))
    port = free_port()
    with (tmp_path / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "dagster"), "dev", "-f", "definitions.py", "-p", str(port)],
            cwd=tmp_path,
            env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the process group that is stopped below
        )
    try:
        yield Dev(tmp_path, process, port)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def execute(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_failed_run_is_reexecuted_from_its_failure(dev: Dev) -> None:
    dev.wait()
    first = dev.launch()
    assert dev.ended(first) == ("FAILURE", ["customers", "orders"])

    # What is published is not read again: it would fail.
    execute(dev.folder, "create table items as select 1 as id", "drop table customers")
    assert dev.ended(dev.launch_again(first, "FROM_FAILURE")) == ("SUCCESS", ["items"])
    assert dev.ended(dev.launch_again(first, "FROM_ASSET_FAILURE")) == ("SUCCESS", ["items"])
    assert dev.ended(dev.launch_again(first, "ALL_STEPS")) == ("FAILURE", ["items", "orders"])
