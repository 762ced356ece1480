"""Editing a project under a real ``dagster dev``: "Reload definitions" sees it, and what it makes stale."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mainstem.testing.postgres import free_port

BIN = Path(sys.executable).parent
# As the tutorial has it, and as it is written today.
OLDER = """
import os
from pathlib import Path

from dagster import AssetExecutionContext, Definitions
from mainstem.dbt import DbtCliResource, dbt_assets

dbt = DbtCliResource(project_dir={project!r})
if os.getenv("DAGSTER_DBT_PARSE_PROJECT_ON_LOAD"):
    dbt_manifest_path = dbt.cli(["--quiet", "parse"], target_path=Path("target")).wait().target_path.joinpath(
        "manifest.json"
    )
else:
    dbt_manifest_path = Path({project!r}, "target", "manifest.json")

@dbt_assets(manifest=dbt_manifest_path)
def shop(context: AssetExecutionContext, dbt: DbtCliResource):
    yield from dbt.cli(["build"], context=context).stream()

defs = Definitions(assets=[shop], resources={{"dbt": dbt}})
"""
NEWER = """
import dagster as dg
from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets

project = DbtProject({project!r})
project.prepare_if_dev()

@dbt_assets(manifest=project.manifest_path, project=project)
def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    yield from dbt.cli(["build"], context=context).stream()

defs = dg.Definitions([shop], resources={{"dbt": DbtCliResource(project)}})
"""
STALE = "{assetNodes {assetKey {path} staleStatus}}"
RELOAD = """mutation {reloadRepositoryLocation(repositoryLocationName: "location.py") {
    ... on WorkspaceLocationEntry {locationOrLoadError {__typename ... on PythonError {message}}}
}}"""


class UI:
    """The server of ``dagster dev``."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self._port = port
        self._process = process
        self._log = log

    def ask(self, query: str) -> Mapping[str, Any]:
        """Ask, as the page in the browser does, as soon as it answers."""
        deadline = time.monotonic() + 240
        while True:
            try:
                return self._ask(query)
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.2)

    def _ask(self, query: str) -> Mapping[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            body = json.dumps({"query": query})
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            data: Mapping[str, Any] = json.load(connection.getresponse())["data"]
        finally:
            connection.close()
        return data

    @property
    def stale(self) -> dict[str, str]:
        """Whether each asset is stale."""
        nodes = self.ask(STALE)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]): node["staleStatus"] for node in nodes}


@contextmanager
def opened(location: Path, environment: Mapping[str, str]) -> Iterator[UI]:
    """Run ``dagster dev``, and stop all that it started."""
    port, log = free_port(), location.with_name("ui.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(BIN / "dagster"), "dev", "-f", location.name, "--port", str(port)],
            cwd=location.parent,
            env=environment,
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
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize(
    ("code", "on_load"), [(OLDER, {"DAGSTER_DBT_PARSE_PROJECT_ON_LOAD": "1"}), (NEWER, {})]
)
def test_reloading_sees_an_edited_model_and_what_it_makes_stale(
    fresh_project: Path, tmp_path: Path, code: str, on_load: Mapping[str, str]
) -> None:
    location = tmp_path / "location.py"
    location.write_text(code.format(project=str(fresh_project)))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    environment = {**os.environ, "DAGSTER_HOME": str(home), **on_load}

    def materialize(select: str) -> None:
        """Run from the command line, where the project is parsed as well."""
        subprocess.run(
            [str(BIN / "dagster"), "asset", "materialize", "-f", location.name, "--select", select],
            cwd=tmp_path,
            env={**environment, "DAGSTER_DBT_PARSE_PROJECT_ON_LOAD": "1"},
            check=True,
            capture_output=True,
        )

    materialize("*")
    with opened(location, environment) as ui:
        assert set(ui.stale.values()) == {"FRESH"}
        staging = fresh_project / "models" / "staging"
        (staging / "stg_customers.sql").write_text(
            "select id as customer_id, upper(name) as customer_name from {{ source('shop', 'customers') }}"
        )
        (staging / "stg_products.sql").write_text(
            "select id as product_id from {{ source('shop', 'products') }}"
        )
        loaded = ui.ask(RELOAD)["reloadRepositoryLocation"]["locationOrLoadError"]
        assert loaded["__typename"] == "RepositoryLocation"
        stale = ui.stale
        assert stale.pop("stg_products") == "MISSING"
        assert {asset for asset, status in stale.items() if status == "STALE"} == {"stg_customers"}
        # Once it is built by its new code, it has other data than those downstream of it were made of.
        materialize("stg_customers")
        stale = ui.stale
        assert {asset for asset, status in stale.items() if status == "STALE"} == {
            "customers",
            "history/customers_history",
        }
