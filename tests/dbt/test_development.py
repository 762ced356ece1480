"""Editing a project under a real ``dagster dev``: "Reload definitions" sees it, and what it makes stale."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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
DESCRIBED = "{assetNodes {assetKey {path} description}}"
LOCATIONS = """{workspaceOrError {... on Workspace {locationEntries {
    name locationOrLoadError {... on PythonError {message}}
}}}}"""
RELOAD = """mutation {reloadRepositoryLocation(repositoryLocationName: "%s") {
    ... on WorkspaceLocationEntry {locationOrLoadError {__typename ... on PythonError {message}}}
}}"""
COMPONENT = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
PYPROJECT = """
[project]
name = "place"
version = "0.1.0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "place"
registry_modules = ["mainstem.dbt"]
"""


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

    @property
    def described(self) -> dict[str, str]:
        """What each asset says of itself."""
        nodes = self.ask(DESCRIBED)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]): node["description"] for node in nodes}

    def reload(self) -> None:
        """Click on "Reload definitions"."""
        [location] = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        loaded = self.ask(RELOAD % location["name"])["reloadRepositoryLocation"]["locationOrLoadError"]
        assert loaded["__typename"] == "RepositoryLocation", loaded


@contextmanager
def opened(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[UI]:
    """Run ``dagster dev`` or ``dg dev`` in a folder, and stop all that it started."""
    port, log = free_port(), folder / "ui.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:], "--port", str(port)],
            cwd=folder,
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


def environment_in(folder: Path) -> dict[str, str]:
    """An environment with a home for Dagster, and our own programs on its path."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "DAGSTER_HOME": str(home), "DG_CLI_DISABLE_TELEMETRY": "1"}


def edit(project: Path) -> None:
    """Edit a model, and add one."""
    staging = project / "models" / "staging"
    (staging / "stg_customers.sql").write_text(
        "select id as customer_id, upper(name) as customer_name from {{ source('shop', 'customers') }}"
    )
    (staging / "stg_products.sql").write_text("select id as product_id from {{ source('shop', 'products') }}")


@pytest.mark.parametrize(
    ("code", "on_load"), [(OLDER, {"DAGSTER_DBT_PARSE_PROJECT_ON_LOAD": "1"}), (NEWER, {})]
)
def test_reloading_sees_an_edited_model_and_what_it_makes_stale(
    fresh_project: Path, tmp_path: Path, code: str, on_load: Mapping[str, str]
) -> None:
    location = tmp_path / "location.py"
    location.write_text(code.format(project=str(fresh_project)))
    environment = {**environment_in(tmp_path), **on_load}

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
    with opened(["dagster", "dev", "-f", location.name], tmp_path, environment) as ui:
        assert set(ui.stale.values()) == {"FRESH"}
        edit(fresh_project)
        ui.reload()
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


def test_reloading_a_component_sees_an_edited_model(fresh_project: Path, tmp_path: Path) -> None:
    place = tmp_path / "place" / "src" / "place"
    (place / "defs" / "jaffle").mkdir(parents=True)
    (tmp_path / "place" / "pyproject.toml").write_text(PYPROJECT)
    (place / "__init__.py").touch()
    (place / "definitions.py").write_text(COMPONENT)
    attributes = {"project": str(fresh_project)}
    component = {"type": "mainstem.dbt.DbtProjectComponent", "attributes": attributes}
    (place / "defs" / "jaffle" / "defs.yaml").write_text(json.dumps(component))
    path = os.pathsep.join([str(place.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**environment_in(tmp_path), "PYTHONPATH": path}
    with opened(["dg", "dev"], tmp_path / "place", environment) as ui:
        before = ui.described
        assert "upper(name)" not in before["stg_customers"]
        assert "stg_products" not in before
        edit(fresh_project)
        ui.reload()
        assert "upper(name)" in ui.described["stg_customers"]
        assert "stg_products" in ui.described
