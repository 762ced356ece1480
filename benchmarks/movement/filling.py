"""How a table gets into a system, before anything is measured: by DuckDB and the system's own bulk load."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import psycopg
import pymysql

from benchmarks.movement.tables import Table
from mainstem.testing.mariadb import EmbeddedMariaDB

__all__ = ["fill_duckdb", "fill_file", "fill_mysql", "fill_postgres", "fill_sqlite", "native"]

_BLOCK = 1 << 20
# What a system calls a type otherwise.
_NATIVE = {
    "postgres": {"json": "jsonb"},
    "mysql": {"timestamp": "datetime(6)", "double precision": "double"},
    "sqlite": {},
    "duckdb": {},
}
_OPTIONS = {"csv": "format csv, header", "parquet": "format parquet"}


def native(table: Table, system: str, name: str, *, key: bool = True) -> str:
    """The statement that makes an empty table, with its key or without."""
    names = _NATIVE[system]
    quote = "`" if system == "mysql" else '"'
    columns = [f"{quote}{each.name}{quote} {names.get(each.type, each.type)}" for each in table.columns]
    if key and table.key and system in {"postgres", "mysql"}:
        columns.append(f"primary key ({quote}{table.key}{quote})")
    return f"create table {name} ({', '.join(columns)})"


def fill_file(path: Path, table: Table) -> None:
    """Write a CSV or a Parquet file, as its extension says."""
    with duckdb.connect() as connection:
        connection.execute(f"copy ({table.select()}) to '{path}' ({_OPTIONS[path.suffix[1:]]})")


def fill_duckdb(path: Path, table: Table) -> None:
    """Make a table in a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(native(table, "duckdb", f"main.{table.name}"))
        connection.execute(f"insert into main.{table.name} {table.select()}")


def fill_postgres(url: str, table: Table, schema: str, between: Path) -> None:
    """Copy a table into PostgreSQL, as after a vacuum: what is read first later has nothing to tidy up."""
    name = f'{schema}."{table.name}"'
    fill_file(between, table)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"create schema if not exists {schema}".encode())
        server.execute(f"drop table if exists {name}".encode())
        server.execute(native(table, "postgres", name).encode())
        with server.cursor() as cursor, between.open("rb") as file:
            with cursor.copy(f"copy {name} from stdin (format csv, header)".encode()) as copy:
                while block := file.read(_BLOCK):
                    copy.write(block)
            if table.index:
                cursor.execute(f'create index on {name} ("{table.index}")'.encode())
            cursor.execute(f"vacuum (analyze) {name}".encode())
    between.unlink()


def fill_mysql(server: EmbeddedMariaDB, table: Table, between: Path) -> None:
    """Load a table into MariaDB."""
    fill_file(between, table)
    connection = pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=server.database,
        autocommit=True,
        local_infile=True,
        ssl_disabled=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"drop table if exists `{table.name}`")
        cursor.execute(native(table, "mysql", f"`{table.name}`"))
        cursor.execute(
            f"load data local infile '{between}' into table `{table.name}` character set utf8mb4"
            " fields terminated by ',' optionally enclosed by '\"' escaped by '' ignore 1 lines"
        )
    between.unlink()


def fill_sqlite(path: Path, table: Table) -> None:
    """Insert a table into a SQLite file: days and times as ISO 8601 text, decimals as numbers."""
    values = ", ".join(
        f'"{each.name}"::varchar' if each.kind in {"date", "timestamp", "decimal"} else f'"{each.name}"'
        for each in table.columns
    )
    places = ", ".join("?" for _ in table.columns)
    with duckdb.connect() as connection, sqlite3.connect(path) as book:
        book.execute(f"drop table if exists {table.name}")
        book.execute(native(table, "sqlite", table.name))
        rows = connection.execute(f"select {values} from ({table.select()})")
        while some := rows.fetchmany(50_000):
            book.executemany(f"insert into {table.name} values ({places})", some)
    book.close()
