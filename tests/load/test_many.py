"""Thousands of streams: the work grows as they do, and memory and open files do not.

Steps are counted, not seconds. MAINSTEM_ALL=1 runs the full numbers.
"""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import os
import resource
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from mainstem.api import plan, replicate
from mainstem.events import Event, StreamPublished
from mainstem.replication import load_replication
from mainstem.sling import SlingResource, sling_assets

ALL = os.environ.get("MAINSTEM_ALL") == "1"
THREADS = 16
# Of each thread: its source, its target, and what it writes.
MOST_FILES_OF_A_THREAD = 8
MEGABYTE = 2**20


def document(streams: int, target: str = "main.{stream_table}") -> str:
    """A replication of so many tables."""
    names = "".join(f"  main.t{number}:\n" for number in range(streams))
    return f"source: SRC\ntarget: TGT\ndefaults: {{object: '{target}'}}\nstreams:\n{names}"


def tables(path: Path, many: int) -> str:
    """A SQLite file of so many tables."""
    with closing(sqlite3.connect(path)) as lite, lite:
        for number in range(many):
            lite.execute(f"create table t{number} as select {number} as id, 'x' as name")
    return f"sqlite://{path}"


def open_files() -> int:
    """How many files, sockets and pipes this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def steps(act: Callable[[], object]) -> int:
    """How many functions are called."""
    calls = 0

    def count(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def grows_as(work: Callable[[int], Callable[[], object]], few: int) -> float:
    """How many times as much work twice the streams are. What is done once is done before."""
    work(1)()
    return steps(work(2 * few)) / steps(work(few))


def test_ten_thousand_streams_are_read_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(document(10_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    replication = load_replication(tmp_path / "r.yaml")
    assert len(replication.streams) == 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < 150 * MEGABYTE


def test_twice_the_streams_are_twice_the_work_to_read() -> None:
    assert grows_as(lambda many: lambda: load_replication(document(many)), 500) < 2.2


@pytest.mark.parametrize("target", ["duckdb", "sqlite"])
def test_twice_the_streams_are_twice_the_work_to_plan(tmp_path: Path, target: str) -> None:
    def work(many: int) -> Callable[[], object]:
        source = tables(tmp_path / f"{many}.db", many)
        return lambda: plan(
            document(many), {"SRC": source, "TGT": f"{target}://{tmp_path / 'target'}.{target}"}
        )

    assert grows_as(work, 80) < 2.3


def test_twice_the_streams_are_twice_the_work_to_make_assets_of() -> None:
    def work(many: int) -> Callable[[], object]:
        def make() -> object:
            @sling_assets(replication_config=load_replication(document(many)).document.values)
            def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
                yield from sling.replicate(context=context)

            return assets

        return make

    assert grows_as(work, 80) < 2.3


@pytest.mark.skipif(not ALL, reason="ten thousand tables take a minute: MAINSTEM_ALL=1")
def test_ten_thousand_streams_are_planned(tmp_path: Path) -> None:
    connections = {"SRC": tables(tmp_path / "s.db", 10_000), "TGT": f"duckdb://{tmp_path / 't.duckdb'}"}
    assert len(plan(document(10_000), connections).streams) == 10_000


@pytest.mark.parametrize(
    ("url", "target"),
    [("duckdb://{}/t.duckdb", "main.{stream_table}"), ("file://{}/out", "{stream_table}.parquet")],
    ids=["duckdb", "files"],
)
def test_many_tables_at_many_threads_need_no_more_than_few(tmp_path: Path, url: str, target: str) -> None:
    many = 1000 if ALL else 80
    process = psutil.Process()
    files: list[int] = []
    memory: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, StreamPublished):
            files.append(open_files())
            memory.append(process.memory_info().rss)

    connections = {"SRC": tables(tmp_path / "s.db", many), "TGT": url.format(tmp_path)}
    before = open_files()
    env = f"env: {{SLING_THREADS: {THREADS}}}\n"
    report = replicate(document(many, target) + env, connections, on_event=watch)
    assert len(report.streams) == len(files) == many
    assert max(files) - before <= THREADS * MOST_FILES_OF_A_THREAD
    # Once all threads have been at work, nothing more is kept of a stream.
    tenth = many // 10
    assert max(memory[-tenth:]) - max(memory[tenth : 2 * tenth]) < 50 * MEGABYTE + many * 20_000
    assert open_files() <= before + 2
