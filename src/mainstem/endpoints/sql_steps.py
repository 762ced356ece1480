"""The steps of a publish in SQL, as most systems say them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from mainstem.endpoints.steps import (
    AddColumn,
    ChangeType,
    Create,
    Deduplicate,
    Delete,
    DeleteMissing,
    Empty,
    Insert,
    Key,
    MarkMissing,
    MarkUpdated,
    RunSql,
    Step,
    Swap,
    TableKey,
    Update,
)
from mainstem.endpoints.target import Target
from mainstem.errors import EndpointError
from mainstem.schema import Relation

__all__ = ["SqlSteps", "short_name"]


class SqlSteps(Target):
    """A target whose steps are SQL statements. An endpoint overrides what its system says otherwise.

    Attributes:
        row_id: An expression that tells the rows of a staging table apart, and grows as they arrive.
    """

    row_id: str

    def compared(self, column: str, kind: pa.DataType) -> str:  # noqa: ARG002
        """An expression by which keys are compared: exactly, whatever the column's collation is.

        Args:
            column: The column, quoted and qualified.
            kind: Its Arrow type.
        """
        return column

    def assigned(self, column: str, kind: pa.DataType, native: str | None) -> str:  # noqa: ARG002
        """An expression that puts a staged value into a column of the target.

        Args:
            column: The staged column, quoted and qualified.
            kind: Its Arrow type.
            native: The target's type, in its own words; ``None`` where it is not known.
        """
        return column

    def text_literal(self, text: str) -> str:
        """Render a text as a literal."""
        return exp.Literal.string(text).sql(self.dialect)

    def column_definition(self, field: pa.Field[Any]) -> str:
        """A column as it stands in a `create table`."""
        not_null = "" if field.nullable else " NOT NULL"
        return f"{self.quoted(field.name)} {self.native_type(field).sql}{not_null}"

    def unmark_statements(self, table: Relation) -> Sequence[str]:
        """Make a user's table of a staging table."""
        return [f"COMMENT ON TABLE {self.qualified(table)} IS NULL"]

    def statements(self, step: Step, place: Relation, target: Relation) -> Sequence[str]:
        """A step in SQL.

        Args:
            step: The step.
            place: The staging table.
            target: The target.
        """
        return _STATEMENTS[type(step)](self, step, place, target)

    def swap(self, step: Swap, place: Relation, target: Relation) -> Sequence[str]:
        """The staging table becomes the target."""
        table = self.qualified(target)
        drop = f"DROP TABLE IF EXISTS {table}"
        keys = [statement for key in step.keys for statement in self.key_statements(key, target)]
        if step.definition is not None:
            columns = ", ".join(self.quoted(name) for name in step.columns)
            fill = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {self.qualified(place)}"
            return [drop, step.definition, fill, f"DROP TABLE {self.qualified(place)}", *keys]
        rename = f"ALTER TABLE {self.qualified(place)} RENAME TO {self.quoted(target.name)}"
        return [drop, rename, *self.unmark_statements(target), *keys]

    def create(self, step: Create, target: Relation) -> Sequence[str]:
        """The target is made, without rows."""
        keys = [statement for key in step.keys for statement in self.key_statements(key, target)]
        return [step.definition or self.create_statement(target, step.schema), *keys]

    def key_statements(self, key: TableKey, target: Relation) -> Sequence[str]:
        """Give a table a key."""
        columns = ", ".join(self.quoted(name) for name in key.columns)
        if key.kind == "primary":
            return [f"ALTER TABLE {self.qualified(target)} ADD PRIMARY KEY ({columns})"]
        unique = "UNIQUE " if key.kind == "unique" else ""
        suffix = f"_{'_'.join(key.columns)}_{'key' if unique else 'idx'}"
        name = key.name or short_name(target.name, suffix, self.capabilities.identifier_bytes)
        return [f"CREATE {unique}INDEX {self.quoted(name)} ON {self.qualified(target)} ({columns})"]

    def change_type(self, step: ChangeType, target: Relation) -> Sequence[str]:
        """A column gets a wider type."""
        name, native = self.quoted(step.column.name), self.native_type(step.column).sql
        return [
            f"ALTER TABLE {self.qualified(target)} ALTER COLUMN {name} TYPE {native}"
            f" USING CAST({name} AS {native})"
        ]

    def insert(self, step: Insert, place: Relation, target: Relation) -> str:
        """Staged rows go into the target."""
        columns = ", ".join(self.quoted(column.name) for column in step.columns)
        values = ", ".join(self._value(column, step.natives) for column in step.columns)
        unless = ""
        if step.unless is not None:
            same = self.same(step.unless, "s", "t")
            unless = f" WHERE NOT EXISTS (SELECT 1 FROM {self.qualified(target)} AS t WHERE {same})"
        return (
            f"INSERT INTO {self.qualified(target)} ({columns})"
            f" SELECT {values} FROM {self.qualified(place)} AS s{unless}"
        )

    def update(self, step: Update, place: Relation, target: Relation) -> str:
        """Rows of the target take the staged values."""
        values = ", ".join(
            f"{self.quoted(column.name)} = {self._value(column, step.natives)}" for column in step.columns
        )
        table, staged = self.qualified(target), self.qualified(place)
        return f"UPDATE {table} AS t SET {values} FROM {staged} AS s WHERE {self.same(step.key, 's', 't')}"

    def _value(self, column: pa.Field[Any], natives: Mapping[str, str]) -> str:
        return self.assigned(f"s.{self.quoted(column.name)}", column.type, natives.get(column.name))

    def delete(self, key: Key, place: Relation, target: Relation) -> str:
        """The rows of the target whose key is staged go."""
        same = self.same(key, "s", "t")
        return (
            f"DELETE FROM {self.qualified(target)} AS t"
            f" WHERE EXISTS (SELECT 1 FROM {self.qualified(place)} AS s WHERE {same})"
        )

    def deduplicate(self, step: Deduplicate, place: Relation) -> str:
        """Of staged rows with the same key the last one stays.

        Raises:
            EndpointError: A column hides the rows' own ids, so that nothing tells the rows apart.
        """
        if self.row_id.lower() in (name.lower() for name in step.staged):
            raise EndpointError(
                f"Rows with the same primary key cannot be told apart beside a column called {self.row_id}.",
                hint=f"Rename it: `select: [{self.row_id} as row_number, '*']`.",
            )
        keys = ", ".join(self.compared(self.quoted(column.name), column.type) for column in step.key.columns)
        order = f"{self.row_id} DESC"
        if step.newest_by is not None:
            name = self.quoted(step.newest_by.name)
            newest = self.compared(name, step.newest_by.type)
            order = f"CASE WHEN {name} IS NULL THEN 1 ELSE 0 END, {newest} DESC, {order}"
        staged = self.qualified(place)
        rank = f"row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS place"
        ranked = f"SELECT {self.row_id} AS row_id, {rank} FROM {staged}"
        older = f"SELECT row_id FROM ({ranked}) AS ranked WHERE ranked.place > 1"
        return f"DELETE FROM {staged} WHERE {self.row_id} IN ({older})"

    def mark_updated(self, step: MarkUpdated, place: Relation, target: Relation) -> str:
        """Staged rows whose key the target has get a value."""
        value = f"{self.quoted(step.column)} = {self.text_literal(step.value)}"
        known = f"SELECT 1 FROM {self.qualified(target)} AS t WHERE {self.same(step.key, 's', 't')}"
        return f"UPDATE {self.qualified(place)} AS s SET {value} WHERE EXISTS ({known})"

    def same(self, key: Key, one: str, other: str) -> str:
        """The condition that two rows have the same key. Plain equality lets a system use its indexes.

        Args:
            key: The key.
            one: The alias, or the qualified name, of the one table.
            other: The alias, or the qualified name, of the other.
        """
        conditions = []
        for column in key.columns:
            left, right = (f"{alias}.{self.quoted(column.name)}" for alias in (one, other))
            equal = f"{self.compared(left, column.type)} = {self.compared(right, column.type)}"
            if column.name in key.with_nulls:
                equal = f"({equal} OR ({left} IS NULL AND {right} IS NULL))"
            conditions.append(equal)
        return " AND ".join(conditions)

    def delete_missing(self, step: DeleteMissing, target: Relation) -> str:
        """Rows whose key the source does not have any more go."""
        return f"DELETE FROM {self.qualified(target)} WHERE {self._missing(step, target)}"

    def mark_missing(self, step: MarkMissing, target: Relation) -> str:
        """Rows whose key the source does not have any more are marked."""
        marks = ", ".join(
            f"{self.quoted(name)} = {self.text_literal(text)}" for name, text in step.marks.items()
        )
        told_by = self.quoted(step.told_by)
        other = "" if step.any_value else f" OR {told_by} <> {self.text_literal(step.marks[step.told_by])}"
        return (
            f"UPDATE {self.qualified(target)} SET {marks}"
            f" WHERE ({told_by} IS NULL{other}) AND {self._missing(step, target)}"
        )

    def _missing(self, step: DeleteMissing | MarkMissing, target: Relation) -> str:
        same = self.same(step.key, "p", self.qualified(target))
        gone = f"NOT EXISTS (SELECT 1 FROM {self.qualified(step.present)} AS p WHERE {same})"
        return f"(\n{step.where}\n) AND {gone}" if step.where else gone

    def add_column(self, step: AddColumn, target: Relation) -> str:
        """The target gets a column."""
        definition = self.column_definition(step.column.with_nullable(True))
        return f"ALTER TABLE {self.qualified(target)} ADD COLUMN {definition}"


