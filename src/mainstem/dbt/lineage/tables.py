"""The tables that a query may read, and what is found out about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Origin", "Origins", "QueryLineage", "Table", "Tables", "UntracedError"]


class UntracedError(Exception):
    """Something of a query cannot be traced; the message is why, as a part of a sentence."""


@dataclass(frozen=True)
class Table:
    """A table that the query may read.

    Attributes:
        unique_id: Its dbt node.
        name: Its name.
        schema: Its schema, where it has one.
        database: Its database, where it has one.
        columns: Its columns. ``None`` where none is known.
        complete: These are all that it has.
    """

    unique_id: str
    name: str
    schema: str | None = None
    database: str | None = None
    columns: Sequence[str] | None = None
    complete: bool = True

    def __post_init__(self) -> None:
        # So that what is made of a table can be kept by it.
        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))


@dataclass(frozen=True, order=True)
class Origin:
    """A column that another one is made of.

    Attributes:
        unique_id: The dbt node of its table.
        column: Its name.
    """

    unique_id: str
    column: str


Origins = frozenset[Origin]


@dataclass(frozen=True)
class QueryLineage:
    """What a query's columns are made of.

    Attributes:
        columns: For each column its origins: none for one that is made of no other, such as a constant. A
            column is missing where its origins cannot be told.
        rows: The columns that choose the rows, group them or put them in order: of ``where``, ``join``,
            ``group by`` and the like, in the query and in whatever is nested in it.
        complete: The columns are all that the query has.
        problems: What is not traced, and why, in parts of sentences. Where there is none, all is told.
    """

    columns: Mapping[str, Sequence[Origin]] = field(default_factory=dict)
    rows: Sequence[Origin] = ()
    complete: bool = True
    problems: Sequence[str] = ()


class Tables:
    """Finds a table by the names that a query calls it by.

    Args:
        tables: The tables.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self._found: dict[tuple[str, ...], list[Table]] = {}
        for table in tables:
            for name in _names(table):
                self._found.setdefault(tuple(part.lower() for part in name), []).append(table)

    def find(self, path: Sequence[str]) -> Table:
        """Return a table by its name, with as many parts as are written.

        Raises:
            UntracedError: There is none, or there are several.
        """
        found = self._found.get(tuple(part.lower() for part in path), [])
        if len(found) > 1:
            found = [table for table in found if tuple(path) in _names(table)]
        if len(found) != 1:
            why = "is not one table" if found else "is no table that dbt knows of here"
            raise UntracedError(f"{'.'.join(path)} {why}")
        return found[0]


def _names(table: Table) -> Iterator[tuple[str, ...]]:
    """Yield the names by which a query may call the table, the shortest first."""
    name: tuple[str, ...] = (table.name,)
    yield name
    for part in (table.schema, table.database):
        if part is None:
            return
        name = (part, *name)
        yield name
