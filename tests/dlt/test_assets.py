"""Which assets a dlt source becomes, and how a translator changes that."""

# ruff: noqa: ARG002 - the signatures of a translator's methods are given

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.common.destination import Destination
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import (
    DagsterDltResource,
    DagsterDltTranslator,
    DltResourceTranslatorData,
    build_dlt_asset_specs,
    dlt_assets,
)
from mainstem.errors import ConfigError


@dlt.source
def chess() -> list[DltResource]:
    @dlt.resource(table_name="who")
    def players() -> Iterator[Any]:
        """Who plays.

        Every one of them.
        """
        yield {"name": "Judit"}

    @dlt.transformer(data_from=players)
    def games(player: dict[str, Any]) -> Iterator[Any]:
        yield {"player": player["name"], "moves": 40}

    @dlt.transformer(data_from=games)
    def openings(game: dict[str, Any]) -> Iterator[Any]:
        yield {"moves": game["moves"]}

    return [players, games, openings, dlt.resource([{"id": 1}], name="clubs")]


def specs_of(project: Project, translator: DagsterDltTranslator | None = None) -> dict[str, dg.AssetSpec]:
    specs = build_dlt_asset_specs(chess(), project.pipeline(), translator)
    return {spec.key.to_user_string(): spec for spec in specs}


def test_each_resource_is_an_asset_named_after_its_source(project: Project) -> None:
    assert list(specs_of(project)) == [
        "dlt_chess_players",
        "dlt_chess_games",
        "dlt_chess_openings",
        "dlt_chess_clubs",
    ]


def test_a_resource_that_is_not_selected_is_no_asset(project: Project) -> None:
    specs = build_dlt_asset_specs(chess().with_resources("clubs"), project.pipeline())

    assert [spec.key for spec in specs] == [dg.AssetKey("dlt_chess_clubs")]


def test_an_asset_depends_on_its_resources_origin_and_a_transformer_on_its_roots(project: Project) -> None:
    deps = {name: [dep.asset_key for dep in spec.deps] for name, spec in specs_of(project).items()}

    assert deps == {
        "dlt_chess_players": [dg.AssetKey("chess_players")],
        "dlt_chess_games": [dg.AssetKey("chess_players")],
        "dlt_chess_openings": [dg.AssetKey("chess_players")],
        "dlt_chess_clubs": [dg.AssetKey("chess_clubs")],
    }


def test_an_asset_has_what_dlt_knows_of_its_resource(project: Project) -> None:
    players = specs_of(project)["dlt_chess_players"]

    assert players.description == "Who plays.\n\nEvery one of them."
    assert players.kinds == {"dlt", "duckdb"}
    assert players.metadata["dagster/table_name"] == "who"
    assert players.metadata["dagster/storage_kind"] == "duckdb"
    assert specs_of(project)["dlt_chess_clubs"].description is None


def test_without_a_pipeline_the_destination_is_left_open() -> None:
    (resource, *_) = chess().resources.values()

    spec = DagsterDltTranslator().get_asset_spec(DltResourceTranslatorData(resource=resource))

    assert spec.kinds == {"dlt"}
    assert "dagster/storage_kind" not in spec.metadata


def test_a_translator_builds_on_the_default_by_super(project: Project) -> None:
    class Raw(DagsterDltTranslator):
        def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
            assert data.destination
            spec = super().get_asset_spec(data)
            return spec.replace_attributes(
                key=[data.destination.destination_name, data.resource.name], deps=[]
            ).merge_attributes(tags={"tier": "raw"})

    assets = assets_of(chess(), project.pipeline(), dagster_dlt_translator=Raw())
    ran = run(assets, "duckdb/games")

    assert assets.specs_by_key[dg.AssetKey(["duckdb", "games"])].tags["tier"] == "raw"
    assert set(ran.materialized) == {"duckdb/games"}


def test_a_translator_of_an_older_project_overrides_single_methods(project: Project) -> None:
    class Old(DagsterDltTranslator):
        def get_asset_key(self, resource: DltResource) -> dg.AssetKey:
            return dg.AssetKey(["old", resource.name])

        def get_deps_asset_keys(self, resource: DltResource) -> Iterable[dg.AssetKey]:
            return [dg.AssetKey("api")]

        def get_description(self, resource: DltResource) -> str | None:
            return f"{resource.name}!"

        def get_group_name(self, resource: DltResource) -> str | None:
            return "chess"

        def get_tags(self, resource: DltResource) -> Mapping[str, str]:
            return {"tier": "raw"}

        def get_metadata(self, resource: DltResource) -> Mapping[str, Any]:
            return {"team": "board games"}

        def get_kinds(self, resource: DltResource, destination: Destination[Any, Any] | None) -> set[str]:
            return {"api"}

        def get_owners(self, resource: DltResource) -> Sequence[str] | None:
            return ["team:games"]

        def get_automation_condition(self, resource: DltResource) -> dg.AutomationCondition[Any] | None:
            return dg.AutomationCondition.eager()

    spec = specs_of(project, Old())["old/players"]

    assert [dep.asset_key for dep in spec.deps] == [dg.AssetKey("api")]
    assert spec.description == "players!"
    assert spec.group_name == "chess"
    assert spec.tags["tier"] == "raw"
    assert spec.metadata["team"] == "board games"
    assert spec.kinds == {"api"}
    assert spec.owners == ["team:games"]
    assert spec.automation_condition


def test_the_decorators_arguments_reach_the_op(project: Project) -> None:
    partitions = dg.DailyPartitionsDefinition(start_date="2026-01-01")
    assets = assets_of(
        chess(),
        project.pipeline(),
        name="chess_assets",
        group_name="chess",
        partitions_def=partitions,
        op_tags={"memory": "1g"},
        pool="duckdb",
    )

    assert assets.op.name == "chess_assets"
    assert set(assets.group_names_by_key.values()) == {"chess"}
    assert assets.partitions_def == partitions
    assert assets.backfill_policy == dg.BackfillPolicy.single_run()
    assert assets.op.tags["memory"] == "1g"
    assert assets.op.pool == "duckdb"
    assert assets.can_subset


def test_a_group_is_said_in_one_place(project: Project) -> None:
    class Grouped(DagsterDltTranslator):
        def get_group_name(self, resource: DltResource) -> str | None:
            return "mine"

    with pytest.raises(ConfigError, match="group_name='yours' is given for the dlt source chess"):
        assets_of(chess(), project.pipeline(), group_name="yours", dagster_dlt_translator=Grouped())


def test_a_source_without_a_selected_resource_is_refused(project: Project) -> None:
    with pytest.raises(ConfigError, match="The dlt source chess has no selected resource"):
        dlt_assets(dlt_source=chess().with_resources(), dlt_pipeline=project.pipeline())


def test_specs_may_be_run_by_a_multi_asset_of_ones_own(project: Project) -> None:
    @dg.multi_asset(specs=build_dlt_asset_specs(chess(), project.pipeline()), can_subset=True)
    def mine(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context)

    assert len(run(mine).materialized) == 4
