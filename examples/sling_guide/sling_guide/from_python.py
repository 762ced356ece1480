"""The same replication as a Python dict, with the upstream assets that a stream has by default."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mainstem.sling import SlingResource, sling_assets

from .resources import sling

replication_config = {
    "source": "MY_POSTGRES",
    "target": "MY_DUCKDB",
    "defaults": {"mode": "full-refresh", "object": "{stream_schema}_{stream_table}"},
    "streams": {
        "public.accounts": None,
        "public.users": None,
        "public.finance_departments": {"object": "departments"},
    },
}


@sling_assets(replication_config=replication_config)
def my_sling_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
    yield from sling.replicate(context=context)


defs = dg.Definitions(assets=[my_sling_assets], resources={"sling": sling})
