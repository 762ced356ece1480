"""Runs that are killed at random moments while their source changes; then source and target are compared.

    make chaos KILLS=500

A writer inserts and updates rows, each change with the next value of the update key, and each committed
before the next one begins: the order of keys is the order of commits, which any cursor needs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from tests.chaos.routes import TABLES, Route, Run, opened_for_writing

from mainstem.api import replicate
from mainstem.errors import MainstemError
from mainstem.faults import Point, watching
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres

__all__ = ["Outcome", "chaos", "routes_of"]

_WARM = ("duckdb", "postgres", "mysql")
# A process lives for a part of a run or for a few, however long one takes here: at first for so many times as
# long as the first one took, longer where no run comes to its end, and shorter where several do.
_RUNS, _LONGER, _SHORTER = 2.0, 1.2, 0.85
_MANY = 2
_PAUSE_SECONDS = 0.004
_ROWS = 5
_DONE = "finished"


@dataclass
class Outcome:
    """What became of a route.

    Attributes:
        kills: So many processes were killed.
        at: The boundary that each had come by last; ``None`` before the first.
        runs: So many runs came to their end.
        rows: So many rows each table has at the end.
        wrong: What is not as it should be.
    """

    kills: int = 0
    at: Counter[str | None] = field(default_factory=Counter)
    runs: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class _Writer(threading.Thread):
    """Changes the source until it is told to stop. Its numbers go on where the source is."""

    def __init__(self, route: Route, seed: int, next_key: int) -> None:
        super().__init__(daemon=True)
        self._route = route
        self._chance = random.Random(seed)  # noqa: S311 - chaos, no secret
        self._key = next_key
        self._ended = threading.Event()

    def run(self) -> None:
        """Write, a transaction at a time."""
        with opened_for_writing(self._route) as run:
            while not self._ended.wait(_PAUSE_SECONDS):
                run("begin")
                for _ in range(self._chance.randint(1, _ROWS)):
                    self._change(run)
                run("commit")

    def end(self) -> None:
        """Come to the end of the transaction."""
        self._ended.set()
        self.join()

    def _change(self, run: Run) -> None:
        schema, key = self._route.source_schema, self._key
        self._key += 1
        run(f"insert into {schema}.log values ({key}, 'row {key}', {key})")
        if key > _ROWS and self._chance.random() < 0.5:
            which = self._chance.randint(1, key - 1)
            run(f"update {schema}.orders set name = 'changed {key}', k = {key} where id = {which}")
        else:
            run(f"insert into {schema}.orders values ({key}, 'row {key}', {key})")


def chaos(route: Route, kills: int, seed: int) -> Outcome:
    """Kill runs of a route, then let one be, and compare."""
    outcome = Outcome()
    chance = random.Random(seed)  # noqa: S311 - chaos, no secret
    route.make()
    with _written(route, seed) if route.is_shared else _left_alone():
        longest = _RUNS * _one_life(route, None, chance.getrandbits(30), outcome)
        while outcome.kills < kills:
            before = outcome.runs
            _one_life(route, chance.uniform(0.0, longest), chance.getrandbits(30), outcome)
            ended = outcome.runs - before
            longest *= _LONGER if not ended else _SHORTER if ended >= _MANY else 1.0
    replicate(route.replication, route.connections)
    for table in TABLES:
        source, target = route.both(table)
        outcome.rows[table] = len(source)
        lost, doubled = Counter(source) - Counter(target), Counter(target) - Counter(source)
        if lost or doubled:
            outcome.wrong.append(
                f"{table}: {lost.total()} rows lost, such as {list(lost)[:3]};"
                f" {doubled.total()} too many, such as {list(doubled)[:3]}"
            )
    if list(route.tables()) != sorted(TABLES):
        outcome.wrong.append(f"left behind: {sorted(set(route.tables()) - set(TABLES))}")
    return outcome


@contextmanager
def _written(route: Route, seed: int) -> Iterator[None]:
    writer = _Writer(route, seed, 1)
    writer.start()
    try:
        yield
    finally:
        writer.end()


@contextmanager
def _left_alone() -> Iterator[None]:
    yield


def _one_life(route: Route, seconds: float | None, seed: int, outcome: Outcome) -> float:
    """A process that replicates over and over, until it is killed: then, or when its first run has ended.

    Returns:
        How many seconds it lived.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *(f"mainstem.endpoints.{name}" for name in _WARM)])
    told, telling = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(route, seed, telling))
    process.start()
    telling.close()
    last: Point | None = None
    try:
        # From the moment at which it begins, however long the machine took to get there.
        told.recv()
        began = time.monotonic()
        while seconds is None and outcome.runs == 0:
            last = _take(told.recv(), outcome)
        process.join(seconds if seconds is not None else 0.0)
        lived = time.monotonic() - began
        process.kill()
        while True:
            last = _take(told.recv(), outcome)
    except EOFError:
        process.join()
    finally:
        told.close()
    outcome.kills += 1
    outcome.at[last.value if last else None] += 1
    return lived


def _take(said: Any, outcome: Outcome) -> Point | None:
    """Note what a process said; the boundary that it has come by."""
    if isinstance(said, Point):
        return said
    outcome.runs += said == _DONE
    if said != _DONE:
        outcome.wrong.append(f"a run failed: {said}")
    return None


def _live(route: Route, seed: int, telling: Pipe) -> None:
    telling.send(None)
    if not route.is_shared:
        with opened_for_writing(route) as run:
            ((key,),) = run(f"select coalesce(max(k), 0) + 1 from {route.source_schema}.log").fetchall()
        _Writer(route, seed, key).start()
    with watching(telling.send):
        while True:
            try:
                replicate(route.replication, route.connections)
            except MainstemError as error:
                telling.send(str(error))
            telling.send(_DONE)


def routes_of(postgres: EmbeddedPostgres, mariadb: EmbeddedMariaDB | None, folder: Path) -> Sequence[Route]:
    """The routes, each with schemas and files of its own."""
    for name in ("source", "copies", "from_mysql"):
        postgres.execute(f"create schema if not exists {name}")
    lake, own = f"duckdb://{folder / 'to.duckdb'}", f"duckdb://{folder / 'from.duckdb'}"
    found = [
        Route("postgres → duckdb", "postgres", postgres.url, "source", lake, "main"),
        Route("duckdb → postgres", "duckdb", own, "main", postgres.url, "copies", is_shared=False),
    ]
    if mariadb is not None:
        mariadb.execute("create database chaos")
        found.append(Route("mysql → postgres", "mysql", mariadb.url, "chaos", postgres.url, "from_mysql"))
    return found


def main() -> int:
    """Run all routes, and tell what became of each."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    reading.add_argument("--kills", type=int, default=500, help="how many, in all")
    reading.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    asked = reading.parse_args()
    print(f"seed {asked.seed}", flush=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with (
            EmbeddedPostgres(folder / "postgres") as postgres,
            EmbeddedMariaDB(folder / "mariadb") as mariadb,
        ):
            routes = routes_of(postgres, mariadb, folder)
            for number, route in enumerate(routes):
                share = asked.kills // len(routes) + (number < asked.kills % len(routes))
                outcome = chaos(route, share, asked.seed + number)
                wrong += len(outcome.wrong)
                print(f"{route.name}: {outcome}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
