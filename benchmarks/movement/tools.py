"""The peers: Sling and dlt, each set up as its own documentation says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path

from benchmarks.movement import ends
from benchmarks.movement.contenders import Contender, Missing, Setup
from benchmarks.movement.moves import Move
from benchmarks.movement.place import Place

__all__ = ["dlt", "dlt_by_defaults", "sling"]

# Rows beyond which dlt's defaults, a Python dictionary for each row, take too long to wait for.
_MOST_BY_DEFAULTS = 200_000
_TRIES = 3
# What DuckDB's program has built in, and Sling nevertheless has it install, from the web.
_BUILT_IN = ("json", "parquet", "icu")


def sling(move: Move, place: Place, setup: Setup) -> Contender | Missing:
    """Sling with the very same YAML."""
    if setup.sling is None:
        return Missing("sling", "SLING_BINARY names no program")
    environment = {
        **os.environ,
        "SLING_HOME_DIR": str(place.folder / "sling"),
        "SLING_DISABLE_TELEMETRY": "true",
    }
    target = ends.written(place, move.target)
    if move.target == "parquet":
        # By DuckDB it would need the extension httpfs.
        environment["SLING_DUCKDB_COMPUTE"] = "false"
    elif {"duckdb", "parquet"} & {move.source, move.target}:
        program = os.environ.get("DUCKDB_PATH")
        if program is None:
            return Missing("sling", "it would download DuckDB's own program, and DUCKDB_PATH names none")
        environment["HOME"] = str(_home(place, program))
    if move.target == "duckdb":
        # Its default, HTTP, needs the extension httpfs, which is on the web.
        # A pipe of Sling's fails or hangs now and then. Files take it half as long again, small tables apart.
        method = "named_pipes" if len(move.tables(place.sizes)) == 1 else "csv_files"
        target = json.dumps({"type": "duckdb", "instance": str(place.lake), "copy_method": method})
    made = move.by_document(place, "sling", [setup.sling, "run", "-r"], environment, target)
    return replace(made, tries=_TRIES)


def _home(place: Place, program: str) -> Path:
    """A home where the extensions that are built into DuckDB's program count as installed.

    Sling begins each session with ``install json``, which would go to the web; a file of that name in the
    folder of extensions is enough for it, for it is never loaded.
    """
    query = "select version(), (select platform from pragma_platform())"
    done = subprocess.run(
        [program, "-csv", "-noheader", "-c", query], capture_output=True, text=True, check=True
    )
    version, platform = done.stdout.strip().split(",")
    home = place.folder / "home"
    folder = home / ".duckdb" / "extensions" / version / platform
    folder.mkdir(parents=True, exist_ok=True)
    for name in _BUILT_IN:
        (folder / f"{name}.duckdb_extension").touch()
    return home


def dlt(move: Move, place: Place, setup: Setup) -> Contender | Missing:
    """The fastest of dlt's backends that is installed, Arrow from end to end."""
    backend = "arrow"
    if move.source in {"postgres", "mysql", "sqlite"}:
        backend = "connectorx" if _importable("connectorx", setup.packages) else "pyarrow"
    return _dlt(move, place, setup, backend)


def dlt_by_defaults(move: Move, place: Place, setup: Setup) -> Contender | Missing:
    """What dlt does without a word about speed: it is there for scale, and runs once."""
    if move.rows(place) > _MOST_BY_DEFAULTS:
        return Missing("dlt, defaults", f"asked for up to {_MOST_BY_DEFAULTS:,} rows, each a dictionary")
    return _dlt(move, place, setup, "defaults")


def _dlt(move: Move, place: Place, setup: Setup, backend: str) -> Contender:
    name = f"dlt, {backend}"
    kept = place.folder / move.slug(name)
    destination = ends.written(place, move.target).removeprefix("duckdb://")
    told = {
        "source": move.source,
        "url": ends.read(place, move.source).removeprefix("duckdb://"),
        "files": str(place.folder / "files"),
        "schema": "public" if move.source == "postgres" else None,
        "tables": [table.name for table in move.tables(place.sizes)],
        "target": move.target,
        "destination": destination or str(place.out),
        "backend": backend,
        "folder": str(kept),
        "merged": move.loaded is not None,
    }
    environment = {
        **os.environ,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        # Otherwise every table has a connection until the last one is read, and a server takes a hundred.
        "EXTRACT__NEXT_ITEM_MODE": "fifo",
        "PYTHONPATH": setup.packages or "",
    }
    script = [sys.executable, str(Path(__file__).with_name("dlt_run.py"))]
    first = [*script, json.dumps({**told, "schema": move.loaded.schema if move.loaded else None})]
    ready = partial(move.ready, place, name, first, environment, kept)
    command = [*script, json.dumps(told)]
    return Contender(
        name, command, environment, ready, partial(move.wrong, place), once=backend == "defaults"
    )


def _importable(name: str, packages: str | None) -> bool:
    return PathFinder.find_spec(name, [packages or "", *sys.path]) is not None
