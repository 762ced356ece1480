"""The benchmarks move, and say when what arrived is not what was sent. How long it takes is not asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg
import pytest
from benchmarks.movement import filling
from benchmarks.movement.checks import duckdb_sums, postgres_sums, same
from benchmarks.movement.contenders import Contender, Missing, Setup
from benchmarks.movement.place import Place
from benchmarks.movement.printing import markdown
from benchmarks.movement.processes import Figures, RunFailedError, measured
from benchmarks.movement.results import CaseResult, Result, Session
from benchmarks.movement.tables import Sizes, Table, ledger, lineitem, long, orders, wide
from benchmarks.movement.turns import take_turns

from mainstem.testing.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
SIZES = Sizes(rows=1200, small_tables=2)
TABLES: dict[str, Callable[[Sizes], Table]] = {
    "lineitem": lineitem,
    "orders": orders,
    "ledger": lambda sizes: ledger(sizes, changed=True),
    "wide": wide,
    "long": long,
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.movement", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_session_moves_rows_and_writes_what_it_took(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    sizes = ["--rows", "1200", "--small-tables", "2", "--times", "1", "--json", str(found)]
    done = bench(*sizes, "sqlite", "--tools", "mainstem", "sqlite3", "sling")
    assert done.returncode == 0, done.stdout + done.stderr
    (case,) = json.loads(found.read_text())["cases"]
    assert (case["name"], case["rows"]) == ("sqlite → duckdb: orders", 300)
    runs = {each["name"]: len(each["runs"]) for each in case["results"]}
    assert runs["mainstem"] == runs["sqlite3 to nowhere"] == 1
    assert "sqlite → duckdb: orders (300)" in done.stdout


@pytest.mark.parametrize("name", TABLES)
def test_postgres_and_duckdb_agree_on_the_sums(
    name: str, postgres: EmbeddedPostgres, schema: str, tmp_path: Path
) -> None:
    table = TABLES[name](SIZES)
    filling.fill_postgres(postgres.url, table, schema, tmp_path / "between.csv")
    with psycopg.connect(postgres.url) as server:
        there = server.execute(postgres_sums(table, f"{schema}.{table.name}").encode()).fetchone()
    with duckdb.connect() as connection:
        here = connection.execute(duckdb_sums(table, f"({table.select()})")).fetchone()
    assert there
    assert here
    assert same(table, here, there) is None


@pytest.mark.parametrize(
    "harm",
    [
        "delete from copied where id = 3",
        "insert into copied from copied limit 1",
        "update copied set data = '{}' where id = 3",
        "update copied set body = replace(body, chr(10), ' ') where id = 3",
        "update copied set body = null where id = 3",
        "update copied set id = 4 where id = 3",
    ],
)
def test_a_row_that_is_lost_doubled_or_changed_is_wrong(harm: str) -> None:
    table = long(SIZES)
    with duckdb.connect() as connection:
        connection.execute(f"create table copied as {table.select()}")
        sent = connection.execute(duckdb_sums(table, "copied")).fetchone() or ()
        connection.execute(harm)
        arrived = connection.execute(duckdb_sums(table, "copied")).fetchone() or ()
    assert same(table, sent, arrived) is not None


@dataclass(frozen=True)
class Odd:
    """A case of which one contender does well, one leaves something wrong, and one fails."""

    name: str = "odd"

    def rows(self, place: Place) -> int:
        return place.sizes.rows

    def prepare(self, place: Place) -> str | None:  # noqa: ARG002 - a case is asked so
        return None

    def contenders(self, place: Place, setup: Setup) -> Iterator[Contender | Missing]:  # noqa: ARG002
        command = [sys.executable, "-S", "-c", "pass"]
        yield Contender("well", command, os.environ)
        yield Contender("wrong", command, os.environ, wrong=lambda: "3 rows of 4")
        yield Contender("failing", [*command[:-1], "raise SystemExit('no')"], os.environ)
        yield Missing("missing", "it is not installed")


def test_what_fails_or_leaves_something_wrong_has_no_figures(tmp_path: Path) -> None:
    said: list[str] = []
    with ExitStack() as opened:
        place = Place(tmp_path / "place", SIZES, opened)
        found = take_turns(Odd(), place, Setup(trees={}), times=2, say=said.append)
    assert isinstance(found, CaseResult)
    runs = {each.name: (len(each.runs), each.said) for each in found.results}
    assert runs["well"] == (2, None)
    assert runs["wrong"] == (0, "WRONG: 3 rows of 4")
    assert runs["missing"] == (0, "not measured: it is not installed")
    assert runs["failing"][0] == 0
    assert "it ended with 1: no" in str(runs["failing"][1])
    assert found.median("wrong") is None
    assert any("3 rows of 4" in each for each in said)


def test_one_that_fails_now_and_then_is_tried_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = (
        f"from pathlib import Path; mark = Path({str(mark)!r}); done = mark.exists(); mark.touch();"
        " raise SystemExit(not done)"
    )

    class Moody(Odd):
        def contenders(self, place: Place, setup: Setup) -> Iterator[Contender | Missing]:  # noqa: ARG002
            yield Contender("moody", [sys.executable, "-S", "-c", script], os.environ, tries=2)

    said: list[str] = []
    with ExitStack() as opened:
        place = Place(tmp_path / "place", SIZES, opened)
        found = take_turns(Moody(), place, Setup(trees={}), times=0, say=said.append)
    assert isinstance(found, CaseResult)
    assert [(len(each.runs), each.said) for each in found.results] == [(1, None)]
    assert any("tried again" in each for each in said)


def test_a_command_that_fails_is_told_by_its_own_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('because'); sys.exit(3)"]
    with pytest.raises(RunFailedError, match=r"(?s)3.*because"):
        measured(command, os.environ, [], tmp_path / "log")


def test_a_session_is_read_again_and_held_against_the_targets(tmp_path: Path) -> None:
    def took(name: str, *walls: float) -> Result:
        return Result(name, [Figures(wall, 1.0, 1.0, 400.0) for wall in walls])

    # Of three runs the middle one counts.
    contenders = [took("mainstem", 2.0, 1.0, 9.0), took("sling", 14.0), took("dlt, pyarrow", 3.0)]
    session = Session(
        6_000_000, 200, cases=[CaseResult("postgres → duckdb: lineitem", 6_000_000, contenders)]
    )
    session.write(tmp_path / "found.json")
    told = markdown(Session.read([tmp_path / "found.json"]))
    assert "| PostgreSQL → DuckDB: faster than Sling | 7.00 | at least 6 | stands |" in told
    assert "| PostgreSQL → DuckDB: faster than dlt | 1.50 | at least 2 | SHORT |" in told
    assert "| PostgreSQL → DuckDB: of COPY to nowhere |  | at most 1.9 | not measured |" in told
