"""DuckDB, in a file or in memory."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import (
    Capabilities,
    CatalogEntry,
    SourceTable,
    Staging,
    Target,
    TargetTable,
    first_rows,
    match_name,
)
from mainstem.errors import (
    ConnectError,
    EndpointError,
    LossyTypeError,
    RelationNotFoundError,
    TargetBusyError,
)
from mainstem.report import ReportedColumn
from mainstem.schema import Column, Relation

__all__ = ["DuckDB"]

# Arrow → DuckDB, for types without parameters. https://duckdb.org/docs/stable/sql/data_types/overview
_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.large_binary(): "BLOB",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
    pa.month_day_nano_interval(): "INTERVAL",
    pa.uuid(): "UUID",
    pa.json_(): "JSON",
}

# A staging table carries this comment, so that it is never mistaken for a user's table.
_STAGING_COMMENT = "mainstem staging table: rows that were never published; safe to drop"
_STAGING_SUFFIX = "__mainstem_staging"

_LOCK_SECONDS = 60.0
_LOCK_HOLDER = re.compile(r"PID (\d+)")


class DuckDB(Target):
    """A DuckDB database.

    Properties of its connection: ``instance`` (the file's path, ``:memory:`` for none), ``schema`` (default
    ``main``).

    A file that another process has open is waited for, up to a minute: DuckDB allows one writing process
    (https://duckdb.org/docs/stable/connect/concurrency).
    """

    dialect = "duckdb"
    capabilities = Capabilities(replaces_atomically=True)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._database = connection.required("instance")

    @cached_property
    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        # At the first use: opening a file that is not there creates it, and a plan must not.
        return _connect(self.connection.name, self._database)

    @override
    def connect(self) -> None:
        self._duckdb  # noqa: B018 - made by being asked for

    @property
    @override
    def default_schema(self) -> str:
        return self.connection.text("schema") or "main"

    @override
    def close(self) -> None:
        if "_duckdb" in self.__dict__:
            self._duckdb.close()

    @override
    def cancel(self) -> None:
        # It may be closed already.
        with suppress(duckdb.Error):
            if "_duckdb" in self.__dict__:
                self._duckdb.interrupt()

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        with _errors():
            rows = self._duckdb.execute(
                "SELECT table_schema, table_name, table_type = 'VIEW' FROM information_schema.tables"
                " WHERE table_catalog = current_database()"
                " AND ($1 IS NULL OR lower(table_schema) = lower($1))"
                " ORDER BY table_schema, table_name",
                [schema],
            ).fetchall()
        return [CatalogEntry(Relation(owner, name), is_view) for owner, name, is_view in rows]

    @override
    def describe(self, relation: Relation) -> SourceTable:
        schema = relation.schema or self.default_schema
        known = {entry.relation.name for entry in self.catalog(schema)}
        where = f"schema {schema} of {self.connection.name}"
        found = Relation(schema, match_name(relation.name, known, what="table", where=where))
        table = self.inspect(found)
        with _errors():
            types = self._duckdb.execute(f"SELECT * FROM {_name(found)} LIMIT 0").to_arrow_table().schema
        columns = [
            Column(column.name, column.type, types.field(index).type, column.nullable, column.description)
            for index, column in enumerate(table.columns if table else [])
        ]
        return SourceTable(found, columns, table.row_count if table else None)

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with _errors():
            result = self._duckdb.execute(sql)
            if not result.description:
                return pa.table({})
            reader = result.to_arrow_reader(limit or 65536)
            return first_rows(reader, limit)

    @override
    @contextmanager
    def stage(self, target: Relation, schema: pa.Schema) -> Iterator[Staging]:
        place = Relation(target.schema, f"{target.name}{_STAGING_SUFFIX}")
        create = self.create_statement(place, schema)
        schema_name = _quoted(target.schema or self.default_schema)
        comment = exp.Literal.string(_STAGING_COMMENT).sql("duckdb")
        with _errors():
            self._refuse_views(target)
            self._sweep(place)
        staging = _DuckDBStaging(self._duckdb, place)
        try:
            with _errors():
                # One transaction holds all rows: DuckDB then writes them to the file, not to its log.
                self._duckdb.begin()
                self._duckdb.execute(f"CREATE SCHEMA IF NOT EXISTS {schema_name}")
                self._duckdb.execute(create)
                self._duckdb.execute(f"COMMENT ON TABLE {_name(place)} IS {comment}")
            yield staging
        finally:
            self._discard(staging)

    @override
    def replace(self, staging: Staging, target: Relation) -> None:
        if not isinstance(staging, _DuckDBStaging):
            raise TypeError(f"Not a staging table of this endpoint: {staging!r}")
        with _errors():
            self._duckdb.begin()
            try:
                self._duckdb.execute(f"DROP TABLE IF EXISTS {_name(target)}")
                self._duckdb.execute(f"ALTER TABLE {_name(staging.place)} RENAME TO {_quoted(target.name)}")
                self._duckdb.execute(f"COMMENT ON TABLE {_name(target)} IS NULL")
                self._duckdb.commit()
            except duckdb.Error:
                self._duckdb.rollback()
                raise
        staging.published = True

    @override
    def create_statement(self, target: Relation, schema: pa.Schema) -> str:
        columns = ", ".join(f"{_quoted(field.name)} {_native(field)}" for field in schema)
        return f"CREATE TABLE {_name(target)} ({columns})"

    @override
    def inspect(self, target: Relation) -> TargetTable | None:
        with _errors():
            rows = self._duckdb.execute(
                "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns()"
                " WHERE database_name = current_database()"
                " AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) ORDER BY column_index",
                [target.schema, target.name],
            ).fetchall()
            if not rows:
                return None
            count = self._duckdb.execute(f"SELECT count(*) FROM {_name(target)}").fetchall()[0][0]
        columns = [
            ReportedColumn(name=name, type=kind, nullable=nullable, description=comment)
            for name, kind, nullable, comment in rows
        ]
        return TargetTable(columns, count)

    def _refuse_views(self, target: Relation) -> None:
        view = self._duckdb.execute(
            "SELECT 1 FROM duckdb_views() WHERE database_name = current_database()"
            " AND lower(schema_name) = lower(?) AND lower(view_name) = lower(?)",
            [target.schema, target.name],
        ).fetchone()
        if view:
            raise RelationNotFoundError(
                f"{target} in {self.connection.name} is a view, so it cannot be written.",
                hint="Give the stream another object, or drop the view.",
            )

    def _sweep(self, place: Relation) -> None:
        """Drop what a killed run left behind, and only that."""
        found = self._duckdb.execute(
            "SELECT comment FROM duckdb_tables() WHERE database_name = current_database()"
            " AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
            [place.schema, place.name],
        ).fetchone()
        if found is None:
            return
        if found[0] != _STAGING_COMMENT:
            raise EndpointError(
                f"{place} is where rows would be staged, but a table that is not ours has this name.",
                hint="Rename that table, or give the stream another object.",
            )
        self._duckdb.execute(f"DROP TABLE {_name(place)}")

    def _discard(self, staging: _DuckDBStaging) -> None:
        if staging.published:
            return
        try:
            if staging.completed:
                self._duckdb.execute(f"DROP TABLE IF EXISTS {_name(staging.place)}")
            else:
                self._duckdb.rollback()
        except duckdb.Error:
            # The database may be gone, which is why we are here; the next run sweeps.
            return


class _DuckDBStaging(Staging):
    """A table beside the target, filled in one transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, place: Relation) -> None:
        self._duckdb = connection
        self.place = place
        self.completed = False
        self.published = False

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        with _errors():
            # Found by DuckDB under its name here, which no table has. A registered one would be kept
            # until the transaction ends.
            __mainstem_batch__ = pa.Table.from_batches([batch])  # noqa: F841
            self._duckdb.execute(f"INSERT INTO {_name(self.place)} SELECT * FROM __mainstem_batch__")

    @override
    def complete(self) -> int:
        with _errors():
            self._duckdb.commit()
            self.completed = True
            row = self._duckdb.execute(f"SELECT count(*) FROM {_name(self.place)}").fetchone()
        return int(row[0]) if row else 0


