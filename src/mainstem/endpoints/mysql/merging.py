"""The steps of a publish in MySQL's SQL: changes of rows by joins, which go by an index of either table."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
from typing_extensions import override

from mainstem.endpoints.mysql.types import SHAPES, base_name, modifier
from mainstem.endpoints.sql import SqlTarget
from mainstem.endpoints.steps import (
    Deduplicate,
    Delete,
    DeleteMissing,
    Insert,
    Key,
    MarkMissing,
    MarkUpdated,
    Step,
    Update,
)
from mainstem.schema import Relation

__all__ = ["KNOWN", "MySQLSteps", "keys_of"]

# Columns that a staging table gets while its rows are merged.
_ROW_ID = "`__mainstem_row_id`"
KNOWN = "`__mainstem_known`"

_SECONDS_DIGITS = 6
_ZONE = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d+)?)\+00:00")
# An index reads so many characters of all its texts together, and has so many columns.
_INDEXED_CHARACTERS = 700
_INDEXED_COLUMNS = 16
_CUT_BLOBS = frozenset({"tinytext", "text", "mediumtext", "tinyblob", "blob", "mediumblob"})
_CUT = {"datetime": "datetime", "timestamp": "datetime", "time": "time"}


class MySQLSteps(SqlTarget):
    """The steps that change rows."""

    row_id = _ROW_ID

    # The columns of the target that are published to whose texts compare otherwise than those that we stage.
    _inexact: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def exact_collation(self) -> str:
        """The collation of the texts that are staged: all that differ are told apart."""

    @override
    def statements(self, step: Step, place: Relation, target: Relation) -> Sequence[str]:
        if isinstance(step, Insert) and step.unless is not None:
            plain = self.insert(Insert(step.columns, step.natives), place, target)
            known = self._joined(step.unless, place, target)
            return [f"UPDATE {known} SET s.{KNOWN} = 1", f"{plain} WHERE s.{KNOWN} = 0"]
        if isinstance(step, Deduplicate):
            staged = self.qualified(place)
            # The hidden order of a table without a key is that in which rows came.
            number = f"{_ROW_ID} BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"
            return [
                f"ALTER TABLE {staged} ADD COLUMN {number}",
                self.deduplicate(step, place),
                f"ALTER TABLE {staged} DROP COLUMN {_ROW_ID}",
            ]
        return super().statements(step, place, target)

    def preparations(self, steps: Sequence[Step], place: Relation) -> Sequence[str]:
        """What makes joins of staging tables quick. Each statement is a transaction by itself."""
        found = []
        for table, key in keys_of(steps, place).items():
            adds = [f"ADD INDEX ({', '.join(columns)})"] if (columns := self._indexed(key)) else []
            if table == place and any(isinstance(step, Insert) and step.unless for step in steps):
                adds.append(f"ADD COLUMN {KNOWN} TINYINT NOT NULL DEFAULT 0")
            if adds:
                found.append(f"ALTER TABLE {self.qualified(table)} {', '.join(adds)}")
            # Else the server may take a table that was just filled for empty.
            found.append(f"ANALYZE TABLE {self.qualified(table)}")
        return found

    def _indexed(self, key: Key) -> list[str]:
        natives = [(column.name, base_name(self.native_type(column).sql)) for column in key.columns]
        length = min(191, _INDEXED_CHARACTERS // len(natives)) if natives else 0
        plain = [(name, native) for name, native in natives if native not in {*SHAPES, "json", "vector"}]
        return [
            f"{self.quoted(name)}({length})" if native.endswith(("text", "blob")) else self.quoted(name)
            for name, native in plain[:_INDEXED_COLUMNS]
        ]

    def _joined(self, key: Key, place: Relation, target: Relation) -> str:
        staged, table = self.qualified(place), self.qualified(target)
        return f"{table} AS t JOIN {staged} AS s ON {self.same(key, 's', 't')}"

    @override
    def update(self, step: Update, place: Relation, target: Relation) -> str:
        values = ", ".join(
            f"t.{self.quoted(column.name)} = {self._value(column, step.natives)}" for column in step.columns
        )
        return f"UPDATE {self._joined(step.key, place, target)} SET {values}"

    @override
    def delete(self, key: Key, place: Relation, target: Relation) -> str:
        return f"DELETE t FROM {self._joined(key, place, target)}"

    @override
    def mark_updated(self, step: MarkUpdated, place: Relation, target: Relation) -> str:
        value = f"s.{self.quoted(step.column)} = {self.text_literal(step.value)}"
        return f"UPDATE {self._joined(step.key, place, target)} SET {value}"

    @override
    def mark_missing(self, step: MarkMissing, target: Relation) -> str:
        # A moment is stored in UTC, and without saying so.
        marks = {name: _ZONE.sub(r"\1", text) for name, text in step.marks.items()}
        return super().mark_missing(replace(step, marks=marks), target)

    @override
    def deduplicate(self, step: Deduplicate, place: Relation) -> str:
        keys = ", ".join(self.quoted(column.name) for column in step.key.columns)
        # NULL is the least here too.
        newest = f"{self.quoted(step.newest_by.name)} DESC, " if step.newest_by is not None else ""
        staged = self.qualified(place)
        rank = f"row_number() OVER (PARTITION BY {keys} ORDER BY {newest}{_ROW_ID} DESC) AS place"
        ranked = f"SELECT {_ROW_ID} AS row_id, {rank} FROM {staged}"
        return (
            f"DELETE s FROM {staged} AS s JOIN ({ranked}) AS ranked ON ranked.row_id = s.{_ROW_ID}"
            " WHERE ranked.place > 1"
        )

    @override
    def same(self, key: Key, one: str, other: str) -> str:
        conditions = []
        for column in key.columns:
            left, right = (f"{alias}.{self.quoted(column.name)}" for alias in (one, other))
            if column.name in self._inexact:
                right = f"convert({right} using utf8mb4) collate {self.exact_collation}"
            conditions.append(f"{left} {'<=>' if column.name in key.with_nulls else '='} {right}")
        return " AND ".join(conditions)

    @override
    def assigned(self, column: str, kind: pa.DataType, native: str | None) -> str:
        base, (digits, _) = base_name(native or ""), modifier(native or "")
        if base in _CUT and digits < _SECONDS_DIGITS:
            # The server would round or cut without a word: give it what it refuses.
            cut = f"cast({column} as {_CUT[base]}({digits}))"
            beyond = f"concat('would be cut off: ', {column})"
            return f"case when {column} is null or {column} = {cut} then {column} else {beyond} end"
        if base in _CUT_BLOBS:
            # Copied as it is, what is too long would become some other text, and no warning would say so.
            return f"concat({column})"
        if base == "char":
            return f"if({column} like '% ', {_too_long(column)}, {column})"
        if base == "binary":
            return f"if(length({column}) < {digits}, {_too_long(column)}, {column})"
        if base == "year":
            # Of a number of two digits it would make a year of its own.
            return f"if({column} between 1 and 99, -1, {column})"
        return column


def _too_long(column: str) -> str:
    """What the server refuses where it would pad a value, or take blanks off."""
    return f"concat({column}, repeat('.', 256))"


def keys_of(steps: Sequence[Step], place: Relation) -> Mapping[Relation, Key]:
    """By which keys which staging tables are joined."""
    found: dict[Relation, Key] = {}
    for step in steps:
        if isinstance(step, (Update, Delete, MarkUpdated)):
            found[place] = step.key
        elif isinstance(step, Insert) and step.unless is not None:
            found[place] = step.unless
        elif isinstance(step, (DeleteMissing, MarkMissing)):
            found[step.present] = step.key
    return found
