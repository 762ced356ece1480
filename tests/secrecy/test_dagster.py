"""Runs on Dagster: no secret is in what Dagster keeps of them, nor in any log, whatever becomes of them."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import dlt
import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from tests.secrecy.looking import CANARY, Children, files_with, seen

from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets
from mainstem.dlt import DagsterDltResource, dlt_assets
from mainstem.sling import (
    SlingConnectionResource,
    SlingReplicationCollectionComponent,
    SlingResource,
    sling_assets,
)
from mainstem.testing.postgres import EmbeddedPostgres, free_port

# Dagster's own, when it reads a component's YAML.
pytestmark = pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")

OUTCOMES = ("succeeds", "wrong", "unreachable")
CONFIG = {"source": "PG", "target": "DUCK", "streams": {"public.kept": {"object": "main.kept"}}}
MARKET = Path(__file__).parents[1] / "dbt" / "projects" / "market"


def run(
    place: Path, assets: dg.AssetsDefinition, resources: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> bool:
    """Materialize the assets with an instance that keeps everything in files; no secret is seen anywhere."""
    (place / "instance").mkdir()
    told = [repr(value) for value in resources.values()] + [str(value) for value in resources.values()]
    with Children() as children, dg.DagsterInstance.local_temp(str(place / "instance")) as instance:
        result = dg.materialize([assets], resources=resources, instance=instance, raise_on_error=False)
        told += [str(event) + dg.serialize_value(event) for event in result.all_events]
        told += [str(record.user_message) for record in instance.all_logs(result.run_id)]
        steps = result.get_step_failure_events()
        told += [
            event.step_failure_data.error.to_string() for event in steps if event.step_failure_data.error
        ]
        databases = [path for path in (place / "instance").rglob("*.db") if path.stat().st_size]
        assert databases
        assert files_with(CANARY, place / "instance") == []
    told += [caplog.text, *children.told]
    assert seen(CANARY, told) == []
    assert files_with(CANARY, place / "temporary") == []
    return result.success


def login(server: EmbeddedPostgres, outcome: str) -> dict[str, Any]:
    """How to get in, or not."""
    return {
        "host": server.host,
        "port": free_port() if outcome == "unreachable" else server.port,
        "user": server.user,
        "database": server.database,
        "password": CANARY if outcome == "succeeds" else f"{CANARY}-wrong",
    }


def as_url(given: dict[str, Any]) -> str:
    password = quote(given["password"], safe="")
    return f"postgresql://{given['user']}:{password}@{given['host']}:{given['port']}/{given['database']}"


@pytest.mark.parametrize(
    ("way", "outcome"),
    [("properties", "succeeds"), ("url", "wrong"), ("variable", "wrong"), ("variable", "unreachable")],
)
def test_a_replication_shows_no_secret_of_its_resource(
    way: str,
    outcome: str,
    guarded_postgres: EmbeddedPostgres,
    place: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    given = login(guarded_postgres, outcome)
    as_way: dict[str, dict[str, Any]] = {
        "properties": given,
        "url": {"connection_string": as_url(given)},
        "variable": {**given, "password": dg.EnvVar("PASSWORD_OF_TEST")},
    }
    duck = SlingConnectionResource(name="DUCK", type="duckdb", connection_string="duckdb://target.duckdb")
    source = SlingConnectionResource(name="PG", type="postgres", **as_way[way])

    @sling_assets(replication_config=CONFIG)
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    resources = {"sling": SlingResource(connections=[source, duck])}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PASSWORD_OF_TEST", given["password"])
        assert run(place, assets, resources, caplog) == (outcome == "succeeds")
    assert files_with(CANARY, place) == []


@pytest.mark.parametrize("outcome", ["succeeds", "wrong"])
def test_a_component_shows_no_secret_of_its_yaml(
    outcome: str,
    guarded_postgres: EmbeddedPostgres,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("URL_OF_TEST", as_url(login(guarded_postgres, outcome)))
    (place / "replication.yaml").write_text(
        "source: PG\ntarget: DUCK\nstreams:\n  public.kept:\n    object: main.kept\n"
    )
    yaml = (
        'connections:\n  PG: {type: postgres, connection_string: "{{ env.URL_OF_TEST }}"}\n'
        "  DUCK: {type: duckdb, connection_string: 'duckdb://target.duckdb'}\n"
        f"replications:\n  - path: {place / 'replication.yaml'}\n"
    )
    scope = {"env": os.environ}
    component = SlingReplicationCollectionComponent.resolve_from_yaml(yaml, scope=scope)
    defs = dg.build_defs_for_component(component)
    (assets,) = [each for each in defs.assets or () if isinstance(each, dg.AssetsDefinition)]
    assert seen(CANARY, [repr(component), repr(defs), str(component)]) == []
    assert run(place, assets, dict(defs.resources or {}), caplog) == (outcome == "succeeds")
    assert files_with(CANARY, place) == []


@pytest.fixture
def _dlt_here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("DLT_DATA_DIR", "DLT_PROJECT_DIR", "DLT_LOCAL_DIR"):
        monkeypatch.setenv(variable, str(place))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    dlt.current.run_context().reload()
    yield
    active = Container()[PipelineContext]
    if active.is_active():
        active.deactivate()
    monkeypatch.undo()
    dlt.current.run_context().reload()


@pytest.mark.usefixtures("_dlt_here")
@pytest.mark.parametrize("outcome", ["succeeds", "wrong"])
def test_a_load_shows_no_secret_of_secrets_toml(
    outcome: str, guarded_postgres: EmbeddedPostgres, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = login(guarded_postgres, outcome)
    secrets = place / ".dlt" / "secrets.toml"
    secrets.parent.mkdir(exist_ok=True)
    url = as_url(given)
    secrets.write_text(f'[destination.postgres]\ncredentials = "{url}"\n', encoding="utf-8")
    dlt.current.run_context().reload()

    @dlt.source
    def shop() -> Any:
        return dlt.resource([{"id": 1}], name=f"visits_{outcome}")

    pipeline = dlt.pipeline(
        f"shop_{outcome}", destination="postgres", dataset_name="raw", pipelines_dir=str(place / "pipelines")
    )

    @dlt_assets(dlt_source=shop(), dlt_pipeline=pipeline)
    def assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
        yield from dlt.run(context=context)

    assert run(place, assets, {"dlt": DagsterDltResource()}, caplog) == (outcome == "succeeds")
    assert files_with(CANARY, place / "pipelines") == []


@pytest.mark.parametrize("outcome", ["wrong"])
def test_dbt_shows_no_secret_of_its_profile(
    outcome: str, guarded_postgres: EmbeddedPostgres, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = login(guarded_postgres, outcome)
    shutil.copytree(MARKET, place / "market")
    (place / "market" / "profiles.yml").write_text(
        "market:\n  target: dev\n  outputs:\n    dev:\n      type: postgres\n"
        f"      host: {given['host']}\n      port: {given['port']}\n      user: {given['user']}\n"
        f"      password: '{given['password']}'\n      dbname: {given['database']}\n      schema: public\n"
    )
    for path in (place / "market" / "models").glob("*"):
        text = path.read_text()
        path.write_text(text.replace("env_var('MARKET_SCHEMA')", "'public'"))
    project = DbtProject(place / "market")
    project.prepare()

    @dbt_assets(manifest=project.manifest_path)
    def assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from dbt.cli(["build"], context=context).stream()

    assert run(place, assets, {"dbt": DbtCliResource(project)}, caplog) == (outcome == "succeeds")
    profiles = place / "market" / "profiles.yml"
    assert [path for path in files_with(CANARY, place) if path != profiles] == []
