"""PostgreSQL as a source: Arrow record batches through ADBC."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import adbc_driver_manager
import psycopg
import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import (
    CHUNK_OPTIONS,
    TABLE_SOURCE_OPTIONS,
    CatalogEntry,
    Query,
    Source,
    SourceTable,
    first_rows,
)
from mainstem.endpoints.cancelling import Insistence
from mainstem.endpoints.comparable import Form, Written
from mainstem.endpoints.postgres import catalog, comparable
from mainstem.endpoints.postgres.carriage import Carriage, carriage_as_text, carriage_of, decoded
from mainstem.endpoints.postgres.connecting import (
    Session,
    break_off,
    driver_errors,
    open_reader,
    open_session,
    server_errors,
)
from mainstem.endpoints.postgres.holders import holders_named
from mainstem.endpoints.postgres.looking import ONE_MOMENT, SETTINGS, Look
from mainstem.endpoints.postgres.names import quoted, text_literal
from mainstem.endpoints.postgres.piping import copied, items_of, natives_of, raw_form
from mainstem.endpoints.postgres.reading import ArrowRows, ArrowSession
from mainstem.endpoints.postgres.types import OPAQUE, TYPES, base_name, cast_name
from mainstem.endpoints.raw import RawForm, RawRows
from mainstem.endpoints.selecting import clauses
from mainstem.errors import EndpointError, LossyTypeError
from mainstem.schema import Column, Relation

__all__ = ["PostgresSource"]

_SORTED_AS_TEXT = frozenset({"text", "character varying", "character", "bpchar", "name"})

_SIGNED_YEAR = re.compile(r"([+-]\d{4,}|0000)(-\d\d-\d\d.*)")

# How a query fails that meets an array which no list can carry: with the column's index.
_NESTED, _FIRST_INDEX = "mainstem:nested", "mainstem:first"
_REFUSED_ARRAY = re.compile(rf"({_NESTED}|{_FIRST_INDEX}):(\d+)")


class PostgresSource(Source):
    """What PostgreSQL is as a source, and what it needs for being looked at."""

    dialect = "postgres"
    tells_sizes = True
    source_options = TABLE_SOURCE_OPTIONS | CHUNK_OPTIONS

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._closing = threading.Lock()
        self._closed = False
        self._insistence = Insistence()
        self._arrow: ArrowSession | None = None
        self._pipe: Session | None = None
        self._readers: set[ArrowSession] = set()
        self._session = open_session(connection)

    @property
    @override
    def default_schema(self) -> str:
        return self.connection.text("schema") or "public"

    @override
    def close(self) -> None:
        # The drivers must not let go of a connection that is being cancelled.
        with self._closing:
            self._closed = True
            for session in (self._session, self._pipe, self._arrow):
                if session is not None:
                    session.close()

    @override
    def cancel(self) -> None:
        with self._closing:
            if self._closed:
                return
            break_off(self._sessions(), self._insistence)
            for reader in (self._arrow, *self._readers):
                if reader is not None:
                    reader.cancel()

    def _sessions(self) -> Sequence[Session]:
        """What may wait for the server, besides those whose rows are Arrow."""
        return [self._session] if self._pipe is None else [self._session, self._pipe]

    @override
    def quoted(self, identifier: str) -> str:
        return quoted(identifier)

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        with server_errors(self.connection.name):
            return catalog.list_relations(self._session, schema)

    @override
    def describe(self, relation: Relation) -> SourceTable:
        schema = relation.schema or self.default_schema
        with server_errors(self.connection.name):
            return catalog.describe_table(self._session, relation, schema, self.connection.name)

    @override
    def describe_query(self, sql: str) -> SourceTable:
        with server_errors(self.connection.name):
            return catalog.describe_query(self._session, sql)

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with driver_errors(self.connection.name), self._reader().query(sql) as rows:
            return first_rows(rows, rows.schema, limit)

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        carriages = _carriages(query)
        sql = self._select(query, carriages)
        table = self.qualified(query.relation) if query.relation else None
        with self._looking() as look, ExitStack() as opened:
            with (
                holders_named(self._session, table),
                driver_errors(self.connection.name),
                _refused_values(query),
            ):
                rows = opened.enter_context(look.session.query(sql))
            yield self._batches(rows, look, query, carriages)

    def _batches(
        self, rows: ArrowRows, look: Look, query: Query, carriages: Sequence[Carriage]
    ) -> Iterator[pa.RecordBatch]:
        yield from self._decoded(rows, query, carriages)
        # The table is let go with its last row: what follows may want to replace that very table.
        rows.close()
        look.close()

    def _decoded(
        self, rows: Iterator[pa.RecordBatch], query: Query, carriages: Sequence[Carriage]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(column.name, column.arrow_type) for column in query.columns])
        with driver_errors(self.connection.name), _refused_values(query):
            for batch in rows:
                arrays = [
                    decoded(column, carriage, values)
                    for column, carriage, values in zip(query.columns, carriages, batch.columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    @override
    @contextmanager
    def read_together(
        self, parts: Sequence[Query], readers: int
    ) -> Iterator[Sequence[Iterator[pa.RecordBatch]]]:
        waiting: SimpleQueue[Query] = SimpleQueue()
        for part in parts:
            waiting.put(part)
        with ExitStack() as opened:
            with driver_errors(self.connection.name):
                looks = [opened.enter_context(self._looking(ONE_MOMENT))]
                moment = looks[0].exported()
                for _ in range(min(readers, len(parts)) - 1):
                    session = opened.enter_context(self._another_reader())
                    looks.append(opened.enter_context(closing(Look(session, ONE_MOMENT, moment))))
            # What is broken off is closed before its connection.
            yield [opened.enter_context(closing(self._in_turn(look, waiting))) for look in looks]

    def _in_turn(self, look: Look, waiting: SimpleQueue[Query]) -> Generator[pa.RecordBatch, None, None]:
        while not waiting.empty():
            try:
                query = waiting.get_nowait()
            except Empty:
                break
            carriages = _carriages(query)
            with ExitStack() as opened:
                with driver_errors(self.connection.name), _refused_values(query):
                    reader = opened.enter_context(look.session.query(self._select(query, carriages)))
                yield from self._decoded(reader, query, carriages)
        look.close()

    @contextmanager
    def _another_reader(self) -> Iterator[ArrowSession]:
        session = open_reader(self.connection)
        with self._closing:
            self._readers.add(session)
        try:
            yield session
        finally:
            with self._closing:
                self._readers.discard(session)
                session.close()

    @override
    def read_raw(self, query: Query, form: RawForm) -> AbstractContextManager[Iterator[RawRows]] | None:
        natives = natives_of(form)
        if natives is None or raw_form(natives, self._session.info.server_version) != form:
            return None
        items = items_of(query.columns, natives)
        if items is None:
            return None
        table = self.qualified(query.relation) if query.relation else None
        return self._piped(f"copy ({self._selected(query, items)}) to stdout (format binary)", table)

    @contextmanager
    def _piped(self, sql: str, table: str | None) -> Iterator[Iterator[RawRows]]:
        with server_errors(self.connection.name), self._closing:
            if self._pipe is None or self._pipe.closed:
                self._pipe = open_session(self.connection)
            session = self._pipe
        try:
            yield self._pieces(session, sql, table)
        finally:
            # Rows that nobody wants any more go with it.
            with self._closing:
                if session.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    session.close()

    def _pieces(self, session: Session, sql: str, table: str | None) -> Iterator[RawRows]:
        with holders_named(self._session, table), server_errors(self.connection.name):
            session.execute("begin")
            session.execute(SETTINGS)
            yield from copied(session, sql)
            # The table is let go with its last row: what follows may want to replace that very table.
            session.execute("rollback")

    @override
    def ordered(self, column: Column) -> str:
        name = self.quoted(column.name)
        if not pa.types.is_string(column.arrow_type) or column.as_text:
            return name
        as_text = name if base_name(column.native_type) in _SORTED_AS_TEXT else f"{name}::text"
        return f'{as_text} collate "C"'

    @override
    def literal(self, text: str, column: Column) -> str:
        literal = text_literal(_server_date(text) if _has_year(column.arrow_type) else text)
        base = base_name(column.native_type)
        known = base in OPAQUE or base in TYPES
        if not known or pa.types.is_string(column.arrow_type) or column.native_type.endswith("[]"):
            # The server takes it for the type that it is compared to.
            return literal
        return f"cast({literal} as {cast_name(column.native_type)})"

    @override
    def written(self, value: str, column: Column, form: Form) -> Written | None:
        return comparable.written(value, column, form)

    @override
    def checksum(self, texts: Sequence[str]) -> str | None:
        return comparable.checksum(texts)

    @override
    def sizes(self) -> Mapping[Relation, int]:
        with server_errors(self.connection.name):
            return catalog.sizes(self._session)

    @override
    def statistics(self, relation: Relation) -> Mapping[str, int | str]:
        with server_errors(self.connection.name):
            return catalog.statistics(self._session, relation.schema or self.default_schema, relation.name)

    def text_literal(self, text: str) -> str:
        """Render a text as a literal."""
        return text_literal(text)

    def _select(self, query: Query, carriages: Sequence[Carriage]) -> str:
        items = [
            f"{self._item(index, column, carriage)} as {self.quoted(column.name)}"
            for index, (column, carriage) in enumerate(zip(query.columns, carriages, strict=True))
        ]
        return self._selected(query, items)

    def _selected(self, query: Query, items: Sequence[str]) -> str:
        source, alias = self._from(query)
        # Qualified, a name is the table's column; bare, it would be what is selected under that name.
        behind = clauses(query, lambda column: f"{alias}.{self.ordered(column)}")
        return f"select {', '.join(items)} from {source}{behind}"

    def _item(self, index: int, column: Column, carriage: Carriage) -> str:
        name = self.quoted(column.name)
        selected = carriage.select(name)
        if not carriage.is_list:
            return selected
        # The driver would flatten an array of arrays without a word, and no catalogue tells them apart: so
        # the query itself fails, by a cast of a text that is no array. It depends on the row, lest it be
        # tried before there is one.
        kind = "text[]" if selected.endswith("::text[]") else column.native_type
        nested, first = (
            f"('{why}:{index}' || left({name}::text, 0))::{kind}" for why in (_NESTED, _FIRST_INDEX)
        )
        return (
            f"case when array_ndims({name}) > 1 then {nested}"
            f" when array_lower({name}, 1) <> 1 then {first} else {selected} end"
        )

    def _from(self, query: Query) -> tuple[str, str]:
        """The table or the user's query, and the name by which it is known inside."""
        if query.sql is not None:
            # A line break ends a comment of the user's.
            return f"(\n{query.sql}\n) as query", "query"
        if query.relation is not None:
            return self.qualified(query.relation), self.quoted(query.relation.name)
        raise EndpointError("A query names neither a table nor SQL.")

    def _reader(self) -> ArrowSession:
        with self._closing:
            if self._arrow is None:
                self._arrow = open_reader(self.connection)
            return self._arrow

    @contextmanager
    def _looking(self, begin: str = "begin") -> Iterator[Look]:
        with driver_errors(self.connection.name):
            look = Look(self._reader(), begin)
        with closing(look):
            yield look


