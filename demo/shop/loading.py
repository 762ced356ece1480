"""What dlt loads: a Python list, a CSV file and a paginated REST API, all into the same DuckDB."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import dagster as dg
import dlt
from dlt.sources.rest_api import rest_api_source

from mainstem.dlt import DagsterDltResource, dlt_assets
from shop import settings


def _pipeline(name: str) -> dlt.Pipeline:
    """A pipeline into the shop's DuckDB, in a dataset of its own."""
    return dlt.pipeline(
        pipeline_name=f"{name}_pipeline",
        dataset_name=name,
        destination=dlt.destinations.duckdb(str(settings.DUCKDB)),
        pipelines_dir=str(settings.DLT / "pipelines"),
        progress="log",
    )


@dlt.source
def simple_source() -> Any:
    """Two people, whom the shop made its account managers."""

    @dlt.resource
    def load_dict() -> Iterator[Any]:
        """The account managers."""
        data = [
            {"id": 1, "name": "Alice"},
            {"id": 2, "name": "Bob"},
        ]

        yield data

    return load_dict


@dlt_assets(dlt_source=simple_source(), dlt_pipeline=_pipeline("simple"), group_name="loading")
def simple_dlt_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
    """Load the list. It replaces the table: dlt's default would add the two people again with each run."""
    yield from dlt.run(context=context, write_disposition="replace")


@dlt.source
def csv_source() -> Any:
    """The files that the shop's people keep by hand."""

    @dlt.resource(
        write_disposition="replace",
        primary_key="supplier_id",
        columns={"minimum_order": {"data_type": "decimal", "precision": 10, "scale": 2}},
    )
    def suppliers() -> Iterator[Any]:
        """Who delivers the products, from a CSV file."""
        with (settings.DATA / "suppliers.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield {
                    **row,
                    "supplier_id": int(row["supplier_id"]),
                    "minimum_order": Decimal(row["minimum_order"]) if row["minimum_order"] else None,
                }

    return suppliers


@dlt_assets(dlt_source=csv_source(), dlt_pipeline=_pipeline("files"), group_name="loading")
def csv_dlt_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
    """Load the suppliers."""
    yield from dlt.run(context=context)


payments_api = rest_api_source(
    {
        "client": {
            "base_url": settings.API_URL,
            "paginator": {"type": "json_link", "next_url_path": "next"},
        },
        "resources": [
            {
                "name": "payments",
                "primary_key": "payment_id",
                "write_disposition": "replace",
                "endpoint": {"path": "payments", "data_selector": "data"},
            }
        ],
    },
    name="api",
)


@dlt_assets(dlt_source=payments_api, dlt_pipeline=_pipeline("api"), group_name="loading")
def api_dlt_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
    """Load the payments, page by page."""
    yield from dlt.run(context=context)
