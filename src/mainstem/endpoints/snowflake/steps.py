"""The steps of a publish in Snowflake's SQL.

Two tables meet in joins, and in no correlated subquery: of those Snowflake evaluates only some.
https://docs.snowflake.com/en/user-guide/querying-subqueries
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from typing_extensions import override

from mainstem.endpoints.snowflake.literals import text_literal
from mainstem.endpoints.snowflake.types import OPAQUE, base_name
from mainstem.endpoints.sql_steps import SqlSteps
from mainstem.endpoints.steps import DeleteMissing, Insert, Key, MarkMissing, MarkUpdated, TableKey
from mainstem.schema import Relation

__all__ = ["SnowflakeSteps"]

# Names for the time of a statement, which no column of the user's has.
_KNOWN = '"__MAINSTEM_KNOWN"'
_KEY = "__MAINSTEM_KEY"


class SnowflakeSteps(SqlSteps):
    """Steps as Snowflake says them."""

    @override
    def text_literal(self, text: str) -> str:
        return text_literal(text)

    @override
    def assigned(self, column: str, kind: pa.DataType, native: str | None) -> str:
        base = base_name(native or "")
        if base in ("ARRAY", "OBJECT"):
            return f"{column}::{base}"
        return f"TO_{base}({column})" if base in OPAQUE and pa.types.is_string(kind) else column

    @override
    def key_statements(self, key: TableKey, target: Relation) -> Sequence[str]:
        columns = ", ".join(self.quoted(name) for name in key.columns)
        if key.kind == "cluster":
            return [f"ALTER TABLE {self.qualified(target)} CLUSTER BY ({columns})"]
        named = f"CONSTRAINT {self.quoted(key.name)} " if key.name else ""
        kind = "PRIMARY KEY" if key.kind == "primary" else "UNIQUE"
        return [f"ALTER TABLE {self.qualified(target)} ADD {named}{kind} ({columns})"]

    @override
    def same(self, key: Key, one: str, other: str) -> str:
        conditions = []
        for column in key.columns:
            left, right = (f"{table}.{self.quoted(column.name)}" for table in (one, other))
            with_null = column.name in key.with_nulls
            conditions.append(f"EQUAL_NULL({left}, {right})" if with_null else f"{left} = {right}")
        return " AND ".join(conditions)

    @override
    def insert(self, step: Insert, place: Relation, target: Relation) -> str:
        columns = ", ".join(self.quoted(column.name) for column in step.columns)
        values = ", ".join(self._value(column, step.natives) for column in step.columns)
        source, unless = f"{self.qualified(place)} AS s", ""
        if step.unless is not None:
            known = (
                f"SELECT DISTINCT {self._names(step.unless)}, TRUE AS {_KNOWN} FROM {self.qualified(target)}"
            )
            source = f"{source} LEFT JOIN ({known}) AS t ON {self.same(step.unless, 's', 't')}"
            unless = f" WHERE t.{_KNOWN} IS NULL"
        return f"INSERT INTO {self.qualified(target)} ({columns}) SELECT {values} FROM {source}{unless}"

    @override
    def delete(self, key: Key, place: Relation, target: Relation) -> str:
        same = self.same(key, "s", "t")
        return f"DELETE FROM {self.qualified(target)} AS t USING {self.qualified(place)} AS s WHERE {same}"

    @override
    def mark_updated(self, step: MarkUpdated, place: Relation, target: Relation) -> str:
        value = f"{self.quoted(step.column)} = {self.text_literal(step.value)}"
        known = f"SELECT DISTINCT {self._names(step.key)} FROM {self.qualified(target)}"
        return (
            f"UPDATE {self.qualified(place)} AS s SET {value}"
            f" FROM ({known}) AS t WHERE {self.same(step.key, 's', 't')}"
        )

    @override
    def delete_missing(self, step: DeleteMissing, target: Relation) -> str:
        return (
            f"DELETE FROM {self.qualified(target)} USING {self._gone(step, target)}"
            f" WHERE {self._is_gone(step, target)}"
        )

    @override
    def mark_missing(self, step: MarkMissing, target: Relation) -> str:
        marks = ", ".join(
            f"{self.quoted(name)} = {self.text_literal(text)}" for name, text in step.marks.items()
        )
        told_by = self.quoted(step.told_by)
        other = "" if step.any_value else f" OR {told_by} <> {self.text_literal(step.marks[step.told_by])}"
        return (
            f"UPDATE {self.qualified(target)} SET {marks} FROM {self._gone(step, target)}"
            f" WHERE ({told_by} IS NULL{other}) AND {self._is_gone(step, target)}"
        )

    def _gone(self, step: DeleteMissing | MarkMissing, target: Relation) -> str:
        """The keys that only the target has, by other names. A set's difference takes NULL for a value."""
        own = ", ".join(
            f'{self.quoted(name)} AS "{_KEY}{index}"' for index, name in enumerate(step.key.names)
        )
        present = f"SELECT {self._names(step.key)} FROM {self.qualified(step.present)}"
        return f"(SELECT {own} FROM {self.qualified(target)} EXCEPT {present}) AS g"

    def _is_gone(self, step: DeleteMissing | MarkMissing, target: Relation) -> str:
        same = " AND ".join(
            f'EQUAL_NULL({self.qualified(target)}.{self.quoted(name)}, g."{_KEY}{index}")'
            for index, name in enumerate(step.key.names)
        )
        return f"(\n{step.where}\n) AND {same}" if step.where else same

    def _names(self, key: Key) -> str:
        return ", ".join(self.quoted(name) for name in key.names)
