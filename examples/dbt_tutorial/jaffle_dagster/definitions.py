import os

import dagster as dg

from mainstem import wire
from mainstem.dbt import DbtCliResource

from .assets import jaffle_shop_dbt_assets, order_count_chart, raw_customers
from .constants import dbt_project_dir
from .schedules import schedules

defs = wire(
    dg.Definitions(
        assets=[raw_customers, jaffle_shop_dbt_assets, order_count_chart],
        schedules=schedules,
        resources={
            "dbt": DbtCliResource(project_dir=os.fspath(dbt_project_dir)),
        },
        # A DuckDB file has one writing process at a time, and raw_customers and dbt both write this one.
        executor=dg.in_process_executor,
    )
)