def _connect(name: str, database: str) -> duckdb.DuckDBPyConnection:
    """Open the file, waiting while another process holds it."""
    if database != ":memory:" and not Path(database).expanduser().absolute().parent.is_dir():
        raise ConnectError(
            f"{name}: the folder of the DuckDB file {database} does not exist.",
            hint="Create it, or mend the path.",
        )
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return duckdb.connect(database)
        except duckdb.IOException as error:
            holder = _LOCK_HOLDER.search(str(error))
            if holder is None or "lock" not in str(error):
                raise ConnectError(f"{name}: DuckDB cannot open {database}: {_first_line(error)}") from error
            if time.monotonic() > deadline:
                raise TargetBusyError(
                    f"{name}: the DuckDB file {database} is held by process {holder.group(1)}"
                    f" and was not released within {_LOCK_SECONDS:.0f} s.",
                    hint="Close it there: DuckDB allows one writing process.",
                ) from error
            time.sleep(0.1)
        except duckdb.Error as error:
            raise ConnectError(f"{name}: DuckDB cannot open {database}: {_first_line(error)}") from error


@contextmanager
def _errors() -> Iterator[None]:
    """Map DuckDB's errors to ours."""
    try:
        yield
    except duckdb.TransactionException as error:
        if "conflict" not in str(error).lower():
            raise _refusal(error) from error
        raise TargetBusyError(f"DuckDB: another writer was in the way: {_first_line(error)}") from error
    except duckdb.ConversionException as error:
        raise LossyTypeError(f"DuckDB cannot hold a value: {_first_line(error)}") from error
    except duckdb.Error as error:
        raise _refusal(error) from error
    except RuntimeError as error:
        # DuckDB hides a Ctrl-C, or Dagster's own interrupt, behind one of these.
        if error.__cause__ is not None and not isinstance(error.__cause__, Exception):
            raise error.__cause__ from None
        raise


def _refusal(error: duckdb.Error) -> EndpointError:
    hint = "The disk is full: make room and run again." if "No space left" in str(error) else None
    return EndpointError(f"DuckDB: {_first_line(error)}", hint=hint)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _native(field: pa.Field[pa.DataType]) -> str:
    try:
        return _native_type(field.type)
    except KeyError as error:
        raise LossyTypeError(
            f"Column {field.name}: DuckDB has no type for Arrow's {error.args[0]}.",
            hint="Leave the column out.",
        ) from error


def _native_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{_native_type(kind.value_type)}[]"
    return _TYPES[kind]


def _quoted(identifier: str) -> str:
    return exp.to_identifier(identifier, quoted=True).sql("duckdb")


def _name(relation: Relation) -> str:
    return exp.table_(relation.name, db=relation.schema, quoted=True).sql("duckdb")
