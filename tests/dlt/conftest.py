"""A place of its own for each test's dlt: no configuration from outside, nothing left behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
import duckdb
import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.extract.source import DltSource

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource, dlt_assets


@pytest.fixture(autouse=True)
def _only_this_tests_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("DLT_DATA_DIR", "DLT_PROJECT_DIR", "DLT_LOCAL_DIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    dlt.current.run_context().reload()
    yield
    # A source takes the naming of whatever pipeline is active when it is made.
    active = Container()[PipelineContext]
    if active.is_active():
        active.deactivate()
    monkeypatch.undo()
    dlt.current.run_context().reload()


class Project:
    """A DuckDB file and the pipelines that load it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "warehouse.duckdb"

    def pipeline(self, name: str = "shop", **options: Any) -> dlt.Pipeline:
        """A pipeline into the file's dataset ``raw``."""
        given: dict[str, Any] = {
            "destination": dlt.destinations.duckdb(str(self.path)),
            "dataset_name": "raw",
            **options,
        }
        pipeline: dlt.Pipeline = dlt.pipeline(name, pipelines_dir=str(self.folder / "pipelines"), **given)
        return pipeline

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the file, as another program would."""
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class Ran:
    """What a Dagster run left.

    Attributes:
        success: Whether it succeeded.
        materialized: For each asset's key, the metadata of its materialization.
        error: What it failed of, with all that stands behind it.
        events: All events, as Dagster stores them.
    """

    def __init__(self, result: dg.ExecuteInProcessResult) -> None:
        self.success = result.success
        self.materialized = {
            event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
            for event in result.get_asset_materialization_events()
            if event.asset_key
        }
        failed = [event.step_failure_data.error for event in result.get_step_failure_events()]
        self.error = "\n".join(error.to_string() for error in failed if error)
        self.headline = [error.cause.message for error in failed if error and error.cause]
        self.events = "\n".join(dg.serialize_value(event) for event in result.all_events)

    def value(self, asset: str, key: str) -> Any:
        """A value in an asset's metadata, as it was before Dagster wrapped it."""
        return self.materialized[asset][key].value


def run(assets: dg.AssetsDefinition, *selection: str, **options: Any) -> Ran:
    """Materialize the assets, or those that are selected. A failure is in the result."""
    with dg.DagsterInstance.ephemeral() as instance:
        return Ran(
            dg.materialize(
                [assets],
                selection=list(selection) or None,
                resources={"dlt": DagsterDltResource()},
                instance=instance,
                raise_on_error=False,
                **options,
            )
        )


def assets_of(
    source: DltSource, pipeline: dlt.Pipeline, body: Callable[..., Any] | None = None, **options: Any
) -> dg.AssetsDefinition:
    """The assets of a source, run in the plainest way or by ``body``."""

    def plain(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context)

    return dlt_assets(dlt_source=source, dlt_pipeline=pipeline, **options)(body or plain)
