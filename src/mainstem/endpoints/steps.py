"""The steps of a publish, as data. A strategy lists them; a target carries them out in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mainstem.schema import Relation

__all__ = [
    "AddColumn",
    "Call",
    "ChangeType",
    "Create",
    "Deduplicate",
    "Delete",
    "DeleteMissing",
    "Empty",
    "Insert",
    "Key",
    "MarkMissing",
    "MarkUpdated",
    "RunSql",
    "Step",
    "Swap",
    "TableKey",
    "Update",
]


@dataclass(frozen=True)
class Key:
    """By which columns a staged row and a row of the target are the same.

    Attributes:
        columns: They, as they are staged; the names are the same in both tables.
        with_nulls: The names of those in which a staged row has NULL; there NULL equals NULL.
    """

    columns: Sequence[pa.Field[Any]]
    with_nulls: frozenset[str] = frozenset()

    @property
    def names(self) -> Sequence[str]:
        """The columns' names."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class TableKey:
    """A key that the target's table gets when it is made (`table_keys`, spec §4.2).

    Attributes:
        kind: ``primary``, ``unique`` or ``index``.
        columns: Its columns, in order, by their names in the target.
        name: The index's name; ``None`` for one made of the table's and the columns'.
    """

    kind: str
    columns: Sequence[str]
    name: str | None = None


class Step:
    """One step. It changes either what the table is (its definition), or what is in it."""

    changes_definition = False


@dataclass(frozen=True)
class Swap(Step):
    """The staging table becomes the target, in the old one's stead if there is one.

    Attributes:
        keys: The keys that the new table gets.
        definition: The user's own statement that creates the target (`table_ddl`), which then takes the
            staged rows; ``None`` for the staging table's.
        columns: The staged columns' names, for the insert into a table of the user's definition.
    """

    keys: Sequence[TableKey] = ()
    definition: str | None = None
    columns: Sequence[str] = ()

    changes_definition = True


@dataclass(frozen=True)
class Create(Step):
    """The target is made, without rows.

    Attributes:
        schema: Its columns.
        keys: The keys that it gets.
        definition: The user's own statement (`table_ddl`); ``None`` for one made of the columns.
    """

    schema: pa.Schema
    keys: Sequence[TableKey] = ()
    definition: str | None = None

    changes_definition = True


@dataclass(frozen=True)
class AddColumn(Step):
    """The target gets a column, NULL in the rows that are there."""

    column: pa.Field[Any]

    changes_definition = True


@dataclass(frozen=True)
class ChangeType(Step):
    """A column of the target gets a wider type; its values stay.

    Attributes:
        column: Its name, with the new type.
    """

    column: pa.Field[Any]

    changes_definition = True


@dataclass(frozen=True)
class Empty(Step):
    """All rows of the target go, its definition stays."""


@dataclass(frozen=True)
class Insert(Step):
    """Staged rows go into the target.

    Attributes:
        columns: The columns, as they are staged; the names are the same in both tables.
        natives: The target's types of these columns, in its own words, by name.
        unless: Leave out the rows whose key the target has already; ``None`` for none.
    """

    columns: Sequence[pa.Field[Any]]
    natives: Mapping[str, str] = field(default_factory=dict)
    unless: Key | None = None


@dataclass(frozen=True)
class Update(Step):
    """Rows of the target take the values of the staged rows with the same key.

    Attributes:
        key: The key.
        columns: The columns that are taken; without those of the key. It may be empty: nothing happens.
        natives: As in :class:`Insert`.
    """

    key: Key
    columns: Sequence[pa.Field[Any]]
    natives: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete(Step):
    """The rows of the target whose key is staged go."""

    key: Key


@dataclass(frozen=True)
class Deduplicate(Step):
    """Of staged rows with the same key, the last one stays: by a column, and then by arrival.

    Attributes:
        key: The key.
        newest_by: The column whose greatest value wins; NULL is the least. ``None``: the last that arrived.
        staged: The names of all staged columns.
    """

    key: Key
    newest_by: pa.Field[Any] | None = None
    staged: Sequence[str] = ()


@dataclass(frozen=True)
class MarkUpdated(Step):
    """Staged rows whose key the target has already get a value.

    Attributes:
        key: The key.
        column: The staged column.
        value: The text that it gets.
    """

    key: Key
    column: str
    value: str


@dataclass(frozen=True)
class DeleteMissing(Step):
    """The rows of the target whose key the source does not have any more go (`delete_missing: hard`).

    Attributes:
        key: The key.
        present: A table of the keys that the source has.
        where: Only rows for which this holds, in the target's SQL.
    """

    key: Key
    present: Relation
    where: str | None = None


@dataclass(frozen=True)
class MarkMissing(Step):
    """As :class:`DeleteMissing`, but the rows are marked, those that are not marked yet (`soft`).

    Attributes:
        key: The key.
        present: A table of the keys that the source has.
        marks: What the marked rows get: values as text, by column.
        told_by: The column that tells a marked row: it has its mark, or with ``any_value`` any value at all.
        any_value: Whether a row is marked as soon as that column is not NULL.
        where: Only rows for which this holds, in the target's SQL.
    """

    key: Key
    present: Relation
    marks: Mapping[str, str]
    told_by: str
    any_value: bool = True
    where: str | None = None


@dataclass(frozen=True)
class Call(Step):
    """Something of the run's own at this place, in the same transaction; raising rolls it back.

    Attributes:
        action: Called with the target.
    """

    action: Callable[[Any], object]


@dataclass(frozen=True)
class RunSql(Step):
    """A statement of its own, in the same transaction."""

    sql: str
