"""dlt's way to move tables: `python dlt_run.py '{"source": …}'`, as `tools.py` tells it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

_CHUNK = 100_000


def main(told: dict[str, Any]) -> None:
    """Replace the tables at the destination, or merge what has changed into them."""
    pipeline = dlt.pipeline(
        "bench", destination=_destination(told), dataset_name="moved", pipelines_dir=told["folder"]
    )
    options: dict[str, Any] = {"write_disposition": "merge" if told["merged"] else "replace"}
    if told["backend"] != "defaults":
        # Into PostgreSQL it goes by ADBC then, which is faster than CSV by COPY, and than inserts by far.
        options["loader_file_format"] = "parquet"
    pipeline.run(_data(told), **options).raise_on_failed_jobs()


def _destination(told: dict[str, Any]) -> Any:
    where = told["destination"]
    if told["target"] == "postgres":
        return dlt.destinations.postgres(where)
    if told["target"] == "duckdb":
        return dlt.destinations.duckdb(where)
    return dlt.destinations.filesystem(where)


def _data(told: dict[str, Any]) -> Any:
    if told["source"] in {"csv", "parquet"}:
        return _files(told)
    if told["source"] == "duckdb":
        return [dlt.resource(_duckdb(told["url"], name), name=name) for name in told["tables"]]
    return _database(told)


def _database(told: dict[str, Any]) -> Any:
    from dlt.sources.sql_database import sql_database  # noqa: PLC0415 - files need no SQLAlchemy

    url = told["url"].replace("mysql://", "mysql+pymysql://").replace("sqlite://", "sqlite:///")
    options: dict[str, Any] = {"table_names": told["tables"], "schema": told["schema"]}
    if told["backend"] != "defaults":
        options |= {
            "backend": told["backend"],
            "chunk_size": _CHUNK,
            "reflection_level": "full_with_precision",
        }
    if told["backend"] == "connectorx":
        options["backend_kwargs"] = {"return_type": "arrow_stream", "conn": told["url"]}
    data = sql_database(url, **options)
    if told["merged"]:
        for resource in data.resources.values():
            resource.apply_hints(primary_key="o_orderkey", incremental=dlt.sources.incremental("o_updated"))
    return data


def _files(told: dict[str, Any]) -> Any:
    from dlt.sources.filesystem import filesystem, read_csv_duckdb, read_parquet  # noqa: PLC0415

    extension = told["source"]
    reader = {
        "csv": lambda: read_csv_duckdb(chunk_size=_CHUNK, use_pyarrow=True),
        "parquet": lambda: read_parquet(chunksize=_CHUNK, use_pyarrow=True),
    }[extension]
    folder = Path(told["files"]).as_uri()
    return [
        (filesystem(folder, file_glob=f"{name}.{extension}") | reader()).with_name(name)  # type: ignore[no-untyped-call]
        for name in told["tables"]
    ]


def _duckdb(path: str, name: str) -> Iterator[pa.Table]:
    import duckdb  # noqa: PLC0415

    with duckdb.connect(path, read_only=True) as connection:
        for batch in connection.sql(f"from main.{name}").to_arrow_reader(_CHUNK):
            yield pa.Table.from_batches([batch])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
