from collections.abc import Iterator
from typing import Any

import dagster as dg

from mainstem.sling import SlingResource, sling_assets


@sling_assets(replication_config=dg.file_relative_path(__file__, "replication.yaml"))
def files_in_snowflake(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
    yield from sling.replicate(context=context)
