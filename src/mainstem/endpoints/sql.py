"""Databases as targets: the steps of a publish as SQL, run in one transaction over a few primitives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot.errors import SqlglotError
from typing_extensions import override

from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable, match_name
from mainstem.endpoints.raw import RawForm, RawRows
from mainstem.endpoints.sql_steps import SqlSteps, short_name
from mainstem.endpoints.steps import Call, Step, Swap
from mainstem.endpoints.target import KeyProfile, Staging
from mainstem.errors import EndpointError, RelationNotFoundError
from mainstem.faults import Point, reached
from mainstem.schema import Column, Relation

__all__ = ["STAGING_COMMENT", "Loader", "SqlStaging", "SqlTarget", "split_statements"]

STAGING_COMMENT = "mainstem staging table: rows that were never published; safe to drop"


class Loader:
    """Takes batches into a table. Closing it makes the rows part of the table.

    Attributes:
        raw_form: As what it takes rows that come as bytes; ``None`` where it does not.
    """

    raw_form: RawForm | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch of the table's schema."""
        raise NotImplementedError

    def write_raw(self, rows: RawRows) -> None:
        """Take rows in the raw form."""
        raise NotImplementedError

    def close(self) -> int | None:
        """Take no more. Rows that are still on their way arrive.

        Returns:
            How many rows the system says it has taken; ``None`` where they have to be counted.
        """
        return None


class SqlTarget(Source, SqlSteps):
    """A database that is read and written by SQL: an endpoint gives the primitives, the rest is here."""

    # Primitives.

    @abstractmethod
    def run(self, sql: str) -> None:
        """Run one statement, in the transaction that is open or by itself.

        Raises:
            EndpointError: The system refused it.
        """

    @abstractmethod
    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query of few rows, in the transaction that is open or by itself."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end, or roll back and raise."""

    @abstractmethod
    def loader(self, place: Relation, schema: pa.Schema) -> AbstractContextManager[Loader]:
        """Open a way into a table that exists and is empty. Leaving it by an error gives the rows up."""

    @abstractmethod
    def is_staging(self, place: Relation) -> bool:
        """Whether a table that exists is a staging table of ours, and not a user's."""

    # What systems do alike. An endpoint overrides what its own does otherwise.

    def staging_statements(self, place: Relation, schema: pa.Schema) -> Sequence[str]:
        """Make a staging table that :meth:`is_staging` knows."""
        comment = self.text_literal(STAGING_COMMENT)
        return [
            self.create_statement(place, schema),
            f"COMMENT ON TABLE {self.qualified(place)} IS {comment}",
        ]

    def schema_statements(self, schema: str) -> Sequence[str]:
        """Make a schema where it is not there."""
        return [f"CREATE SCHEMA IF NOT EXISTS {self.quoted(schema)}"]

    # Target.

    @override
    def inspect(self, target: Relation) -> SourceTable | None:
        found = self.find(target)
        if found is None:
            return None
        if found.is_view:
            raise RelationNotFoundError(
                f"{target} in {self.connection.name} is a view, so it cannot be written.",
                hint="Give the stream another object, or drop the view.",
            )
        return self.described(found)

    def described(self, found: CatalogEntry) -> SourceTable:
        """Describe what :meth:`find` has found. A system that knows more of it by then need not ask again."""
        return self.describe(found.relation)

    def find(self, target: Relation) -> CatalogEntry | None:
        """Look a table or view up by its name, where the system says so in any case."""
        alike = self.alike(target.schema or self.default_schema, target.name)
        entries = {entry.relation.name: entry for entry in alike}
        if self.capabilities.case_sensitive:
            return entries.get(target.name)
        try:
            return entries[match_name(target.name, entries, what="table", where=self.connection.name)]
        except RelationNotFoundError:
            return None

    def alike(self, schema: str, name: str) -> Sequence[CatalogEntry]:  # noqa: ARG002
        """Tables and views of a schema, and among them all that have this name in any case.

        A system that can look one up need not list the others: in a run of thousands, each is looked for.
        """
        return self.catalog(schema)

    @override
    def count(self, target: Relation) -> int:
        return int(self.rows(f"SELECT count(*) FROM {self.qualified(target)}")[0][0])

    @override
    def maximum(self, target: Relation, column: str) -> pa.Scalar[Any] | None:
        found = next(known for known in self.describe(target).columns if known.name == column)
        return self._maximum(target, found)

    def _maximum(self, table: Relation, column: Column) -> pa.Scalar[Any] | None:
        sql = f"SELECT max({self.ordered(column)}) AS {self.quoted(column.name)} FROM {self.qualified(table)}"
        with self.read(Query(columns=[column], sql=sql)) as batches:
            values = [value for batch in batches for value in batch.column(0)]
        return next((value for value in values if value.is_valid), None)

    @override
    def create_statement(self, target: Relation, schema: pa.Schema) -> str:
        columns = ", ".join(self.column_definition(field) for field in schema)
        return f"CREATE TABLE {self.qualified(target)} ({columns})"

    @override
    @contextmanager
    def stage(
        self, target: Relation, schema: pa.Schema, *, place: Relation | None = None, purpose: str = "staging"
    ) -> Iterator[Staging]:
        place = place or Relation(
            target.schema,
            short_name(target.name, f"__mainstem_{purpose}", self.capabilities.identifier_bytes),
            target.database,
        )
        leftover = self._leftover(place)
        with self.transaction():
            for statement in self.schema_statements(target.schema or self.default_schema):
                self.run(statement)
            if leftover:
                self.run(f"DROP TABLE {self.qualified(leftover)}")
            for statement in self.staging_statements(place, schema):
                self.run(statement)
        staging = SqlStaging(self, place, schema)
        try:
            with self.loader(place, schema) as loader:
                staging.opened(loader)
                yield staging
        finally:
            self._discard(staging)

    def _leftover(self, place: Relation) -> Relation | None:
        """What a killed run left behind, and only that."""
        found = self.find(place)
        if found is None:
            return None
        if found.is_view or not self.is_staging(found.relation):
            raise EndpointError(
                f"{place} is where rows would be staged, but a table that is not ours has this name.",
                hint="Rename that table, or give the stream another object or `table_tmp`.",
            )
        return found.relation

    def _discard(self, staging: SqlStaging) -> None:
        if staging.published:
            return
        try:
            with self.transaction():
                self.run(f"DROP TABLE IF EXISTS {self.qualified(staging.place)}")
        except EndpointError:
            # The database may be gone, which is why we are here; the next run sweeps.
            return

    @override
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        place = staging.place
        steps = [self._copied(step, staging, target) for step in steps]
        inside = list(steps)
        if not self.capabilities.transactional_ddl:
            # What cannot be rolled back comes first, or last: a column more or a wider one hides no row.
            outside = [step for step in steps if step.changes_definition]
            inside = [step for step in steps if not step.changes_definition]
            for step in outside:
                if not isinstance(step, Swap):
                    self.carry_out(step, place, target)
                    reached(Point.MID_PUBLISH)
        with self.transaction():
            for step in inside:
                self.carry_out(step, place, target)
                reached(Point.MID_PUBLISH)
        if not self.capabilities.transactional_ddl:
            for step in outside:
                if isinstance(step, Swap):
                    self.carry_out(step, place, target)
        if isinstance(staging, SqlStaging):
            staging.published = any(isinstance(step, Swap) for step in steps)

    def _copied(self, step: Step, staging: Staging, target: Relation) -> Step:
        """A staging table of another schema cannot be renamed into the target: the rows are copied."""
        apart = staging.place.schema != (target.schema or self.default_schema)
        if not (isinstance(step, Swap) and apart) or self.capabilities.moves_between_schemas:
            return step
        made = step.definition or self.create_statement(target, staging.schema)
        return Swap(step.keys, made, staging.schema.names)

    def carry_out(self, step: Step, place: Relation, target: Relation) -> None:
        """Run one step, inside the transaction that is open."""
        if isinstance(step, Call):
            step.action(self)
            return
        for number, statement in enumerate(self.statements(step, place, target)):
            if number:
                reached(Point.MID_PUBLISH)
            self.run(statement)

    @override
    def run_script(self, sql: str) -> None:
        for statement in split_statements(sql, self.dialect):
            with self.transaction():
                self.run(statement)


