"""What wiring costs, beside the loading of the definitions that are wired.

A replication of 500 streams and a dbt project of 1,500 models over them are generated. A fresh process loads
the definitions, and wires them; the best of the turns counts. It ends with code 1 where wiring costs more
than loading does.

Usage::

    python benchmarks/wiring.py
    python benchmarks/wiring.py --streams 100 --turns 3
"""

# No postponed annotations here: Dagster reads those of an asset's function, which are local.

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> int:
    """Generate, measure, print, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--streams", type=int, default=500)
    given.add_argument("--turns", type=int, default=5)
    given.add_argument("--measure", metavar="FOLDER", help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(Path(options.measure))) + "\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), options.streams)
        turns = []
        for _ in range(options.turns):
            command = [sys.executable, __file__, "--measure", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            turns.append(json.loads(done.stdout.splitlines()[-1]))
    load, wire = (min(turn[name] for turn in turns) for name in ("load", "wire"))
    sys.stdout.write(
        f"load {load:.3f} s, wire {wire:.3f} s ({wire / load:.2f}), {turns[0]['joints']} joints\n"
    )
    return 0 if wire <= load and turns[0]["joints"] == options.streams else 1


def generate(folder: Path, streams: int) -> None:
    """Write a replication, a manifest and a profile."""
    names = [f"table_{number}" for number in range(streams)]
    document = {
        "source": "PG",
        "target": "DUCK",
        "streams": {f"app.{name}": {"object": f"raw.{name}"} for name in names},
    }
    (folder / "replication.json").write_text(json.dumps(document))
    (folder / "dbt_project.yml").write_text("name: shop\nversion: '1'\nprofile: shop\n")
    output = {"type": "duckdb", "path": "w.duckdb"}
    (folder / "profiles.yml").write_text(json.dumps({"shop": {"target": "d", "outputs": {"d": output}}}))
    nodes: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    for name in names:
        source = f"source.shop.raw.{name}"
        sources[source] = node(source, name, "raw") | {"source_name": "raw", "identifier": name}
        above = source
        for layer in ("stg", "int", "mart"):
            uid = f"model.shop.{layer}_{name}"
            nodes[uid] = node(uid, f"{layer}_{name}", layer) | {"depends_on": {"nodes": [above]}}
            above = uid
    metadata = {"adapter_type": "duckdb", "project_name": "shop"}
    manifest = {"metadata": metadata, "nodes": nodes, "sources": sources, "macros": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def node(uid: str, name: str, schema: str) -> dict[str, Any]:
    """A node as a manifest has it."""
    return {
        "unique_id": uid,
        "resource_type": uid.partition(".")[0],
        "name": name,
        "alias": name,
        "package_name": "shop",
        "original_file_path": f"models/{name}.sql",
        "fqn": uid.split(".")[1:],
        "database": "w",
        "schema": schema,
        "config": {"materialized": "table"},
        "depends_on": {"nodes": []},
        "columns": {},
        "tags": [],
        "relation_name": f'"w"."{schema}"."{name}"',
        "raw_code": f"-- {name}",
        "checksum": {"name": "sha256", "checksum": name},
    }


def measure(folder: Path) -> dict[str, float]:
    """Load and wire in this process, by the processor's time."""
    import dagster as dg  # noqa: PLC0415 - not what is measured

    from mainstem import wire  # noqa: PLC0415
    from mainstem.dbt import DbtProject, dbt_assets  # noqa: PLC0415
    from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets  # noqa: PLC0415

    began = time.process_time()

    @sling_assets(replication_config=folder / "replication.json")
    def replicated(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    @dbt_assets(manifest=folder / "manifest.json", project=DbtProject(folder))
    def models() -> Iterator[Any]:
        yield from ()

    connections = [
        SlingConnectionResource(name="PG", type="postgres", host="localhost", database="app"),
        SlingConnectionResource(name="DUCK", type="duckdb", instance=str(folder / "w.duckdb")),
    ]
    resources = {"sling": SlingResource(connections=connections)}
    defs = dg.Definitions(assets=[replicated, models], resources=resources)
    defs.get_repository_def()
    loaded = time.process_time()
    wired = wire(defs)
    done = time.process_time()
    joints = sum("mainstem/wired" in spec.metadata for spec in wired.resolve_all_asset_specs())
    return {"load": loaded - began, "wire": done - loaded, "joints": joints}


if __name__ == "__main__":
    sys.exit(main())
