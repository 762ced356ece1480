"""What dbt's own macros make of databases, schemas and names is in the manifest, and that is what counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
from tests.graph.conftest import Replicate
from tests.graph.test_wire import sling, upstream

from mainstem import wire
from mainstem.dbt import DbtProject, dbt_assets

FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "profiles.yml": "shop:\n  target: dev\n  outputs:\n"
    "    dev: {type: duckdb, path: ../w.duckdb, schema: ann}\n"
    "    prod: {type: duckdb, path: ../prod.duckdb, schema: live}\n",
    "macros/names.sql": "{% macro generate_schema_name(custom, node) %}"
    "{{ target.name }}_{{ custom }}{% endmacro %}\n"
    "{% macro generate_alias_name(custom, node) %}{{ node.name }}_v2{% endmacro %}\n",
    "models/sources.yml": 'sources:\n- name: raw\n  schema: "{{ target.schema }}_raw"\n'
    "  tables: [{name: orders}]\n",
    "models/marts.sql": "{{ config(schema='marts') }} select * from {{ source('raw', 'orders') }}",
}


def test_macros_and_the_profiles_target_are_in_the_identity(tmp_path: Path, replicate: Replicate) -> None:
    folder = tmp_path / "dbt"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    dbt = Path(sys.executable).with_name("dbt")
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    subprocess.run([str(dbt), "-q", "parse", "--profiles-dir", "."], cwd=folder, env=environment, check=True)
    project = DbtProject(folder)

    @dbt_assets(manifest=project.manifest_path, project=project)
    def models() -> None: ...

    streams = {"data.orders": "ann_raw.orders", "data.x": "live_raw.orders"}
    there = replicate("PG", "DUCK", streams, name="there")
    back = replicate("DUCK", "PG", {"dev_marts.marts_v2": "crm.a", "marts.marts_v2": "crm.b"}, name="back")
    defs = wire(dg.Definitions(assets=[there, models, back], resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "marts/marts") == {"target/ann_raw/orders"}
    assert upstream(defs, "target/crm/a") == {"marts/marts"}
    assert upstream(defs, "target/crm/b") == {"marts/marts_v2"}