def _carriages(query: Query) -> Sequence[Carriage]:
    return [
        (carriage_as_text if column.as_text else carriage_of)(column.native_type) for column in query.columns
    ]


def _has_year(kind: pa.DataType) -> bool:
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def _server_date(text: str) -> str:
    """A date as the server reads it: Arrow's years have a sign beyond 9999, and a year 0, which is 1 BC."""
    found = _SIGNED_YEAR.fullmatch(text)
    if found is None:
        return text
    year = int(found.group(1))
    return f"{year:04}{found.group(2)}" if year > 0 else f"{1 - year:04}{found.group(2)} BC"


@contextmanager
def _refused_values(query: Query) -> Iterator[None]:
    """Name the column of a value that the server or the driver could not convert."""
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        message = str(error)
        array = _REFUSED_ARRAY.search(message)
        if array:
            raise _refused_array(array.group(1), query.columns[int(array.group(2))], query) from error
        if "cannot convert NaN" in message or "cannot convert infinity" in message:
            raise LossyTypeError(
                "A numeric column holds NaN, which no decimal can carry:"
                f" {_suspects(query, pa.types.is_decimal)}.",
                hint="Replace NaN by NULL in a view over the table, or declare the column as text.",
            ) from error
        if "invalid byte sequence for encoding" in message:
            # In a database without an encoding (SQL_ASCII) a text may be any bytes.
            raise LossyTypeError(
                f"A text column holds bytes that are no UTF-8: {_suspects(query, pa.types.is_string)}.",
                hint="Read it through a view as convert_to(…, 'SQL_ASCII'), which gives its bytes.",
            ) from error
        if "overflow when converting to nanoseconds" in message:
            raise LossyTypeError(
                "An interval column holds infinity, or more than 2562047 hours, which Arrow's nanoseconds"
                f" cannot carry: {_suspects(query, pa.types.is_interval)}.",
                hint="Declare the column as text under `columns`.",
            ) from error
        raise


def _suspects(query: Query, is_kind: Any) -> str:
    """The columns that it can have been: the server does not say which it was."""
    found = []
    for column in query.columns:
        kind = column.arrow_type
        if is_kind(kind.value_type if pa.types.is_list(kind) else kind):
            found.append(column.name)
    return " or ".join(found)


def _refused_array(why: str, column: Column, query: Query) -> LossyTypeError:
    shape = "of more than one dimension" if why == _NESTED else "that are not counted from 1"
    return LossyTypeError(
        f"Column {column.name} of {query.relation or 'the query'} holds arrays {shape}, which no list type"
        " can carry as they are.",
        hint="Declare the column as text under `columns`, or read it through a view as to_jsonb(…).",
    )
