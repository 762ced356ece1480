import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets

local = Path(__file__).parent.parent.resolve() / ".local"
local.mkdir(exist_ok=True)  # DuckDB creates its file, but no folder

source = SlingConnectionResource(
    name="MY_POSTGRES",
    type="postgres",
    host="localhost",
    port=int(os.environ.get("POSTGRES_PORT", "5432")),
    database="test_db",
    user="test_user",
    password="test_pass",
)

destination = SlingConnectionResource(
    name="MY_DUCKDB",
    type="duckdb",
    connection_string=f"duckdb://{local}/duckdb.db",
)

sling = SlingResource(connections=[source, destination])

replication_config = dg.file_relative_path(__file__, "sling_replication.yaml")


@sling_assets(replication_config=replication_config)
def postgres_sling_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
    yield from sling.replicate(context=context).fetch_column_metadata()


defs = dg.Definitions(assets=[postgres_sling_assets], resources={"sling": sling})
