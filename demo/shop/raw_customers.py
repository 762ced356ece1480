"""A table that plain Python writes, upstream of the dbt project."""

import dagster as dg
import duckdb
import pandas as pd

from mainstem import table_identity
from shop import settings


@dg.asset(
    kinds={"python", "duckdb"},
    group_name="loading",
    metadata=table_identity("MY_DUCKDB", "jaffle_shop.raw_customers"),
)
def raw_customers(context: dg.AssetExecutionContext) -> None:
    """The hundred regulars whom the shop took over from the jaffle shop."""
    data = pd.read_csv(settings.DATA / "raw_customers.csv")
    with duckdb.connect(str(settings.DUCKDB)) as connection:
        connection.execute("create schema if not exists jaffle_shop")
        connection.register("data", data)
        connection.execute("create or replace table jaffle_shop.raw_customers as select * from data")

    # Some metadata about the table. It shows in the UI.
    context.add_output_metadata({"num_rows": data.shape[0]})
