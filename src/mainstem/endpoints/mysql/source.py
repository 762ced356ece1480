"""MySQL and MariaDB, read as Arrow record batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property

import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable
from mainstem.endpoints.cancelling import CANCEL_SECONDS, Insistence
from mainstem.endpoints.comparable import Form, Written
from mainstem.endpoints.mysql import comparable
from mainstem.endpoints.mysql.carriage import carriage_of, carried
from mainstem.endpoints.mysql.catalog import columns_of, entries, statistics, table, wire_type
from mainstem.endpoints.mysql.literals import literal, text_literal
from mainstem.endpoints.mysql.rows import RowPackets
from mainstem.endpoints.mysql.server import Server
from mainstem.endpoints.mysql.session import Session, WireField
from mainstem.endpoints.mysql.types import arrow_type
from mainstem.endpoints.selecting import clauses
from mainstem.errors import ConnectError, EndpointError
from mainstem.schema import Column, Relation

__all__ = ["MySQLSource"]

# What stands for "all that follow" in a LIMIT that has an OFFSET.
_NO_LIMIT = 18_446_744_073_709_551_615


class MySQLSource(Source):
    """The source half of :class:`MySQL`."""

    dialect = "mysql"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._closing = threading.Lock()
        self._closed = False
        self._sessions: set[Session] = set()
        self._insistence = Insistence()
        self._session = self._opened()

    @cached_property
    def server(self) -> Server:
        """What the server can do."""
        return self._session.server

    @property
    @override
    def default_schema(self) -> str:
        return self.connection.text("schema") or self.connection.required("database")

    @override
    def quoted(self, identifier: str) -> str:
        doubled = identifier.replace("`", "``")
        return f"`{doubled}`"

    @override
    def close(self) -> None:
        with self._closing:
            self._closed = True
            while self._sessions:
                self._sessions.pop().close()

    @override
    def cancel(self) -> None:
        with self._closing:
            busy = list(self._sessions)
        if not busy:
            return
        if self._insistence.is_vain() or not self._killed(busy):
            for session in busy:
                session.cut()

    def _killed(self, busy: Sequence[Session]) -> bool:
        """Whether the server could be told to break off what it does for some sessions."""
        try:
            killer = Session(self.connection, patience=CANCEL_SECONDS)
        except EndpointError:
            # It has no room for another connection, or it is what does not answer.
            return False
        try:
            for session in busy:
                self._kill(session, killer)
        except ConnectError:
            return False
        finally:
            killer.close()
        return True

    def _kill(self, session: Session, killer: Session) -> None:
        try:
            killer.run(f"KILL QUERY {session.id}")
        except ConnectError:
            raise
        except EndpointError:
            # It has just ended.
            return

    def _opened(self, patience: float | None = None) -> Session:
        session = Session(self.connection, patience=patience)
        with self._closing:
            if self._closed:
                session.close()
                raise EndpointError(f"{self.connection.name} is closed.")
            self._sessions.add(session)
        return session

    @contextmanager
    def _another_session(self) -> Iterator[Session]:
        """A connection for one query, so that one that is not read to its end is in nobody's way."""
        session = self._opened()
        try:
            yield session
        except BaseException:
            self._break_off(session)
            raise
        finally:
            with self._closing:
                self._sessions.discard(session)
            session.close()

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        return entries(self._session, schema)

    @override
    def describe(self, relation: Relation) -> SourceTable:
        wanted = Relation(relation.schema or self.default_schema, relation.name)
        return table(self._session, wanted, self.connection.name)

    @override
    def describe_query(self, sql: str) -> SourceTable:
        fields = self._session.prepared(f"select * from (\n{sql}\n) as described")
        return SourceTable(None, columns_of(fields))

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with self._another_session() as session:
            fields, packets = session.query(sql)
            columns = [_as_it_comes(field) for field in fields]
            found, rows = [], 0
            for batch in _batches(packets, columns):
                found.append(batch)
                rows += batch.num_rows
                if limit is not None and rows >= limit:
                    self._break_off(session)
                    break
            return pa.Table.from_batches(found, _schema(columns)).slice(0, limit)

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        with self._another_session() as session:
            _, packets = session.query(self._select(query))
            batches = _batches(packets, query.columns)
            yield batches
            if next(batches, None) is not None:
                self._break_off(session)

    def _break_off(self, session: Session) -> None:
        """The server goes on with a query until it finds that nobody listens: tell it."""
        session.hang_up()
        with suppress(EndpointError):
            self._session.run(f"KILL QUERY {session.id}")

    @override
    def ordered(self, column: Column) -> str:
        name = self.quoted(column.name)
        if pa.types.is_string(column.arrow_type):
            return f"cast(convert({name} using utf8mb4) as binary)"
        return name

    @override
    def literal(self, text: str, column: Column) -> str:
        return literal(text, column, self.connection.name)

    @override
    def written(self, value: str, column: Column, form: Form) -> Written | None:
        as_text = self.server.json_is_checked_text
        return comparable.written(value, column, form, json_is_text=as_text)

    @override
    def checksum(self, texts: Sequence[str]) -> str | None:
        return comparable.checksum(texts)

    @override
    def statistics(self, relation: Relation) -> Mapping[str, int | str]:
        return statistics(self._session, relation.schema or self.default_schema, relation.name)

    def text_literal(self, text: str) -> str:
        """Render a text as a literal."""
        return text_literal(text)

    def _select(self, query: Query) -> str:
        items = [
            f"{carriage_of(column).select(self.quoted(column.name))} as {self.quoted(column.name)}"
            for column in query.columns
        ]
        behind = clauses(query, self.ordered, _NO_LIMIT)
        return f"select {', '.join(items)} from {self._from(query)}{behind}"

    def _from(self, query: Query) -> str:
        """The table or the user's query. A line break ends a comment of the user's."""
        if query.sql is not None:
            return f"(\n{query.sql}\n) as query"
        if query.relation is not None:
            return self.qualified(query.relation)
        raise EndpointError("A query names neither a table nor SQL.")


def _batches(packets: RowPackets | None, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    schema = _schema(columns)
    carriages = [carriage_of(column) for column in columns]
    for rows in packets or ():
        arrays = [
            carried(column, carriage, values)
            for column, carriage, values in zip(columns, carriages, rows.columns(len(columns)), strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema(
        [pa.field(column.name, pa.string() if column.as_text else column.arrow_type) for column in columns]
    )


def _as_it_comes(field: WireField) -> Column:
    """A column of a statement that nothing was selected around: some types come as bytes."""
    native = wire_type(field)
    if native.startswith(("bit", "geometry", "vector")):
        native = "longblob"
    return Column(field.name, native, arrow_type(native))
