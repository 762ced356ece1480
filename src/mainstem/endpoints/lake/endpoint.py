"""A lake as source and target: the steps run in a working database, and are committed as one snapshot.

What is read goes by way of the working database as well, a file that is gone when the lake is closed: all of
SQL, in constant memory, for the price of a copy.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, SourceTable, match_name
from mainstem.endpoints.duckdb import DuckDB
from mainstem.endpoints.duckdb.types import native_type as work_type
from mainstem.endpoints.lake.tables import LakeTables
from mainstem.endpoints.lake.types import native_type, stored_schema
from mainstem.endpoints.locks import held
from mainstem.endpoints.steps import Deduplicate, Insert, RunSql, Step, Swap
from mainstem.endpoints.target import TABLE_OPTIONS, Capabilities, NativeType, Staging
from mainstem.endpoints.workfolder import work_folder
from mainstem.errors import EndpointError, RelationNotFoundError, TargetBusyError
from mainstem.faults import Point, reached
from mainstem.schema import Relation
from mainstem.types import cast_values

__all__ = ["Lake"]

# What a table of files has no place for: keys, a definition in SQL, and statements of the user's.
_NOT_HERE = frozenset({"table_keys", "table_ddl", "table_tmp", "pre_sql", "post_sql"})


class Lake(DuckDB):
    """Tables of files and snapshots."""

    name_parts = 2
    capabilities = Capabilities(
        merge_strategy="delete_insert",
        moves_between_schemas=False,
        keeps_state=False,
        table_keys=frozenset(),
        runs_sql=False,
        options=TABLE_OPTIONS - _NOT_HERE,
    )

    def __init__(self, connection: Connection) -> None:
        self._holding = ExitStack()
        instance = str(self._holding.enter_context(work_folder()) / "work.duckdb")
        super().__init__(replace(connection, properties={**connection.properties, "instance": instance}))
        # By table: the snapshot that the working database has of it, and whether its rows are there too.
        self._copies: dict[Relation, tuple[str, bool]] = {}
        self._tables: LakeTables | None = None
        self._given = connection

    @abstractmethod
    def open_tables(self, connection: Connection) -> LakeTables:
        """Open the lake.

        Raises:
            ConnectError: It cannot be reached.
        """

    @property
    def tables(self) -> LakeTables:
        """The lake, opened at its first use."""
        if self._tables is None:
            self._tables = self.open_tables(self._given)
        return self._tables

    @override
    def connect(self) -> None:
        self.tables  # noqa: B018 - opened by being asked for
        self._writing  # noqa: B018 - likewise

    @override
    def connect_to_write(self) -> None:
        self.connect()

    @override
    def close(self) -> None:
        super().close()
        if self._tables is not None:
            self._tables.close()
        self._tables = None
        self._copies.clear()
        self._holding.close()

    # What is there.

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        names = self.tables.names()
        return [
            CatalogEntry(name)
            for name in names
            if schema is None or (name.schema or "").lower() == schema.lower()
        ]

    @override
    def find(self, target: Relation) -> CatalogEntry | None:
        found = self._in_lake(target)
        return CatalogEntry(found) if found else super().find(target)

    def _in_lake(self, target: Relation) -> Relation | None:
        schema = target.schema or self.default_schema
        names = {name.name: name for name in self.tables.names() if name.schema == schema}
        if not names:
            return None
        try:
            return names[match_name(target.name, names, what="table", where=self.connection.name)]
        except RelationNotFoundError:
            return None

    @override
    def describe(self, relation: Relation) -> SourceTable:
        found = self._in_lake(relation)
        if found is None and super().find(relation) is not None:
            return super().describe(relation)
        if found is None:
            known = {name.name for name in self.tables.names()}
            match_name(relation.name, known, what="table", where=self.connection.name)
            raise RelationNotFoundError(f"There is no table {relation} in {self.connection.name}.")
        self._copy(found, rows=False)
        return super().describe(found)

    @override
    def describe_query(self, sql: str) -> SourceTable:
        self._copy_named(sql, rows=False)
        return super().describe_query(sql)

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        self._copy_named(sql, rows=True)
        return super().execute(sql, limit)

    # Rows.

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        if query.sql is not None:
            self._copy_named(query.sql, rows=True)
        elif query.relation is not None:
            self._copy(query.relation, rows=True)
        with super().read(query) as batches:
            yield batches

    @override
    def count(self, target: Relation) -> int:
        self._copy(target, rows=True)
        return super().count(target)

    @override
    def statistics(self, relation: Relation) -> Mapping[str, int | str]:
        found = self._in_lake(relation)
        return {"changes": str(self.tables.version(found))} if found else {}

    def _copy_named(self, sql: str, *, rows: bool) -> None:
        """Have the tables that a query names."""
        self._writing  # noqa: B018 - a query may name none
        try:
            parsed = sqlglot.parse(sql, dialect=self.dialect)
        except SqlglotError:
            return
        for statement in parsed:
            for named in statement.find_all(exp.Table) if statement else ():
                found = self._in_lake(Relation(named.db or None, named.name))
                if found is not None:
                    self._copy(found, rows=rows)

    def _copy(self, relation: Relation, *, rows: bool) -> None:
        """Have a table of the lake in the working database, as it is now; what is no table is left alone."""
        table = self._in_lake(relation)
        if table is None:
            return
        version = self.tables.version(table) or ""
        known, has_rows = self._copies.get(table, ("", False))
        if known == version and (has_rows or not rows):
            return
        self._forget(table)
        schema = self.tables.schema(table)
        columns = ", ".join(f"{self.quoted(field.name)} {work_type(field).sql}" for field in schema)
        self.run(f"CREATE SCHEMA IF NOT EXISTS {self.quoted(table.schema or self.default_schema)}")
        self.run(f"CREATE TABLE {self.qualified(table)} ({columns})")
        if rows:
            with self.loader(table, schema) as loader:
                for batch in self.tables.open(table):
                    loader.write(batch.cast(schema))
                loader.close()
        self._copies[table] = (version, rows)

    def _forget(self, table: Relation) -> None:
        self._copies.pop(table, None)
        self._writing.execute(f"DROP TABLE IF EXISTS {self.qualified(table)}")

    # The target.

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        return native_type(field)

    @override
    @contextmanager
    def locked(self, target: Relation) -> Iterator[None]:
        # Another process is found out about when the snapshot is committed.
        where = tuple(sorted((key, str(value)) for key, value in self._given.properties.items()))
        name = f"{target.schema or self.default_schema}.{target.name}".lower()
        with held((self.connection.type, where, name), str(target)):
            yield

    @override
    def run_script(self, sql: str) -> None:
        raise EndpointError(
            f"{self.connection.name} is a lake, which runs no SQL of its own.",
            hint="Run it in the source's query, or in a model behind the load.",
        )

    @override
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        if any(isinstance(step, RunSql) for step in steps):
            raise EndpointError(
                f"{self.connection.name} is a lake, which keeps no state of runs.",
                hint="Let SLING_STATE name a database or a folder.",
            )
        target = self._in_lake(target) or replace(target, schema=target.schema or self.default_schema)
        before = self.tables.version(target)
        if before is not None and all(_only_adds(step) for step in steps):
            with self._stored(staging.place, self.tables.schema(target)) as rows:
                self._check_unchanged(target, before)
                reached(Point.MID_PUBLISH)
                self.tables.append(target, rows)
            return
        try:
            if all(isinstance(step, Swap | Deduplicate) for step in steps):
                self._forget(target)
            else:
                self._copy(target, rows=True)
            super().publish(staging, target, steps)
            with self._stored(target, None) as rows:
                self._check_unchanged(target, before)
                reached(Point.MID_PUBLISH)
                self.tables.replace(target, rows)
        finally:
            self._forget(target)

    def _check_unchanged(self, target: Relation, before: str | None) -> None:
        if self.tables.version(target) != before:
            raise TargetBusyError(
                f"{target} in {self.connection.name} was changed by another program meanwhile.",
                hint="Run the stream again.",
            )

    @contextmanager
    def _stored(self, table: Relation, wanted: pa.Schema | None) -> Iterator[pa.RecordBatchReader]:
        """A table of the working database as files have it, with the columns that are wanted."""
        described = super().describe(table).columns
        chosen = [column for column in described if wanted is None or column.name in wanted.names]
        schema = wanted or pa.schema([(column.name, column.arrow_type) for column in chosen])
        schema = stored_schema(schema)
        with super().read(Query(columns=chosen, relation=table)) as batches:
            yield pa.RecordBatchReader.from_batches(
                schema, (_stored_batch(batch, schema) for batch in batches)
            )


def _stored_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        at = batch.schema.get_field_index(field.name)
        values: Any = pa.nulls(batch.num_rows, field.type) if at < 0 else batch.column(at)
        arrays.append(cast_values(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _only_adds(step: Step) -> bool:
    return isinstance(step, Insert) and step.unless is None
