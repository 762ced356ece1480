import os
from pathlib import Path

import dagster as dg

from mainstem.sling import SlingConnectionResource, SlingResource

local = Path(__file__).parent.parent.resolve() / ".local"
local.mkdir(exist_ok=True)  # DuckDB creates its file, but no folder

duckdb_path = local / "guide.duckdb"

sling = SlingResource(
    connections=[
        SlingConnectionResource(
            name="MY_POSTGRES",
            type="postgres",
            host="localhost",
            port=int(os.environ.get("POSTGRES_PORT", "5432")),
            database="test_db",
            user="test_user",
            # Read when a run starts; neither the code nor Dagster's pages show it.
            password=dg.EnvVar("POSTGRES_PASSWORD"),
        ),
        SlingConnectionResource(
            name="MY_DUCKDB",
            type="duckdb",
            connection_string=f"duckdb://{duckdb_path}",
        ),
    ]
)
