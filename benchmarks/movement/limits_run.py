"""The limits that need Python: `python limits_run.py WHAT ARGUMENTS…`."""

from __future__ import annotations

import sqlite3
import sys

_BLOCK = 1 << 16


def copy_out(url: str, statement: str) -> None:
    """What ``psql -c 'copy … to stdout'`` does."""
    import psycopg  # noqa: PLC0415 - each imports what it needs: that is a part of its time

    with psycopg.connect(url) as server, server.cursor().copy(statement.encode()) as copy:
        for block in copy:
            sys.stdout.buffer.write(block)


def copy_in(url: str, statement: str) -> None:
    """What ``psql -c 'copy … from stdin'`` does."""
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url) as server, server.cursor().copy(statement.encode()) as copy:
        while block := sys.stdin.buffer.read(_BLOCK):
            copy.write(block)


def duckdb(path: str, statements: str) -> None:
    """Run statements in a file of DuckDB."""
    import duckdb as library  # noqa: PLC0415

    with library.connect(path) as connection:
        connection.execute(statements)


def sqlite(path: str, table: str) -> None:
    """Read a table of SQLite and forget it."""
    rows = sqlite3.connect(path).execute(f"select * from {table}")
    while rows.fetchmany(10_000):
        pass


def loop(url: str, path: str, tables: str) -> None:
    """Select each table from PostgreSQL, and insert it into DuckDB."""
    import adbc_driver_postgresql.dbapi as adbc  # noqa: PLC0415
    import duckdb as library  # noqa: PLC0415

    with adbc.connect(url) as source, source.cursor() as cursor, library.connect(path) as target:
        target.execute("create schema moved")
        for table in tables.split(","):
            cursor.execute(f'select * from public."{table}"')
            rows = cursor.fetch_record_batch()
            target.register("rows_read", rows)
            target.execute(f'create table moved."{table}" as from rows_read')


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