# Looked up by name at the call, so that an endpoint can override each.
_STATEMENTS: Mapping[type[Step], Callable[[SqlSteps, Any, Relation, Relation], Sequence[str]]] = {
    Swap: lambda sql, step, place, target: sql.swap(step, place, target),
    Create: lambda sql, step, _, target: sql.create(step, target),
    AddColumn: lambda sql, step, _, target: [sql.add_column(step, target)],
    ChangeType: lambda sql, step, _, target: sql.change_type(step, target),
    Empty: lambda sql, _step, _place, target: [f"DELETE FROM {sql.qualified(target)}"],
    Insert: lambda sql, step, place, target: [sql.insert(step, place, target)],
    Update: lambda sql, step, place, target: [sql.update(step, place, target)] if step.columns else [],
    Delete: lambda sql, step, place, target: [sql.delete(step.key, place, target)],
    Deduplicate: lambda sql, step, place, _: [sql.deduplicate(step, place)],
    MarkUpdated: lambda sql, step, place, target: [sql.mark_updated(step, place, target)],
    DeleteMissing: lambda sql, step, _, target: [sql.delete_missing(step, target)],
    MarkMissing: lambda sql, step, _, target: [sql.mark_missing(step, target)],
    RunSql: lambda _sql, step, _place, _target: [step.sql],
}


def short_name(name: str, suffix: str, limit: int | None) -> str:
    """A name with a suffix, within a system's limit: what is cut off is told apart by a hash.

    Args:
        name: The table's name.
        suffix: What comes behind it.
        limit: The most bytes of a name, in UTF-8; ``None`` for no limit.

    Example:
        >>> short_name("orders", "__staging", 63)
        'orders__staging'
        >>> len(short_name("o" * 63, "__staging", 63))
        63
    """
    whole = f"{name}{suffix}"
    if limit is None or len(whole.encode()) <= limit:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    room = limit - len(suffix.encode()) - len(digest) - 1
    if room < 1:
        return f"{name.encode()[: limit - len(digest) - 1].decode(errors='ignore')}_{digest}"
    return f"{name.encode()[:room].decode(errors='ignore')}_{digest}{suffix}"
