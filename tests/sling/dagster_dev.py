"""A real `dagster dev` over a folder's definitions, asked as its UI asks it: by GraphQL."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from mainstem.testing.postgres import free_port

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
_BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
_BACKFILLED = """
query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs { status } error { message } }
  }
}
"""
_MATERIALIZED = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetMaterializations { partition metadataEntries { label ... on JsonMetadataEntry { jsonString }
                                                          ... on IntMetadataEntry { intValue } } }
    }
  }
}
"""
_SAID = """
query ($id: ID!) {
  logsForRun(runId: $id) { ... on EventConnection { events { ... on MessageEvent { message } } } }
}
"""
_TERMINATE = """
mutation ($id: String!) {
  terminateRun(runId: $id) {
    __typename ... on TerminateRunFailure { message } ... on PythonError { message }
  }
}
"""
_LINEAGE = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetMaterializations(limit: 1) {
        metadataEntries { ... on TableColumnLineageMetadataEntry {
          lineage { columnName columnDeps { assetKey { path } columnName } } } }
      }
    }
  }
}
"""
_ENDED = ("SUCCESS", "FAILURE", "CANCELED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED")


class Dev:
    """A `dagster dev` that is starting, or up.

    Attributes:
        folder: Where its definitions are.
        address: Where a browser finds it.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], port: int) -> None:
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}"
        self._process = process
        self._port = port

    def wait(self) -> None:
        """Wait until it answers with the code loaded."""
        while True:
            with suppress(OSError, KeyError):
                if self.ask("{assetNodes {assetKey {path}}}")["assetNodes"]:
                    return
            self._pause()

    def launch(self, job: str) -> str:
        """Launch a job, and return the run's id."""
        selector = {
            "repositoryLocationName": "definitions.py",
            "repositoryName": "__repository__",
            "jobName": job,
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
            if found["status"] in _ENDED:
                names = [each["assetKey"]["path"][-1] for each in found["assetMaterializations"]]
                return found["status"], sorted(names)
            self._pause()

    def said(self, run: str, pattern: str) -> str:
        """Wait until a line of a run's log matches a pattern, and return its first group."""
        while True:
            for event in self.ask(_SAID, id=run)["logsForRun"]["events"]:
                if found := re.search(pattern, event.get("message") or ""):
                    return found.group(1)
            status = self.ask(_RUN, id=run)["runOrError"]["status"]
            assert status not in _ENDED, f"{run} ended as {status} without {pattern}"
            self._pause()

    def terminate(self, run: str) -> None:
        """Cancel a run, as the button of the UI does."""
        found = self.ask(_TERMINATE, id=run)["terminateRun"]
        assert found["__typename"] == "TerminateRunSuccess", found

    def launch_backfill(self, key: Sequence[str], partitions: Sequence[str]) -> str:
        """Launch a backfill of an asset, and return its id."""
        params = {"assetSelection": [{"path": list(key)}], "partitionNames": list(partitions)}
        found = self.ask(_BACKFILL, params=params)["launchPartitionBackfill"]
        assert found["__typename"] == "LaunchBackfillSuccess", found
        return str(found["backfillId"])

    def backfilled(self, backfill: str) -> tuple[str, list[str]]:
        """Wait for a backfill's end, and return its status and those of its runs."""
        while True:
            found = self.ask(_BACKFILLED, id=backfill)["partitionBackfillOrError"]
            if found["status"] in _ENDED:
                assert not found["error"], found["error"]
                return found["status"], [run["status"] for run in found["runs"]]
            self._pause()

    def partitions(self, key: Sequence[str], label: str) -> dict[str, Any]:
        """A value of the metadata of an asset's materializations, by partition."""
        node = self.ask(_MATERIALIZED, key={"path": list(key)})["assetNodeOrError"]
        return {
            made["partition"]: json.loads(entry["jsonString"]) if "jsonString" in entry else entry["intValue"]
            for made in node["assetMaterializations"]
            for entry in made["metadataEntries"]
            if entry["label"] == label
        }

    def column_lineage(self, key: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
        """The assets and columns that each column of an asset is made of."""
        (made,) = self.ask(_LINEAGE, key={"path": list(key)})["assetNodeOrError"]["assetMaterializations"]
        return {
            column["columnName"]: [
                ("/".join(dep["assetKey"]["path"]), dep["columnName"]) for dep in column["columnDeps"]
            ]
            for entry in made["metadataEntries"]
            for column in entry.get("lineage") or ()
        }

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


@contextmanager
def dagster_dev(folder: Path, definitions: str) -> Iterator[Dev]:
    """Start `dagster dev` over the text of a module, and stop it with all that it has started."""
    (folder / "definitions.py").write_text(definitions)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    port = free_port()
    with (folder / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "dagster"), "dev", "-f", "definitions.py", "-p", str(port)],
            cwd=folder,
            env={**os.environ, "DAGSTER_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the process group that is stopped below
        )
    try:
        yield Dev(folder, process, port)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
