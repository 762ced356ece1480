"""Snowflake, read as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable, first_rows, split_name
from mainstem.endpoints.selecting import clauses
from mainstem.endpoints.snowflake import catalog
from mainstem.endpoints.snowflake.carriage import Carriage, carriage_of
from mainstem.endpoints.snowflake.connecting import folded
from mainstem.endpoints.snowflake.failures import translated
from mainstem.endpoints.snowflake.literals import literal, text_literal
from mainstem.endpoints.snowflake.session import Session
from mainstem.errors import EndpointError
from mainstem.schema import Column, Relation

__all__ = ["SnowflakeSource"]

_DEFAULT_SCHEMA = "PUBLIC"
# What stands for "all that follow" in a LIMIT that has an OFFSET.
_NO_LIMIT = 10**18


class SnowflakeSource(Source):
    """The source half of :class:`Snowflake`."""

    dialect = "snowflake"
    name_parts = 3

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._session = Session(connection)
        with suppress(EndpointError):
            # For the user's own SQL. A schema that a run is to make is not there yet.
            self._session.run(f"USE SCHEMA {self._database(None)}.{self.quoted(self.default_schema)}")

    @property
    @override
    def default_schema(self) -> str:
        return split_name(folded(self.connection.text("schema") or _DEFAULT_SCHEMA))[0]

    def _database(self, name: str | None) -> str:
        """A database's name, quoted; the connection's own for ``None``."""
        return self.quoted(name or split_name(folded(self.connection.required("database")))[0])

    @override
    def relation(self, name: str) -> Relation:
        return super().relation(folded(name))

    @override
    def close(self) -> None:
        self._session.close()

    @override
    def cancel(self) -> None:
        self._session.cancel()

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        return catalog.entries(self._session, self._database(None), schema)

    @override
    def describe(self, relation: Relation) -> SourceTable:
        wanted = Relation(relation.schema or self.default_schema, relation.name, relation.database)
        return catalog.table(self._session, self._database(relation.database), wanted, self.connection.name)

    @override
    def describe_query(self, sql: str) -> SourceTable:
        return SourceTable(None, catalog.columns_of(self._session.schema(f"SELECT * FROM (\n{sql}\n)")))

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with self._session.reader(sql) as reader, translated(self.connection.name):
            return first_rows(reader, reader.schema, limit).replace_schema_metadata(None)

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        carriages = [carriage_of(column) for column in query.columns]
        with self._session.reader(self._select(query, carriages)) as reader:
            yield self._batches(reader, carriages)

    def _batches(
        self, reader: pa.RecordBatchReader, carriages: Sequence[Carriage]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(each.column.name, each.arrow_type) for each in carriages])
        while True:
            with translated(self.connection.name):
                batch = next(reader, None)
            if batch is None:
                return
            columns = iter(batch.columns)
            arrays = [
                each.carried(next(columns), next(columns) if each.check else None) for each in carriages
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    @override
    def literal(self, text: str, column: Column) -> str:
        return literal(text, column, self.connection.name)

    def text_literal(self, text: str) -> str:
        """Render a text as a literal."""
        return text_literal(text)

    def _select(self, query: Query, carriages: Sequence[Carriage]) -> str:
        items = []
        for each in carriages:
            name = self.quoted(each.column.name)
            items.append(each.select(name))
            items += [each.check(name)] if each.check else []
        named = ", ".join(f'{item} AS "c{index}"' for index, item in enumerate(items))
        return f"SELECT {named} FROM {self._from(query)}{clauses(query, self.ordered, _NO_LIMIT)}"

    def _from(self, query: Query) -> str:
        """The table or the user's query. A line break ends a comment of the user's."""
        if query.sql is not None:
            return f"(\n{query.sql}\n)"
        if query.relation is not None:
            return self.qualified(query.relation)
        raise EndpointError("A query names neither a table nor SQL.")
