import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import plotly.express as px

from mainstem import table_identity
from mainstem.dbt import DbtCliResource, dbt_assets, get_asset_key_for_model

from .constants import dbt_manifest_path, local, project_dir

duckdb_database_path = local / "tutorial.duckdb"


@dg.asset(
    compute_kind="python",
    # So that `wire` sees that the dbt project's source is this table.
    metadata=table_identity(f"duckdb://{duckdb_database_path}", "jaffle_shop.raw_customers"),
)
def raw_customers(context: dg.AssetExecutionContext) -> None:
    """The customers, from a CSV file into the schema of the dbt project."""
    data = pd.read_csv(project_dir / "data" / "raw_customers.csv")
    with duckdb.connect(os.fspath(duckdb_database_path)) as connection:
        connection.execute("create schema if not exists jaffle_shop")
        connection.execute("create or replace table jaffle_shop.raw_customers as select * from data")
    context.add_output_metadata({"num_rows": data.shape[0]})


@dbt_assets(manifest=dbt_manifest_path)
def jaffle_shop_dbt_assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    yield from dbt.cli(["build"], context=context).stream()


class ChartConfig(dg.Config):
    """Whether to open the chart in the browser once it is drawn."""

    open_in_browser: bool = False


@dg.asset(compute_kind="python", deps=[get_asset_key_for_model([jaffle_shop_dbt_assets], "customers")])
def order_count_chart(context: dg.AssetExecutionContext, config: ChartConfig) -> None:
    """How many customers ordered how often, as an HTML file that opens without a network."""
    with duckdb.connect(os.fspath(duckdb_database_path), read_only=True) as connection:
        customers = connection.execute("select number_of_orders from jaffle_shop.customers").df()

    chart = px.histogram(customers, x="number_of_orders")
    chart_path = local / "order_count_chart.html"
    chart.write_html(chart_path, auto_open=config.open_in_browser)
    context.add_output_metadata({"chart": dg.MetadataValue.path(chart_path)})
