"""Snowflake as a target: rows are staged beside it, one statement or one transaction publishes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from uuid import uuid4

import pyarrow as pa
from typing_extensions import override

from mainstem.endpoints.base import CatalogEntry
from mainstem.endpoints.locks import held
from mainstem.endpoints.snowflake import catalog
from mainstem.endpoints.snowflake.connecting import place_of
from mainstem.endpoints.snowflake.definitions import changed, widens_in_place
from mainstem.endpoints.snowflake.loading import ROW, ParquetLoader
from mainstem.endpoints.snowflake.source import SnowflakeSource
from mainstem.endpoints.snowflake.steps import SnowflakeSteps
from mainstem.endpoints.snowflake.types import native_type
from mainstem.endpoints.sql import STAGING_COMMENT, Loader, SqlTarget
from mainstem.endpoints.sql_steps import short_name
from mainstem.endpoints.steps import ChangeType, Step, Swap
from mainstem.endpoints.table_ddl import renamed
from mainstem.endpoints.target import Capabilities, NativeType
from mainstem.endpoints.workfolder import work_folder
from mainstem.errors import EndpointError
from mainstem.schema import Column, Relation

__all__ = ["Snowflake"]

# Statements that are no part of a transaction: most of them commit the one that is open.
_ALONE = frozenset(
    {
        *("ALTER", "COMMENT", "COPY", "CREATE", "DESC", "DESCRIBE", "DROP", "GRANT", "LIST", "PUT"),
        *("REMOVE", "REVOKE", "SHOW", "TRUNCATE", "UNDROP", "USE"),
    }
)
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|//[^\n]*\n|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)


class Snowflake(SnowflakeSource, SnowflakeSteps, SqlTarget):
    """A Snowflake account.

    Properties of its connection: ``account`` or ``host`` (``name.snowflakecomputing.com``), ``port``,
    ``protocol``, ``user``, ``password``, ``database``, ``schema`` (default ``PUBLIC``), ``warehouse``,
    ``role``; ``authenticator``, ``private_key`` (its text or its path) or ``private_key_path`` with
    ``private_key_passphrase``, ``token``; ``login_timeout`` and ``request_timeout`` in seconds.

    A plain name is in upper case, as in Snowflake's own SQL; a quoted one is as it stands. The session is in
    UTC. A table that is replaced is replaced by one statement, and keeps who may read it; rows are changed in
    one transaction. Columns are added, and types changed, before it: such statements commit by themselves.
    Keys are not enforced, which is how Snowflake has them.
    """

    capabilities = Capabilities(
        transactional_ddl=False,
        folds_to_upper=True,
        identifier_bytes=255,
        case_sensitive=True,
        table_keys=frozenset({"primary", "unique", "cluster"}),
    )
    row_id = ROW

    _in_transaction = False
    _begun = False
    _stage: str | None = None

    # Primitives.

    @override
    def run(self, sql: str) -> None:
        word = _FIRST_WORD.match(sql)
        if self._in_transaction and not self._begun and not (word and word.group(1).upper() in _ALONE):
            self._session.run("BEGIN")
            self._begun = True
        self._session.run(sql)

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.rows(sql)

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As others have it, but what stands alone in Snowflake begins none."""
        self._in_transaction = True
        try:
            yield
            if self._begun:
                self._session.run("COMMIT")
        except BaseException:
            if self._begun:
                # A session that broke cannot roll back, and that is not what to tell.
                with suppress(EndpointError):
                    self._session.run("ROLLBACK")
            raise
        finally:
            self._in_transaction = self._begun = False

    @override
    @contextmanager
    def loader(self, place: Relation, schema: pa.Schema) -> Iterator[Loader]:
        columns = [(field, self.native_type(field).sql) for field in schema]
        with work_folder() as folder:
            loader = ParquetLoader(
                self._session, self.qualified(place), self._stage_of(place), columns, folder
            )
            try:
                yield loader
            finally:
                loader.give_up()

    def _stage_of(self, place: Relation) -> str:
        """The session's own stage for files, which is gone with it."""
        if self._stage is None:
            name = Relation(
                place.schema or self.default_schema, f"MAINSTEM_{uuid4().hex.upper()}", place.database
            )
            self._session.run(f"CREATE TEMPORARY STAGE IF NOT EXISTS {self.qualified(name)}")
            self._stage = self.qualified(name)
        return self._stage

    @override
    def find(self, target: Relation) -> CatalogEntry | None:
        found = catalog.find(
            self._session,
            self._database(target.database),
            target.schema or self.default_schema,
            target.name,
        )
        if found is None or target.database is None:
            return found
        return CatalogEntry(
            Relation(found.relation.schema, found.relation.name, target.database), found.is_view
        )

    @override
    def is_staging(self, place: Relation) -> bool:
        database = self._database(place.database)
        schema = place.schema or self.default_schema
        return catalog.comment_of(self._session, database, schema, place.name) == STAGING_COMMENT

    @override
    def locked(self, target: Relation) -> AbstractContextManager[None]:
        # The threads of this process. Snowflake has no lock that would outlive a statement and end with us.
        database = self._database(target.database)
        whole = (place_of(self.connection), database, target.schema or self.default_schema, target.name)
        return held(("snowflake", *whole), str(target))

    # Definitions.

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        return native_type(field)

    @override
    def staging_statements(self, place: Relation, schema: pa.Schema) -> Sequence[str]:
        # Without the days of history that a table of the user's has, and that would be paid for.
        columns = ", ".join([*(self.column_definition(field) for field in schema), f'"{ROW}" NUMBER(19,0)'])
        comment = self.text_literal(STAGING_COMMENT)
        return [f"CREATE TRANSIENT TABLE {self.qualified(place)} ({columns}) COMMENT = {comment}"]

    @override
    def schema_statements(self, schema: str) -> Sequence[str]:
        return [f"CREATE SCHEMA IF NOT EXISTS {self._database(None)}.{self.quoted(schema)}"]

    @override
    def change_type(self, step: ChangeType, target: Relation) -> Sequence[str]:
        """Few types are changed in place, so the table is made anew: a reader sees the old one or the new."""
        wider = self.native_type(step.column).sql
        columns = self.describe(target).columns
        own = {column.name: column.native_type for column in columns}
        if widens_in_place(own[step.column.name], wider):
            name = self.quoted(step.column.name)
            return [f"ALTER TABLE {self.qualified(target)} ALTER COLUMN {name} SET DATA TYPE {wider}"]
        definitions = _definitions(columns, {step.column.name: wider})
        values = [
            changed(self.quoted(name), native, wider) if name == step.column.name else self.quoted(name)
            for name, native in own.items()
        ]
        return [self._replaced(target, definitions, values, target)]

    @override
    def swap(self, step: Swap, place: Relation, target: Relation) -> Sequence[str]:
        drop = f"DROP TABLE {self.qualified(place)}"
        if step.definition is not None:
            return [*self._defined(step, place, target), drop]
        columns = [column for column in self.describe(place).columns if column.name != ROW]
        names = [self.quoted(column.name) for column in columns]
        keys = [statement for key in step.keys for statement in self.key_statements(key, target)]
        return [self._replaced(target, _definitions(columns, {}), names, place), *keys, drop]

    def _replaced(
        self, target: Relation, definitions: Mapping[str, str], values: Sequence[str], place: Relation
    ) -> str:
        """One statement that makes a table, in the old one's stead, and lets read it who might before."""
        columns = ", ".join(f"{self.quoted(name)} {native}" for name, native in definitions.items())
        return (
            f"CREATE OR REPLACE TABLE {self.qualified(target)} ({columns}) COPY GRANTS"
            f" AS SELECT {', '.join(values)} FROM {self.qualified(place)}"
        )

    @override
    def carry_out(self, step: Step, place: Relation, target: Relation) -> None:
        try:
            super().carry_out(step, place, target)
        except BaseException:
            if isinstance(step, Swap) and step.definition is not None:
                with suppress(EndpointError):
                    self.run(f"DROP TABLE IF EXISTS {self.qualified(_beside(target))}")
            raise

    def _defined(self, step: Swap, place: Relation, target: Relation) -> Sequence[str]:
        """A table of the user's definition is filled beside the target, and then exchanged for it."""
        new = _beside(target)
        columns = ", ".join(self.quoted(name) for name in step.columns)
        keys = [statement for key in step.keys for statement in self.key_statements(key, new)]
        name, table = self.qualified(new), self.qualified(target)
        fill = f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {self.qualified(place)}"
        made = [
            f"DROP TABLE IF EXISTS {name}",
            renamed(step.definition or "", name, self.dialect),
            fill,
            *keys,
        ]
        if self.find(target) is None:
            return [*made, f"ALTER TABLE {name} RENAME TO {table}"]
        return [*made, f"ALTER TABLE {name} SWAP WITH {table}", f"DROP TABLE {name}"]


def _beside(target: Relation) -> Relation:
    """A name of ours for the time of a publish, which nobody else would give a table."""
    return Relation(target.schema, short_name(target.name, "__MAINSTEM_DEFINED", 255), target.database)


def _definitions(columns: Sequence[Column], other: Mapping[str, str]) -> dict[str, str]:
    return {
        column.name: f"{other.get(column.name, column.native_type)}{'' if column.nullable else ' NOT NULL'}"
        for column in columns
    }
