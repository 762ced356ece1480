"""The limits: the least that could do a part of the work, with nothing of a tool around it.

PostgreSQL's own ``psql`` does the copying where it is installed, and a loop of psycopg where it is not.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.movement import ends, filling
from benchmarks.movement.contenders import Contender, Missing, Setup
from benchmarks.movement.moves import Move
from benchmarks.movement.place import MOVED, Place

__all__ = ["copied_in", "copied_through", "copy_to_nowhere", "imports", "loop", "read_to_nowhere", "scanned"]

_SCRIPT = Path(__file__).with_name("limits_run.py")
IMPORTED = "import pyarrow, duckdb, adbc_driver_postgresql"


def copy_to_nowhere(move: Move, place: Place, _: Setup) -> Contender:
    """PostgreSQL gives its rows to nobody, in its binary format."""
    table = move.tables(place.sizes)[0].name
    return _shell("COPY to nowhere", place, f'{{out}} "copy {table} to stdout (format binary)" > /dev/null')


def copied_through(move: Move, place: Place, _: Setup) -> Contender:
    """A pipe from PostgreSQL to PostgreSQL."""
    table = move.tables(place.sizes)[0]
    pipe = (
        f'{{out}} "copy {table.name} to stdout (format binary)"'
        f' | {{in}} "copy {MOVED}.{table.name} from stdin (format binary)"'
    )
    return _shell(
        "bare pipe of COPY", place, pipe, partial(_emptied, move, place), partial(move.wrong, place)
    )


def copied_in(move: Move, place: Place, _: Setup) -> Contender:
    """PostgreSQL takes the rows from a CSV file as it is."""
    table = move.tables(place.sizes)[0]
    place.fill("csv", [table], "public")
    file = place.file(table.name, "csv")
    command = f'{{in}} "copy {MOVED}.{table.name} from stdin (format csv, header)" < {file}'
    return _shell("COPY of a CSV", place, command, partial(_emptied, move, place), partial(move.wrong, place))


def scanned(move: Move, place: Place, _: Setup) -> Contender:
    """DuckDB's own reader of CSV, which is told the types."""
    table = move.tables(place.sizes)[0]
    types = ", ".join(f"'{each.name}': '{each.type}'" for each in table.columns)
    file = place.file(table.name, "csv")
    rows = f"read_csv('{file}', columns = {{{types}}})"
    made = f"create schema {MOVED}; create table {MOVED}.{table.name} as from {rows}"
    return _python("bare read_csv", move, place, "duckdb", str(place.lake), made)


def read_to_nowhere(move: Move, place: Place, _: Setup) -> Contender | Missing:
    """The source's own client reads all rows and forgets them."""
    table = move.tables(place.sizes)[0].name
    if move.source == "sqlite":
        return _python("sqlite3 to nowhere", move, place, "sqlite", str(place.book), table, judged=False)
    client = shutil.which("mariadb") or shutil.which("mysql")
    if client is None:
        return Missing("client to nowhere", "there is no program mariadb or mysql")
    server = place.mariadb
    login = f"-h {server.host} -P {server.port} -u {server.user} --skip-ssl --quick --batch {server.database}"
    return Contender(
        "client to nowhere",
        ["sh", "-c", f"exec {client} {login} -e 'select * from {table}' > /dev/null"],
        {**os.environ, "MYSQL_PWD": server.password},
    )


def loop(move: Move, place: Place, _: Setup) -> Contender:
    """A bare select and a bare insert of each table, one after the other, by ADBC and Arrow."""
    tables = ",".join(table.name for table in move.tables(place.sizes))
    url = ends.read(place, "postgres")
    return _python("bare loop", move, place, "loop", url, str(place.lake), tables)


def imports(_move: Move, _place: Place, _: Setup) -> Contender:
    """Python begins, and has the drivers."""
    return Contender("bare imports", [sys.executable, "-c", IMPORTED], os.environ)


def _python(name: str, move: Move, place: Place, *arguments: str, judged: bool = True) -> Contender:
    command = [sys.executable, str(_SCRIPT), *arguments]
    if not judged:
        return Contender(name, command, os.environ)
    return Contender(name, command, os.environ, place.clear, partial(move.wrong, place))


def _psql() -> str | None:
    return shutil.which("psql")


def _shell(
    name: str,
    place: Place,
    command: str,
    ready: Callable[[], object] = lambda: None,
    wrong: Callable[[], str | None] = lambda: None,
) -> Contender:
    url = ends.read(place, "postgres")
    psql = f"{_psql()} -X -q '{url}' -c"
    ours = {"in": psql, "out": psql}
    if not _psql():
        ours = {side: f"{sys.executable} {_SCRIPT} copy_{side} '{url}'" for side in ours}
    return Contender(name, ["sh", "-c", command.format(**ours)], os.environ, ready, wrong)


def _emptied(move: Move, place: Place) -> None:
    """The tables are there, and empty: to make them is no part of the limit."""
    place.clear()
    with psycopg.connect(place.postgres.url, autocommit=True) as server:
        for table in move.tables(place.sizes):
            server.execute(filling.native(table, "postgres", f'{MOVED}."{table.name}"', key=False).encode())
