import dagster as dg

from .assets import balances, billing_sling_assets, billing_system
from .resources import sling

defs = dg.Definitions(
    assets=[billing_system, billing_sling_assets, balances],
    resources={"sling": sling},
    # One process holds the DuckDB file for the whole run: DuckDB allows one writing process at a time.
    executor=dg.in_process_executor,
)
