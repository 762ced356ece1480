"""What the column lineage of a dbt project costs, beside parsing its SQL once with sqlglot.

A project of 2,000 models is generated, in layers of a few kinds: renaming, joining and grouping, windows and
unions, stars. Fresh processes parse the SQL of all models, work out their lineage, and work it out again with
one model changed; the best of the turns counts. It ends with code 1 where the lineage costs more than one
and a half times the parsing, or the second time more than a tenth of the first.

Usage::

    python benchmarks/lineage.py
    python benchmarks/lineage.py --models 200 --turns 1
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_ALLOWED, _AGAIN = 1.5, 0.1
_COLUMNS = [f"c{number}" for number in range(12)]


def main() -> int:
    """Generate, measure, print, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--models", type=int, default=2000)
    given.add_argument("--turns", type=int, default=3)
    given.add_argument("--measure", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.measure:
        what, folder = options.measure
        sys.stdout.write(json.dumps(_MEASURED[what](Path(folder))) + "\n")
        return 0
    best = {what: min(_turn(what, options.models) for _ in range(options.turns)) for what in _MEASURED}
    ratio, again = best["lineage"] / best["parse"], best["again"] / best["lineage"]
    sys.stdout.write(
        f"{options.models} models: parse {best['parse']:.2f} s, lineage {best['lineage']:.2f} s "
        f"({ratio:.2f}), with one changed {best['again']:.3f} s ({again:.3f})\n"
    )
    return 0 if ratio <= _ALLOWED and again <= _AGAIN else 1


def _turn(what: str, models: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.json"
        manifest.write_text(json.dumps(generated(models)))
        if what == "again":
            _run("lineage", folder)
            manifest.write_text(manifest.read_text().replace("c1 + c2 as", "c1 - c2 as", 1))
        return _run(what, folder)


def _run(what: str, folder: str) -> float:
    command = [sys.executable, __file__, "--measure", what, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def generated(models: int) -> Mapping[str, Any]:
    """A manifest of so many models, a tenth of them over sources, the others over two of the layer before."""
    width = max(models // 10, 1)
    sources = {f"source.shop.raw.s{at}": _node("source", f"s{at}", "raw") for at in range(width)}
    nodes: dict[str, Any] = {}
    for at in range(models):
        layer, place = divmod(at, width)
        if layer:
            above = [f"model.shop.m{(layer - 1) * width + (place + step) % width}" for step in (0, 1)]
        else:
            above = [f"source.shop.raw.s{place}"]
        read = [(nodes.get(uid) or sources[uid])["relation_name"] for uid in above]
        sql = _sql(at, read[0], read[-1])
        node = {**_node("model", f"m{at}", "main"), "compiled_code": sql, "depends_on": {"nodes": above}}
        nodes[f"model.shop.m{at}"] = node
    metadata = {"adapter_type": "duckdb", "project_name": "shop"}
    return {"metadata": metadata, "nodes": nodes, "sources": sources, "macros": {}}


def _sql(at: int, one: str, other: str) -> str:
    listed = ", ".join(f"l.{name}" for name in _COLUMNS[3:])
    plain = ", ".join(_COLUMNS)
    if at % 10 == 0 or one == other:
        return (
            f"with source as (select * from {one}), renamed as (select {plain} from source) "
            "select * from renamed"
        )
    if at % 3 == 0:
        return (
            f"with l as (select * from {one}), r as (select c0, sum(c1) as total, max(c2) as latest "
            f"from {other} where c3 > 0 group by c0), joined as (select l.c0, coalesce(r.total, 0) as c1, "
            f"r.latest as c2, {listed} from l left join r on l.c0 = r.c0) select * from joined"
        )
    if at % 3 == 1:
        return (
            f"with numbered as (select *, row_number() over (partition by c0 order by c1 desc) as place, "
            f"c1 + c2 as both from {one}), other as (select {plain} from {other} where c4 is not null) "
            f"select c0, both as c1, {', '.join(_COLUMNS[2:])} from numbered where place = 1 "
            f"union all select {plain} from other"
        )
    case = "case when l.c4 = 'a' then l.c5 when l.c4 = 'b' then r.c5 else 0 end"
    return (
        f"select l.c0, sum({case}) as c1, count(distinct r.c2) as c2, "
        + ", ".join(f"max(l.{name}) as {name}" for name in _COLUMNS[3:])
        + f" from {one} as l inner join {other} as r on l.c0 = r.c0 and l.c1 >= r.c1 where l.c6 in (1, 2, 3) "
        f"group by 1 having count(*) > 1"
    )


def _node(kind: str, name: str, schema: str) -> dict[str, Any]:
    uid = f"{kind}.shop.{'raw.' if kind == 'source' else ''}{name}"
    return {
        "unique_id": uid,
        "resource_type": kind,
        "name": name,
        "alias": name,
        "identifier": name,
        "source_name": "raw",
        "package_name": "shop",
        "fqn": uid.split(".")[1:],
        "database": "w",
        "schema": schema,
        "config": {"materialized": "table"},
        "depends_on": {"nodes": []},
        "columns": {},
        "language": "sql",
        "raw_code": "{{ jinja() }}",
        "relation_name": f'"w"."{schema}"."{name}"',
        "checksum": {"name": "sha256", "checksum": name},
    }


# In a process of its own each, by the processor's time, and without what is to be imported.


def _parse(folder: Path) -> float:
    from sqlglot import parse_one  # noqa: PLC0415 - not what is measured

    nodes = json.loads((folder / "manifest.json").read_text())["nodes"]
    parse_one("select 1", dialect="duckdb")
    gc.collect()
    began = time.process_time()
    for node in nodes.values():
        parse_one(node["compiled_code"], dialect="duckdb")
    return time.process_time() - began


def _lineage(folder: Path) -> float:
    from mainstem.dbt.lineage import trace_query  # noqa: PLC0415 - not what is measured
    from mainstem.dbt.manifest import read_manifest  # noqa: PLC0415
    from mainstem.dbt.planned_lineage import PlannedLineage  # noqa: PLC0415

    manifest = read_manifest(folder / "manifest.json")
    trace_query("select 1 as a", dialect="duckdb", tables=[])
    gc.collect()
    began = time.process_time()
    planned = PlannedLineage(manifest, folder)
    found = planned.of_all(manifest["nodes"]).values()
    took = time.process_time() - began
    problems = [problem for each in found for problem in each.problems]
    if problems:
        raise SystemExit(f"{len(problems)} problems: {problems[0]}")
    return took


_MEASURED: Mapping[str, Callable[[Path], float]] = {"parse": _parse, "lineage": _lineage, "again": _lineage}


if __name__ == "__main__":
    sys.exit(main())
