"""dlt sources as Dagster assets: one asset for each resource.

Example::

    import dagster as dg
    import dlt
    from mainstem.dlt import DagsterDltResource, dlt_assets


    @dlt_assets(
        dlt_source=simple_source(),
        dlt_pipeline=dlt.pipeline("simple_pipeline", dataset_name="simple", destination="duckdb"),
    )
    def simple(context: dg.AssetExecutionContext, dlt: DagsterDltResource):
        yield from dlt.run(context=context).fetch_row_count()
"""

from mainstem.dlt.decorator import build_dlt_asset_specs, dlt_assets
from mainstem.dlt.iterator import DltEventIterator
from mainstem.dlt.resource import DagsterDltResource
from mainstem.dlt.translator import DagsterDltTranslator, DltResourceTranslatorData

__all__ = [
    "DagsterDltResource",
    "DagsterDltTranslator",
    "DltEventIterator",
    "DltResourceTranslatorData",
    "build_dlt_asset_specs",
    "dlt_assets",
]
