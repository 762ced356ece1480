"""The whole shop as one Dagster code location."""

from __future__ import annotations

import dagster as dg

from mainstem import wire
from mainstem.automation import when_data_changed
from mainstem.dlt import DagsterDltResource
from shop.chart import order_count_chart
from shop.loading import api_dlt_assets, csv_dlt_assets, simple_dlt_assets
from shop.raw_customers import raw_customers
from shop.replication import postgres_sling_assets, sling
from shop.schedules import dbt_schedule, everything, ingestion_schedule
from shop.sources import sources
from shop.transform import dbt, shop_dbt_assets

# Once its sensor is turned on in the UI, Dagster makes these by itself where their data has changed.
automated = dg.map_asset_specs(
    lambda spec: spec.replace_attributes(automation_condition=when_data_changed()),
    [postgres_sling_assets, shop_dbt_assets, order_count_chart],
)

defs = wire(
    dg.Definitions(
        assets=[
            *sources,
            *automated,
            simple_dlt_assets,
            csv_dlt_assets,
            api_dlt_assets,
            raw_customers,
        ],
        jobs=[everything],
        schedules=[ingestion_schedule, dbt_schedule],
        resources={"sling": sling, "dlt": DagsterDltResource(), "dbt": dbt},
        # A DuckDB file has one writer at a time.
        executor=dg.in_process_executor,
    )
)
