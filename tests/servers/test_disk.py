"""A disk that is full: the table stays as it was, the error says so at once, and with room again all is well.

A limit to the size of files stands in for a small disk: it takes no root, and a write fails in the same way.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.api import replicate

ROWS = 8_000
LIMIT_BYTES = 2 * 1024 * 1024

# Runs a replication in a process that may write no longer file.
CROWDED = """
import json, resource, sys
from mainstem.engine import run
from mainstem.events import StreamFailed, StreamRetried

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
events = list(run(json.loads(sys.argv[2]), json.loads(sys.argv[3])))
retried = [event for event in events if isinstance(event, StreamRetried)]
failed = [str(event.error) for event in events if isinstance(event, StreamFailed)]
print(json.dumps([len(retried), failed]))
"""


def rows(file: Path, number: int) -> None:
    """Have so many rows in the source, of a kilobyte each that no format makes much smaller."""
    text = "array_to_string([md5((i * k)::text) for k in range(2, 34)], '')"
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"create or replace table big as select i, {text} as v from range({number}) t(i)")


TARGETS = {
    "duckdb": ("duckdb://{folder}/out.duckdb", "main.copy"),
    "sqlite": ("sqlite://{folder}/out.db", "main.copy"),
    "parquet": ("file://{folder}", "copy.parquet"),
}
READERS = {
    "duckdb": "attach '{folder}/out.duckdb' as o (read_only); select count(*) from o.copy",
    "parquet": "select count(*) from '{folder}/copy.parquet'",
}


def count(target: str, folder: Path) -> int:
    """How many rows other programs see."""
    if target == "sqlite":
        with closing(sqlite3.connect(folder / "out.db")) as lite:
            return int(lite.execute("select count(*) from copy").fetchone()[0])
    with duckdb.connect() as connection:
        return int(connection.execute(READERS[target].format(folder=folder)).fetchall()[0][0])


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_there_stays_and_the_next_run_converges(target: str, tmp_path: Path) -> None:
    source, folder = tmp_path / "source.duckdb", tmp_path / "out"
    folder.mkdir()
    url, name = TARGETS[target]
    connections = {"SRC": f"duckdb://{source}", "TGT": url.format(folder=folder)}
    config: dict[str, Any] = {"source": "SRC", "target": "TGT", "streams": {"main.big": {"object": name}}}
    rows(source, 10)
    replicate(config, connections)

    rows(source, ROWS)
    command = [sys.executable, "-c", CROWDED, str(LIMIT_BYTES), json.dumps(config), json.dumps(connections)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    retried, failed = json.loads(done.stdout)
    assert (retried, len(failed)) == (0, 1)
    assert "make room" in failed[0].lower()
    assert count(target, folder) == 10

    replicate(config, connections)
    assert count(target, folder) == ROWS
    assert [path.name for path in folder.iterdir() if "mainstem" in path.name] == []
