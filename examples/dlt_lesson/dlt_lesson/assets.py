from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
from dlt.sources import DltResource

from mainstem.dlt import DagsterDltResource, dlt_assets


@dlt.source
def simple_source() -> DltResource:
    @dlt.resource
    def load_dict() -> Iterator[list[dict[str, Any]]]:
        data = [
            {"id": 1, "name": "Alice"},
            {"id": 2, "name": "Bob"},
        ]

        yield data

    return load_dict


@dlt_assets(
    dlt_source=simple_source(),
    dlt_pipeline=dlt.pipeline(
        pipeline_name="simple_pipeline",
        dataset_name="simple",
        destination="duckdb",
        progress="log",
    ),
)
def simple_dlt_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
    yield from dlt.run(context=context)
