"""PostgreSQL as a target: COPY into a staging table, and one transaction that publishes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query
from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.endpoints.postgres.catalog import find_relation
from mainstem.endpoints.postgres.connecting import Session, open_session, server_errors
from mainstem.endpoints.postgres.holders import holders_named
from mainstem.endpoints.postgres.loader import CopyLoader
from mainstem.endpoints.postgres.source import PostgresSource
from mainstem.endpoints.postgres.swapping import refuse_cascades, swap
from mainstem.endpoints.postgres.types import cast_name, native_type
from mainstem.endpoints.postgres.wire import wire_of
from mainstem.endpoints.sql import STAGING_COMMENT, Loader, SqlTarget, split_statements
from mainstem.endpoints.steps import Empty, Key, Step, Swap
from mainstem.endpoints.target import Capabilities, NativeType, Staging
from mainstem.errors import EndpointError, TargetBusyError
from mainstem.schema import Column, Relation

__all__ = ["Postgres"]

_IDENTIFIER_BYTES = 63

_HOLDERS = """
select a.pid, a.application_name from pg_locks l join pg_stat_activity a using (pid)
 where l.locktype = 'advisory' and l.granted and l.objsubid = 1
   and l.database = (select oid from pg_database where datname = current_database())
   and (l.classid::bigint << 32) | l.objid::bigint = {key}
