"""MySQL and MariaDB as a target: rows are staged beside it, a rename or a transaction publishes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry
from mainstem.endpoints.cancelling import CANCEL_SECONDS
from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.endpoints.mysql.catalog import entries, find
from mainstem.endpoints.mysql.definitions import redefined, without_long_varchars
from mainstem.endpoints.mysql.failures import LOSSY
from mainstem.endpoints.mysql.loading import MySQLLoader
from mainstem.endpoints.mysql.merging import MySQLSteps
from mainstem.endpoints.mysql.source import MySQLSource
from mainstem.endpoints.mysql.types import TYPES, base_name, native_type
from mainstem.endpoints.sql import STAGING_COMMENT, Loader, SqlStaging
from mainstem.endpoints.sql_steps import short_name
from mainstem.endpoints.steps import Call, ChangeType, Deduplicate, Insert, RunSql, Step, Swap, TableKey
from mainstem.endpoints.table_ddl import renamed
from mainstem.endpoints.target import Capabilities, NativeType, Staging
from mainstem.errors import EndpointError, LossyTypeError, TargetBusyError
from mainstem.faults import Point, reached
from mainstem.schema import Relation

__all__ = ["MySQL"]

_IDENTIFIER_CHARACTERS = 64
# The characters that a key can have in all its columns together.
_KEY_CHARACTERS = 750
_KEY_PREFIX = 191
# Room for tables of many texts; tables without a key, which a staging table is. Not every server knows all of
# them, and not every user may say so.
_WISHES = (
    "SET innodb_strict_mode = OFF",
    "SET sql_require_primary_key = OFF",
    "SET sql_generate_invisible_primary_key = OFF",
)
_TABLE_OPTIONS = "ENGINE=InnoDB DEFAULT CHARACTER SET=utf8mb4 COLLATE="


class MySQL(MySQLSource, MySQLSteps):
    """A MySQL or MariaDB server.

    Properties of its connection: ``host`` (default ``localhost``), ``port`` (3306), ``user``, ``password``,
    ``database``, ``schema`` (another database as the default one), ``socket``, ``connect_timeout`` in
    seconds, ``ssl_mode`` (``disabled``, ``preferred``, ``required``, ``verify_ca``, ``verify_identity``; or
    ``tls`` as in Go's driver), ``ssl_ca``, ``ssl_cert`` and ``ssl_key``.

    A schema is a database here. The session is in UTC and in strict mode, whatever the server's default is.
    A table that is replaced is renamed away in the same statement that puts the new one in its place; rows
    are changed in one transaction. Columns are added, and types changed, before it: such statements commit
    by themselves.
    """

    capabilities = Capabilities(
        transactional_ddl=False,
        merge_strategy="delete_insert",
        identifier_bytes=_IDENTIFIER_CHARACTERS,
    )

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._locks: list[str] = []

    @property
    @override
    def exact_collation(self) -> str:
        return self.server.exact_collation

    # Primitives.

    @override
    def run(self, sql: str) -> None:
        self._session.run(sql)

    @override
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._session.rows(sql)

    @override
    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            # A connection that broke cannot roll back, and that is not what to tell.
            with suppress(EndpointError):
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    @override
    @contextmanager
    def loader(self, place: Relation, schema: pa.Schema) -> Iterator[Loader]:
        natives = [(self.quoted(field.name), self.native_type(field).sql) for field in schema]
        yield MySQLLoader(self._session, self.qualified(place), natives, schema)

    @override
    def find(self, target: Relation) -> CatalogEntry | None:
        exact = find(self._session, target.schema or self.default_schema, target.name)
        return exact or super().find(target)

    @override
    def alike(self, schema: str, name: str) -> Sequence[CatalogEntry]:
        return entries(self._session, schema, name)

    @override
    def is_staging(self, place: Relation) -> bool:
        return self.describe(place).comment == STAGING_COMMENT

    @override
    def locked(self, target: Relation) -> AbstractContextManager[None]:
        return self._locked(target)

    @contextmanager
    def _locked(self, target: Relation) -> Iterator[None]:
        # A lock of the server's, which it lets go of when the connection ends, however it ends.
        name = f"mainstem {_digest(target, 40)}"
        (got,) = self._session.rows("SELECT GET_LOCK(%s, %s)", name, int(LOCK_SECONDS))[0]
        if got is None:
            raise EndpointError(f"{self.connection.name}: waiting for {target} was broken off.")
        if not got:
            (holder,) = self._session.rows("SELECT IS_USED_LOCK(%s)", name)[0]
            raise TargetBusyError(
                f"{target} in {self.connection.name} is being written by another run, connection {holder} of"
                f" the server, which did not finish within {LOCK_SECONDS:.0f} s.",
                hint="Run the streams of one table one after the other.",
            )
        self._locks.append(name)
        try:
            yield
        finally:
            self._locks.remove(name)
            with suppress(EndpointError):
                self._session.rows("SELECT RELEASE_LOCK(%s)", name)

    # Definitions.

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        return native_type(field, self.server)

    @override
    def create_statement(self, target: Relation, schema: pa.Schema) -> str:
        natives = without_long_varchars([self.native_type(field).sql for field in schema])
        columns = ", ".join(
            f"{self.quoted(field.name)} {native}{'' if field.nullable else ' NOT NULL'}"
            for field, native in zip(schema, natives, strict=True)
        )
        return f"CREATE TABLE {self.qualified(target)} ({columns}) {_TABLE_OPTIONS}{self.exact_collation}"

    @override
    def column_definition(self, field: pa.Field[Any]) -> str:
        not_null = "" if field.nullable else " NOT NULL"
        return f"{self.quoted(field.name)} {self._with_characters(self.native_type(field).sql)}{not_null}"

    def _with_characters(self, native: str) -> str:
        """A type for a table whose texts may have any character set by default."""
        if TYPES.get(base_name(native)) != pa.string():
            return native
        return f"{native} CHARACTER SET utf8mb4 COLLATE {self.exact_collation}"

    @override
    def staging_statements(self, place: Relation, schema: pa.Schema) -> Sequence[str]:
        return [f"{self.create_statement(place, schema)} COMMENT={self.text_literal(STAGING_COMMENT)}"]

    @override
    def unmark_statements(self, table: Relation) -> Sequence[str]:
        return [f"ALTER TABLE {self.qualified(table)} COMMENT=''"]

    @override
    def schema_statements(self, schema: str) -> Sequence[str]:
        found = self._session.rows(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name = %s", schema
        )
        if found:
            return []
        return [f"CREATE DATABASE IF NOT EXISTS {self.quoted(schema)} CHARACTER SET utf8mb4"]

    @override
    def key_statements(self, key: TableKey, target: Relation) -> Sequence[str]:
        return self._key_statements(key, target, target)

    def _key_statements(self, key: TableKey, table: Relation, target: Relation) -> Sequence[str]:
        """Give a table a key, which is called after the target."""
        natives = {column.name: column.native_type for column in self.describe(table).columns}
        long = [name for name in key.columns if base_name(natives.get(name, "")).endswith(("text", "blob"))]
        altered, columns = [], []
        for name in key.columns:
            quoted = self.quoted(name)
            if name in long and key.kind == "index":
                quoted = f"{quoted}({_KEY_PREFIX})"
            elif name in long:
                # A key reads all of a value, and so has a limit: a longer one is refused.
                length = _KEY_CHARACTERS // len(long)
                is_text = base_name(natives[name]).endswith("text")
                kind = f"varchar({length})" if is_text else f"varbinary({length * 4})"
                altered.append(self._modify(table, name, natives[name], kind))
            columns.append(quoted)
        what = f"PRIMARY KEY ({', '.join(columns)})"
        if key.kind != "primary":
            suffix = f"_{'_'.join(key.columns)}_{'key' if key.kind == 'unique' else 'idx'}"
            name = key.name or short_name(target.name, suffix, _IDENTIFIER_CHARACTERS)
            unique = "UNIQUE " if key.kind == "unique" else ""
            what = f"{unique}INDEX {self.quoted(name)} ({', '.join(columns)})"
        return [*altered, f"ALTER TABLE {self.qualified(table)} ADD {what}"]

    @override
    def change_type(self, step: ChangeType, target: Relation) -> Sequence[str]:
        natives = {column.name: column.native_type for column in self.describe(target).columns}
        name = step.column.name
        return [self._modify(target, name, natives[name], self.native_type(step.column).sql)]

    def _modify(self, table: Relation, column: str, has: str, gets: str) -> str:
        create = str(self.rows(f"SHOW CREATE TABLE {self.qualified(table)}")[0][1])
        definition = redefined(create, self.quoted(column), has, self._with_characters(gets))
        return f"ALTER TABLE {self.qualified(table)} MODIFY COLUMN {definition}"

    # Staging and publishing.

    @override
    @contextmanager
    def stage(
        self, target: Relation, schema: pa.Schema, *, place: Relation | None = None, purpose: str = "staging"
    ) -> Iterator[Staging]:
        if not self.server.can_be_written:
            raise EndpointError(
                f"{self.connection.name}: {self.server.product} is too old to be written.",
                hint="It takes MySQL 8.0.17, or MariaDB 10.3.",
            )
        for wish in _WISHES:
            with suppress(EndpointError):
                self.run(wish)
        self._sweep(target)
        with super().stage(target, schema, place=place, purpose=purpose) as staging:
            yield staging

    def _sweep(self, target: Relation) -> None:
        """Drop what a killed publish left. Their names alone tell that they are ours: they hold a digest."""
        for left in (_beside(target, "replaced"), _beside(target, "defined")):
            if self.find(left) is not None:
                self.run(f"DROP TABLE {self.qualified(left)}")

    @override
    def _discard(self, staging: SqlStaging) -> None:
        with suppress(EndpointError):
            if not self._session.is_open:
                # It was broken off in the middle of something.
                self._session = self._opened(CANCEL_SECONDS)
                if not all(self._locked_again(name) for name in self._locks):
                    # What has the staging table's name now may be another run's.
                    return
            super()._discard(staging)

    def _locked_again(self, name: str) -> bool:
        """Whether a lock that went with its connection is still to be had."""
        return self._session.rows("SELECT GET_LOCK(%s, 0)", name) == [(1,)]

    @override
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        place = staging.place
        self._look_at(target, steps)
        together: list[Step] = []
        for step in steps:
            if not (step.changes_definition or isinstance(step, Deduplicate)):
                together.append(step)
                continue
            self._publish_rows(together, place, target)
            together = []
            if isinstance(step, Swap):
                self._swap(step, place, target)
            else:
                self.carry_out(step, place, target)
            reached(Point.MID_PUBLISH)
        self._publish_rows(together, place, target)

    def _publish_rows(self, steps: Sequence[Step], place: Relation, target: Relation) -> None:
        if not steps:
            return
        for statement in self.preparations(steps, place):
            self.run(statement)
        with self.transaction():
            for step in steps:
                self.carry_out(step, place, target)
                reached(Point.MID_PUBLISH)

    @override
    def carry_out(self, step: Step, place: Relation, target: Relation) -> None:
        if isinstance(step, Call):
            step.action(self)
            return
        for number, statement in enumerate(self.statements(step, place, target)):
            if number:
                reached(Point.MID_PUBLISH)
            done = self._session.run(statement)
            if done.warnings and (said := self._session.warning(LOSSY)):
                raise LossyTypeError(
                    f"MySQL cannot hold a value: {said}.",
                    hint="Set `target_options: {adjust_column_type: true}`, or widen the column.",
                )

    def _look_at(self, target: Relation, steps: Sequence[Step]) -> None:
        """See how the target compares its texts, and whether it can take back what fails."""
        found = self._session.rows(
            "SELECT column_name, collation_name FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s",
            target.schema or self.default_schema,
            target.name,
        )
        self._inexact = frozenset(
            str(name) for name, collation in found if collation not in (None, self.exact_collation)
        )
        if all(step.changes_definition or isinstance(step, (Call, Deduplicate, RunSql)) for step in steps):
            return
        engines = self._session.rows(
            "SELECT t.engine, e.transactions FROM information_schema.tables AS t"
            " JOIN information_schema.engines AS e ON e.engine = t.engine"
            " WHERE t.table_schema = %s AND t.table_name = %s",
            target.schema or self.default_schema,
            target.name,
        )
        for engine, transactions in engines:
            if transactions != "YES":
                raise EndpointError(
                    f"{target} in {self.connection.name} is a table of the engine {engine}, which has no"
                    " transactions: a reader would see it half changed.",
                    hint=f"ALTER TABLE {self.qualified(target)} ENGINE=InnoDB, or use mode full-refresh.",
                )

    def _swap(self, step: Swap, place: Relation, target: Relation) -> None:
        """Put a table in the target's place, all at once, and drop the old one."""
        # Its name alone tells that it is ours: the mark comes off while nobody sees the table.
        new = _beside(target, "defined")
        if step.definition is not None:
            self.run(renamed(step.definition, self.qualified(new), self.dialect))
        else:
            self.run(f"RENAME TABLE {self.qualified(place)} TO {self.qualified(new)}")
        reached(Point.MID_PUBLISH)
        try:
            if step.definition is None:
                for statement in self.unmark_statements(new):
                    self.run(statement)
            else:
                self._fill(new, step.columns, place)
            for key in step.keys:
                for statement in self._key_statements(key, new, target):
                    self.run(statement)
                    reached(Point.MID_PUBLISH)
            self._put(new, target)
            reached(Point.MID_PUBLISH)
        except BaseException:
            with suppress(EndpointError):
                self.run(f"DROP TABLE IF EXISTS {self.qualified(new)}")
            raise

    def _fill(self, table: Relation, columns: Sequence[str], place: Relation) -> None:
        """Put the staged rows into a table of the user's definition."""
        natives = {column.name.lower(): column.native_type for column in self.describe(table).columns}
        staged = {column.name: column for column in self.describe(place).columns}
        fields = [pa.field(name, staged[name].arrow_type) for name in columns]
        insert = Insert(fields, {name: natives.get(name.lower(), "") for name in columns})
        with self.transaction():
            self.carry_out(insert, place, table)

    def _put(self, new: Relation, target: Relation) -> None:
        there = self.find(target)
        if there is None:
            self.run(f"RENAME TABLE {self.qualified(new)} TO {self.qualified(target)}")
            return
        new_name, old_name, table = (
            self.qualified(name) for name in (new, _beside(target, "replaced"), target)
        )
        self.run(f"RENAME TABLE {self.qualified(there.relation)} TO {old_name}, {new_name} TO {table}")
        reached(Point.MID_PUBLISH)
        try:
            self.run(f"DROP TABLE {old_name}")
        except EndpointError as error:
            if not self._session.is_open:
                # The new table is seen, and stays; the next run sweeps the old one.
                return
            self.run(f"RENAME TABLE {table} TO {new_name}, {old_name} TO {self.qualified(there.relation)}")
            raise EndpointError(
                f"{target} cannot be replaced: {error.message}",
                hint="Do other tables refer to it? Use mode truncate, which keeps the table.",
            ) from error


def _beside(target: Relation, purpose: str) -> Relation:
    """A name of ours for the time of a publish, which nobody else would give a table."""
    suffix = f"__mainstem_{purpose}_{_digest(target, 12)}"
    return Relation(target.schema, short_name(target.name, suffix, _IDENTIFIER_CHARACTERS))


def _digest(target: Relation, length: int) -> str:
    # In lower case: some servers fold the names of tables.
    return hashlib.sha256(f"{target.schema}.{target.name}".lower().encode()).hexdigest()[:length]
