"""A project in the shape of the jaffle shop: copied, given its source tables, and parsed, once a session."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mainstem.dbt import DbtCliInvocation, DbtCliResource, DbtProject, dbt_assets

PROJECT = Path(__file__).parent / "projects" / "jaffle"


@pytest.fixture(scope="session", autouse=True)
def quiet_environment() -> Iterator[None]:
    """Nothing of the user's reaches dbt or Dagster: no telemetry, no settings of a surrounding run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        for name in [name for name in os.environ if name.startswith("DBT_")]:
            patch.delenv(name)
        for name in ("DAGSTER_IS_DEV_CLI", "DAGSTER_DBT_PARSE_PROJECT_ON_LOAD"):
            patch.delenv(name, raising=False)
        yield


def copy_project(into: Path) -> Path:
    """Copy the project, and write the tables that its sources stand for."""
    folder = into / "jaffle"
    shutil.copytree(PROJECT, folder)
    with duckdb.connect(str(folder / "jaffle.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.shop_customers as "
            "select * from (values (1, 'Ann'), (2, 'Ben'), (3, 'Cem'), (4, 'Dee')) as t(id, name)"
        )
        connection.execute("create table raw.products (id integer)")
        connection.execute("create table raw.payments as select 1 as order_id, true as paid")
    return folder


@pytest.fixture
def fresh_project(tmp_path: Path) -> Path:
    """A copy of the project for one test, not parsed."""
    return copy_project(tmp_path)


@pytest.fixture
def parsed_project(jaffle: DbtProject, tmp_path: Path) -> Path:
    """A copy of the project for one test, with what dbt remembers of it, and no manifest."""
    folder = tmp_path / "parsed"
    (folder / "target").mkdir(parents=True)
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    shutil.copy(jaffle.manifest_path.with_name("partial_parse.msgpack"), folder / "target")
    return folder


@pytest.fixture(scope="session")
def jaffle(tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    """The project, parsed."""
    project = DbtProject(copy_project(tmp_path_factory.mktemp("dbt")))
    project.prepare()
    return project


@pytest.fixture(scope="session")
def dbt(jaffle: DbtProject) -> DbtCliResource:
    return DbtCliResource(project_dir=jaffle)


@pytest.fixture(scope="session")
def shop(jaffle: DbtProject) -> dg.AssetsDefinition:
    """The whole project as assets, built by ``dbt build``."""
    return build_with(jaffle)


def build_with(
    project: DbtProject,
    args: Sequence[str] = ("build",),
    started: Callable[[DbtCliInvocation], object] = id,
    **options: Any,
) -> dg.AssetsDefinition:
    """Return the project's assets, run by a dbt command; ``started`` sees each invocation."""

    @dbt_assets(manifest=project.manifest_path, name="shop", **options)
    def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        invocation = dbt.cli(args, context=context)
        started(invocation)
        yield from invocation.stream()

    return shop


@dataclass
class Run:
    """What a run left in Dagster's event log, and the dbt command behind it."""

    result: dg.ExecuteInProcessResult
    invocations: Sequence[DbtCliInvocation]
    logs: Sequence[tuple[str, str]] = ()

    @property
    def success(self) -> bool:
        return self.result.success

    @property
    def materialized(self) -> list[str]:
        """The materialized assets, in the order of the events."""
        events = self.result.get_asset_materialization_events()
        return [event.asset_key.to_user_string() for event in events if event.asset_key]

    @property
    def outputs(self) -> set[str]:
        """The outputs of the step: its results for what is selected."""
        events = self.result.filter_events(lambda event: event.is_successful_output)
        return {event.step_output_data.output_name for event in events}

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        """The evaluated checks, by name."""
        return {check.check_name: check for check in self.result.get_asset_check_evaluations()}

    @property
    def observations(self) -> list[tuple[dg.AssetKey, dg.AssetObservation]]:
        """The observations, each with its asset."""
        events = self.result.filter_events(lambda event: event.event_type_value == "ASSET_OBSERVATION")
        found = [event.asset_observation_data.asset_observation for event in events]
        return [(observation.asset_key, observation) for observation in found]

    @property
    def ran(self) -> set[str]:
        """The names of the nodes that dbt itself says it ran."""
        results = self.invocations[-1].get_artifact("run_results.json")["results"]
        names = self.invocations[-1].get_artifact("manifest.json")
        nodes = {**names["nodes"], **names["unit_tests"]}
        return {nodes[result["unique_id"]]["name"] for result in results}

    @property
    def error(self) -> str:
        """The message of the error that the step failed with."""
        [failure] = self.result.filter_events(lambda event: event.is_step_failure)
        error = failure.step_failure_data.error
        assert error is not None
        assert error.cause is not None
        return error.cause.message

    def metadata(self, key: str) -> Mapping[str, Any]:
        """The metadata of an asset's materialization."""
        [event] = [
            event
            for event in self.result.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey.from_user_string(key)
        ]
        return {name: value.value for name, value in event.materialization.metadata.items()}


Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def run(jaffle: DbtProject, dbt: DbtCliResource) -> Runner:
    """Run the project's assets, or a selection of them, with a dbt command."""

    def run(
        args: Sequence[str] = ("build",), selection: dg.AssetSelection | None = None, **options: Any
    ) -> Run:
        invocations: list[DbtCliInvocation] = []
        assets = build_with(jaffle, args, invocations.append, **options)
        with dg.instance_for_test() as instance:
            result = dg.materialize(
                [assets],
                selection=selection,
                resources={"dbt": dbt},
                instance=instance,
                raise_on_error=False,
            )
            entries = [entry for entry in instance.all_logs(result.run_id) if not entry.is_dagster_event]
            logs = [(logging.getLevelName(entry.level), entry.user_message) for entry in entries]
        return Run(result, invocations, logs)

    return run


@pytest.fixture(scope="session")
def built(run: Runner) -> Run:
    """One run of everything."""
    return run()