class SqlStaging(Staging):
    """A table beside the target."""

    def __init__(self, target: SqlTarget, place: Relation, schema: pa.Schema) -> None:
        self._target = target
        self._loader = Loader()
        self.place = place
        self.schema = schema
        self.published = False

    def opened(self, loader: Loader) -> None:
        """Have a way in."""
        self._loader = loader

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        self._loader.write(batch)

    @property
    @override
    def raw_form(self) -> RawForm | None:
        return self._loader.raw_form

    @override
    def write_raw(self, rows: RawRows) -> None:
        self._loader.write_raw(rows)

    @override
    def complete(self) -> int:
        taken = self._loader.close()
        return self._target.count(self.place) if taken is None else taken

    @override
    def profile(self, columns: Sequence[str]) -> KeyProfile:
        names = {name: self._target.quoted(name) for name in columns}
        place = self._target.qualified(self.place)
        nulls = ", ".join(f"count(*) - count({name})" for name in names.values())
        counts = dict(zip(columns, self._target.rows(f"SELECT {nulls} FROM {place}")[0], strict=True))
        groups = ", ".join(
            self._target.compared(quoted, self.schema.field(name).type) for name, quoted in names.items()
        )
        with_null = " OR ".join(f"{name} IS NULL" for name in names.values())

        def repeated(where: str) -> int:
            keys = f"SELECT 1 AS one FROM {place}{where} GROUP BY {groups} HAVING count(*) > 1"
            return int(self._target.rows(f"SELECT count(*) FROM ({keys}) AS repeated")[0][0])

        found: Mapping[str, int] = {name: int(count) for name, count in counts.items() if count}
        return KeyProfile(found, repeated(""), repeated(f" WHERE {with_null}") if found else 0)

    @override
    def maximum(self, column: str) -> pa.Scalar[Any] | None:
        return self._target.maximum(self.place, column)


def split_statements(sql: str, dialect: str) -> list[str]:
    """Take a script apart at its semicolons, but for those in quotes, comments and bodies.

    Example:
        >>> split_statements("set x = ';'; select 1;", "postgres")
        ["set x = ';'", 'select 1']
    """
    try:
        tokens = sqlglot.tokenize(sql, dialect)
    except SqlglotError as error:
        raise EndpointError(
            f"This is no SQL: {str(error).splitlines()[0]}", hint="Mend the script."
        ) from error
    statements, start = [], 0
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            statements.append(sql[start : token.start])
            start = token.end + 1
    statements.append(sql[start:])
    return [statement.strip() for statement in statements if statement.strip()]
