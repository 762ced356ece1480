"""dlt's way to move tables: `python dlt_run.py SOURCE_URL DESTINATION SCHEMA TABLE…`."""

from __future__ import annotations

import sys
import tempfile

import dlt
from dlt.sources.sql_database import sql_database


def main(source: str, destination: str, schema: str, *tables: str) -> None:
    """Replace the tables at the destination: the path of a DuckDB file, or a PostgreSQL URL."""
    wanted = (
        dlt.destinations.postgres(destination)
        if destination.startswith("postgres")
        else dlt.destinations.duckdb(destination)
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pipeline = dlt.pipeline("bench", destination=wanted, dataset_name="moved", pipelines_dir=folder)
        data = sql_database(
            source,
            schema=schema,
            table_names=list(tables),
            backend="pyarrow",
            reflection_level="full_with_precision",
        )
        pipeline.run(data, write_disposition="replace")


if __name__ == "__main__":
    main(*sys.argv[1:])