"""


class Postgres(PostgresSource, SqlTarget):
    """A PostgreSQL database.

    Properties of its connection: ``host`` (default ``localhost``), ``port`` (5432), ``user``, ``password``,
    ``database``, ``schema`` (default ``public``), and libpq's ``sslmode``, ``sslrootcert``, ``sslcert``,
    ``sslkey``, ``application_name``, ``options``, ``connect_timeout`` (30 seconds), ``keepalives_idle`` (60),
    ``keepalives_interval`` (10) and ``keepalives_count`` (6).

    What it waits for, another run or whoever else holds a table, it waits for up to a minute.
    """

    capabilities = Capabilities(
        merge_strategy="update_insert", identifier_bytes=_IDENTIFIER_BYTES, case_sensitive=True
    )
    # Where a row is in its table: no row of a staging table moves before the rows are told apart.
    row_id = "ctid"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._idle: list[Session] = []
        self._loading: list[Session] = []
        self._about: str | None = None
        self._natives: Mapping[str, str] = {}

    @override
    def close(self) -> None:
        super().close()
        for session in (*self._idle, *self._loading):
            session.close()

    @override
    def _sessions(self) -> Sequence[Session]:
        return [*super()._sessions(), *self._loading]

    # Primitives.

    @override
    def run(self, sql: str) -> None:
        with server_errors(self.connection.name, about=self._about, writing=bool(self._about)):
            self._session.execute(sql.encode())

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with server_errors(self.connection.name, about=self._about):
            return self._session.execute(sql.encode()).fetchall()

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        with server_errors(self.connection.name, about=self._about), self._session.transaction():
            self._session.execute(f"set local lock_timeout to '{LOCK_SECONDS}s'".encode())
            yield

    @override
    @contextmanager
    def loader(self, place: Relation, schema: pa.Schema) -> Iterator[Loader]:
        natives = {field.name: native_type(field).sql for field in schema}
        wires = {field.name: wire_of(field.type, natives[field.name]) for field in schema}
        session = self._idle.pop() if self._idle else open_session(self.connection)
        self._loading.append(session)
        try:
            yield CopyLoader(self.connection.name, session, place, wires, natives)
        finally:
            self._loading.remove(session)
            if session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                self._idle.append(session)
            else:
                # With it go the rows that were given up.
                session.close()

    @override
    def is_staging(self, place: Relation) -> bool:
        table = self.text_literal(self.qualified(place))
        ((comment,),) = self.rows(f"select obj_description({table}::regclass, 'pg_class')")
        return bool(comment == STAGING_COMMENT)

    @override
    def schema_statements(self, schema: str) -> Sequence[str]:
        _refuse_long_name(schema)
        # Whoever may not create schemas is refused even where there is nothing to create.
        name = self.text_literal(schema)
        there = self.rows(f"select 1 from pg_namespace where nspname = {name}")
        return [] if there else super().schema_statements(schema)

    # What is PostgreSQL's own.

    @override
    def find(self, target: Relation) -> CatalogEntry | None:
        with server_errors(self.connection.name):
            return find_relation(self._session, target.schema or self.default_schema, target.name)

    @override
    @contextmanager
    def locked(self, target: Relation) -> Iterator[None]:
        name = f"mainstem {target.schema or self.default_schema}.{target.name}"
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        try:
            with self.transaction():
                # Held by the session, not by the transaction: it goes by itself when a run is killed.
                self.run(f"select pg_advisory_lock({key})")
        except TargetBusyError as error:
            raise self._busy(target, key) from error
        try:
            yield
        finally:
            with suppress(EndpointError):
                self.run(f"select pg_advisory_unlock({key})")

    def _busy(self, target: Relation, key: int) -> TargetBusyError:
        rows = self.rows(_HOLDERS.format(key=key))
        holders = ", ".join(f"{pid} ({application})" for pid, application in rows)
        return TargetBusyError(
            f"{target} in {self.connection.name} is being written by another run, which did not finish within"
            f" {LOCK_SECONDS:.0f} s. Server process: {holders or 'gone by now'}.",
            hint="Let it finish, then run again.",
        )

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        return native_type(field)

    @override
    def column_definition(self, field: pa.Field[Any]) -> str:
        _refuse_long_name(field.name)
        return super().column_definition(field)

    @override
    def create_statement(self, target: Relation, schema: pa.Schema) -> str:
        _refuse_long_name(target.name)
        return super().create_statement(target, schema)

    @override
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        _refuse_long_name(target.name)
        found = self.find(target)
        columns = self.describe(target).columns if found else []
        self._natives = {column.name: column.native_type for column in columns}
        self._about = str(target)
        try:
            with holders_named(self._session, self.qualified(target)):
                super().publish(staging, target, steps)
        finally:
            self._about, self._natives = None, {}

    @override
    def run_script(self, sql: str) -> None:
        # Each by itself, not in a transaction of ours, in which VACUUM and the like would be refused.
        for statement in split_statements(sql, self.dialect):
            self.run(statement)
        if self._session.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self.run("rollback")
            raise EndpointError(
                f"{self.connection.name}: the script began a transaction and did not commit it.",
                hint="Write `commit` at its end.",
            )

    @override
    def carry_out(self, step: Step, place: Relation, target: Relation) -> None:
        if isinstance(step, Swap):
            swap(self, step, place, target)
            return
        if isinstance(step, Empty):
            refuse_cascades(self, target)
        super().carry_out(step, place, target)

    @override
    def compared(self, column: str, kind: pa.DataType) -> str:
        return f'{column} collate "C"' if pa.types.is_string(kind) else column

    @override
    def same(self, key: Key, one: str, other: str) -> str:
        # Not by `compared`: another collation would keep the server from using the target's index.
        conditions = []
        for column in key.columns:
            staged, own = (f"{table}.{self.quoted(column.name)}" for table in (one, other))
            equal = f"{self.assigned(staged, column.type, self._natives.get(column.name))} = {own}"
            if column.name in key.with_nulls:
                equal = f"({equal} or ({staged} is null and {own} is null))"
            conditions.append(equal)
        return " and ".join(conditions)

    @override
    def assigned(self, column: str, kind: pa.DataType, native: str | None) -> str:
        staged = cast_name(native_type(pa.field(column, kind)).sql)
        wanted = cast_name(native) if native else staged
        return column if staged == wanted else f"{column}::{wanted}"

    @override
    def _maximum(self, table: Relation, column: Column) -> pa.Scalar[Any] | None:
        # Not max(), which not every ordered type has.
        name, order = self.quoted(column.name), self.ordered(column)
        known = f"select {name} from {self.qualified(table)} where {name} is not null"
        sql = f"{known} order by {order} desc limit 1"
        with self.read(Query(columns=[column], sql=sql)) as batches:
            return next((value for batch in batches for value in batch.column(0)), None)


def _refuse_long_name(name: str) -> None:
    size = len(name.encode())
    if size > _IDENTIFIER_BYTES:
        raise EndpointError(
            f"The name {name} has {size} bytes; PostgreSQL's have at most {_IDENTIFIER_BYTES}, and it would"
            " cut the rest off.",
            hint="Give it a shorter name: a column by `select: [long as short]`, a table by its `object`.",
        )
