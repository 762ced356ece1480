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

from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING

# `dg` imports this module wherever mainstem is installed, with this extra or without.
if TYPE_CHECKING or _find_spec("dlt"):
    from mainstem.dlt.component import DltLoadCollectionComponent
    from mainstem.dlt.config import DltRunConfig
    from mainstem.dlt.decorator import build_dlt_asset_specs, build_dlt_source_specs, dlt_assets
    from mainstem.dlt.iterator import DltEventIterator
    from mainstem.dlt.resource import DagsterDltResource
    from mainstem.dlt.translator import DagsterDltTranslator, DltResourceTranslatorData
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        raise ModuleNotFoundError("mainstem.dlt needs dlt: pip install 'mainstem[dlt]'", name="dlt")


__all__ = [
    "DagsterDltResource",
    "DagsterDltTranslator",
    "DltEventIterator",
    "DltLoadCollectionComponent",
    "DltResourceTranslatorData",
    "DltRunConfig",
    "build_dlt_asset_specs",
    "build_dlt_source_specs",
    "dlt_assets",
]
