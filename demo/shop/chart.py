"""A chart, downstream of the dbt project."""

import webbrowser

import dagster as dg
import duckdb
import plotly.graph_objects as go

from mainstem import table_dep
from shop import settings


class ChartConfig(dg.Config):
    """How to show the chart."""

    open_in_browser: bool = False


@dg.asset(
    kinds={"plotly"},
    group_name="charts",
    deps=[table_dep("MY_DUCKDB", "jaffle_shop.customers")],
)
def order_count_chart(context: dg.AssetExecutionContext, config: ChartConfig) -> None:
    """How many customers ordered how often: one HTML file that opens without a network."""
    with duckdb.connect(str(settings.DUCKDB), read_only=True) as connection:
        counts = connection.execute(
            "select number_of_orders, count(*) from jaffle_shop.customers group by all order by all"
        ).fetchall()

    figure = go.Figure(go.Bar(x=[orders for orders, _ in counts], y=[customers for _, customers in counts]))
    figure.update_layout(
        title="How often customers order", xaxis_title="number of orders", yaxis_title="customers", bargap=0.1
    )
    figure.write_html(settings.CHART, include_plotlyjs=True)

    context.add_output_metadata(
        {"chart": dg.MetadataValue.path(str(settings.CHART)), "customers": sum(row[1] for row in counts)}
    )
    if config.open_in_browser:
        _open(context)


def _open(context: dg.AssetExecutionContext) -> None:
    try:
        webbrowser.get().open(settings.CHART.as_uri())
    except webbrowser.Error:
        context.log.warning(f"This machine has no browser. The chart is {settings.CHART}.")
