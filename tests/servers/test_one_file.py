"""dbt and a replication, two steps of one Dagster run, on one DuckDB file at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb

from mainstem.dbt import DbtProject

PROJECT = {
    "dbt_project.yml": "name: marts\nversion: '1.0'\nprofile: marts\nmodel-paths: [models]\n",
    "profiles.yml": """
marts:
  target: dev
  outputs: {dev: {type: duckdb, path: lake.duckdb, threads: 2}}
""",
    **{
        f"models/mart_{number}.sql": "{{ config(materialized='table') }}"
        f" select i, {number} as mart from range(100000) t(i)"
        for number in range(3)
    },
}

DEFINITIONS = """
from pathlib import Path
import dagster as dg
from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets

FOLDER = Path(__file__).parent
project = DbtProject(FOLDER)
sling = SlingResource(
    connections=[
        SlingConnectionResource(name="SHOP", type="sqlite", instance=str(FOLDER / "shop.db")),
        SlingConnectionResource(name="LAKE", type="duckdb", instance=str(FOLDER / "lake.duckdb")),
    ]
)


@sling_assets(
    replication_config={
        "source": "SHOP",
        "target": "LAKE",
        "defaults": {"object": "raw.{stream_table}"},
        "streams": {f"main.orders_{number}": None for number in range(2)},
    }
)
def orders(context, sling: SlingResource):
    yield from sling.replicate(context=context)


@dbt_assets(manifest=project.manifest_path, project=project)
def marts(context, dbt: DbtCliResource):
    yield from dbt.cli(["build"], context=context).stream().fetch_row_counts()


defs = dg.Definitions(
    assets=[orders, marts],
    jobs=[dg.define_asset_job("everything")],
    resources={"sling": sling, "dbt": DbtCliResource(project)},
    executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
)
"""


def test_no_step_fails_because_of_another_and_no_table_is_lost(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        for name in ("orders_0", "orders_1"):
            shop.execute(f"create table {name} (i integer)")
            shop.executemany(f"insert into {name} values (?)", ((number,) for number in range(50_000)))
    DbtProject(tmp_path).prepare()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "dagster"),
            *("job", "execute", "-f", "definitions.py", "-j", "everything"),
        ],
        cwd=tmp_path,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as lake:
        tables = lake.execute(
            "select schema_name || '.' || table_name, estimated_size from duckdb_tables() order by 1"
        ).fetchall()
    assert tables == [
        *((f"main.mart_{number}", 100_000) for number in range(3)),
        *((f"raw.orders_{number}", 50_000) for number in range(2)),
    ]
