"""What a source reads is in the graph, with its kind."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.extract.resource import DltResource
from dlt.extract.source import DltSource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.dlt import DagsterDltTranslator, DltResourceTranslatorData, build_dlt_source_specs
from mainstem.testing.postgres import EmbeddedPostgres

# dlt's, of an argument that it gives to itself.
pytestmark = pytest.mark.filterwarnings("ignore:`detect_precision_hints` argument:DeprecationWarning")


@dlt.source
def chess() -> list[DltResource]:
    @dlt.resource
    def players() -> Iterator[Any]:
        yield {"name": "Judit"}

    @dlt.transformer(data_from=players)
    def games(player: dict[str, Any]) -> Iterator[Any]:
        yield {"player": player["name"]}

    return [games, players]


def test_there_is_one_upstream_asset_for_each_root_with_the_sources_name_as_kind() -> None:
    (spec,) = build_dlt_source_specs(chess())

    assert spec.key == dg.AssetKey("chess_players")
    assert spec.kinds == {"chess"}
    assert spec.description == "What the dlt resource players reads."


def test_they_stand_beside_the_assets_and_are_not_materialized(project: Project) -> None:
    pipeline = project.pipeline()
    defs = dg.Definitions(
        assets=[assets_of(chess(), pipeline), *build_dlt_source_specs(chess(), pipeline)],
        resources={"dlt": dg.ResourceDefinition.none_resource()},
    )
    graph = defs.resolve_asset_graph()

    assert not graph.get(dg.AssetKey("chess_players")).is_materializable
    assert graph.get(dg.AssetKey("chess_players")).child_keys == {
        dg.AssetKey("dlt_chess_players"),
        dg.AssetKey("dlt_chess_games"),
    }


def test_a_translator_decides_what_they_are(project: Project) -> None:
    class Lichess(DagsterDltTranslator):
        def get_source_asset_spec(self, data: DltResourceTranslatorData, key: dg.AssetKey) -> dg.AssetSpec:
            spec = super().get_source_asset_spec(data, key)
            return spec.replace_attributes(kinds={"api"}, group_name="lichess")

    (spec,) = build_dlt_source_specs(chess(), project.pipeline(), Lichess())

    assert (spec.kinds, spec.group_name) == ({"api"}, "lichess")


@pytest.fixture
def orders(postgres: EmbeddedPostgres, schema: str) -> DltSource:
    from dlt.sources.sql_database import sql_database  # noqa: PLC0415 - it takes its time

    postgres.execute(
        f"create table {schema}.orders (id int primary key, changed timestamptz not null)",
        f"insert into {schema}.orders values (1, '2026-01-01 23:59:59Z'), (2, '2026-01-02Z'),"
        " (3, '2026-01-02 12:00Z'), (4, '2026-01-03Z')",
    )
    url = postgres.url.replace("postgresql:", "postgresql+psycopg2:")
    source: DltSource = sql_database(url, schema=schema, table_names=["orders"])
    source.resources["orders"].apply_hints(incremental=dlt.sources.incremental("changed"))
    return source


def test_a_table_of_a_database_has_the_databases_kind_and_the_tables_name(
    orders: DltSource, schema: str
) -> None:
    (spec,) = build_dlt_source_specs(orders)

    assert spec.kinds == {"postgresql"}
    assert spec.metadata["dagster/table_name"] == f"{schema}.orders"
    assert "test_pass" not in str(spec)


def test_a_partition_of_a_table_of_a_database_is_read_by_its_column_of_time(
    orders: DltSource, project: Project
) -> None:
    days = dg.DailyPartitionsDefinition(start_date="2026-01-01")

    ran = run(assets_of(orders, project.pipeline(), partitions_def=days), partition_key="2026-01-02")

    assert ran.success
    assert project.query("select id from raw.orders order by 1") == [(2,), (3,)]
