import dagster as dg

from mainstem.dlt import DagsterDltResource

from .assets import simple_dlt_assets

defs = dg.Definitions(
    assets=[simple_dlt_assets],
    resources={
        "dlt": DagsterDltResource(),
    },
)
