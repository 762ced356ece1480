"""The columns of a database's table are followed through dlt, by the names that dlt gives them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from dlt.sources.sql_database import sql_database
from tests.dlt.conftest import Project, assets_of, run

from mainstem.dlt import DagsterDltResource
from mainstem.graph.columns import ColumnGraph, column_graph

pytestmark = pytest.mark.filterwarnings("ignore:`detect_precision_hints` argument:DeprecationWarning")

ORDERS = dg.AssetKey("dlt_sql_database_orders")


@pytest.fixture
def shop(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/shop.db"
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.execute(
            sqlalchemy.text('create table orders ("OrderId" integer primary key, "net amount" integer)')
        )
        connection.execute(sqlalchemy.text("insert into orders values (1, 10)"))
    return url


def known(assets: dg.AssetsDefinition) -> ColumnGraph:
    return column_graph(dg.Definitions(assets=[assets], resources={"dlt": DagsterDltResource()}))


def origins(lineage: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: [dep.column_name for dep in deps] for name, deps in lineage.items()}


def test_they_are_known_before_the_first_run_where_the_table_was_looked_at(
    shop: str, project: Project
) -> None:
    assets = assets_of(sql_database(shop, table_names=["orders"]), project.pipeline())
    graph = known(assets)
    found = graph.upstream(graph.find("dlt_sql_database_orders.order_id"))
    assert [str(column) for column in found.columns()] == ["sql_database_orders.OrderId"]
    assert [str(column) for column in graph.impact(graph.find("sql_database_orders.net amount")).columns] == [
        "dlt_sql_database_orders.net_amount"
    ]


def test_a_table_that_is_looked_at_when_it_is_loaded_tells_them_then(shop: str, project: Project) -> None:
    source = sql_database(shop, table_names=["orders"], defer_table_reflect=True)
    assets = assets_of(source, project.pipeline())
    graph = known(assets)
    assert graph.untraced([ORDERS]) == {ORDERS: "its columns are reflected when it runs"}
    lineage = run(assets).value(ORDERS.to_user_string(), "dagster/column_lineage").deps_by_column
    assert origins(lineage) == {
        "order_id": ["OrderId"],
        "net_amount": ["net amount"],
        "_dlt_load_id": [],
        "_dlt_id": [],
    }


def test_what_a_function_makes_of_the_rows_is_not_traced(shop: str, project: Project) -> None:
    source = sql_database(shop, table_names=["orders"])
    source.resources["orders"].add_map(lambda row: {"order_id": row["net amount"]})
    assets = assets_of(source, project.pipeline())
    graph = known(assets)
    assert graph.untraced([ORDERS]) == {ORDERS: "a function of the resource makes its rows"}
    assert graph.impact(graph.find("dlt_sql_database_orders.order_id")).columns == []
