"""Targets that faults befall: how a stream names them, how they are looked at, and what can befall them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mainstem.connections import connection_of
from mainstem.endpoints import SqlTarget
from mainstem.endpoints.registry import open_target
from mainstem.errors import RelationNotFoundError
from mainstem.schema import Relation
from mainstem.testing.faults import Action

__all__ = ["COLUMNS", "FileVictim", "State", "TableVictim", "Victim"]

COLUMNS = ("id", "name", "k")
# The rows of a target, in order; None where there is no such target.
State = tuple[tuple[Any, ...], ...] | None


@dataclass(frozen=True)
class Victim(ABC):
    """Somewhere that a stream writes to. It is sent to other processes.

    Attributes:
        name: What it is called in a test's id.
        url: Its connection.
        actions: What can befall a run that writes there.
        is_alone: No other process can look while a run writes.
        folder: What else a run may leave there; ``None`` where it leaves no files.
        refuses: Modes that the plan refuses here, by their names in the matrix.
        shows_parts: Who looks during the publish itself may see a part of it, as documented.
    """

    name: str
    url: Any
    actions: frozenset[Action]
    is_alone: bool = False
    folder: Path | None = None
    refuses: frozenset[str] = frozenset()
    shows_parts: bool = False

    @abstractmethod
    def object(self, table: str) -> str:
        """How a stream names a table."""

    @abstractmethod
    def looking(self, table: str) -> AbstractContextManager[Callable[[], State]]:
        """A connection of its own, through which a table is looked at as often as one likes."""

    @abstractmethod
    def tables(self) -> list[str]:
        """Everything that another program would see there."""

    def look(self, table: str) -> State:
        """Look at a table once."""
        with self.looking(table) as look:
            return look()


@dataclass(frozen=True)
class TableVictim(Victim):
    """Tables of a database or a lake.

    Attributes:
        schema: The schema that is the test's own.
    """

    schema: str = "main"

    def object(self, table: str) -> str:
        """How a stream names a table."""
        return f'"{self.schema}"."{table}"'

    @contextmanager
    def looking(self, table: str) -> Iterator[Callable[[], State]]:
        """A connection of its own."""
        with self._opened() as endpoint:
            relation = Relation(self.schema, table)
            columns = ", ".join(COLUMNS)

            def look() -> State:
                if endpoint.find(relation) is None:
                    return None
                found = endpoint.execute(f"select {columns} from {endpoint.qualified(relation)}")
                return _in_order(found.columns)

            yield look

    def tables(self) -> list[str]:
        """The tables and views of the schema."""
        with self._opened() as endpoint:
            return sorted(entry.relation.name for entry in endpoint.catalog(self.schema))

    @contextmanager
    def _opened(self) -> Iterator[SqlTarget]:
        with open_target(connection_of(self.name.upper(), self.url)) as endpoint:
            if not isinstance(endpoint, SqlTarget):
                raise TypeError(f"{self.name} has no tables.")
            yield endpoint


@dataclass(frozen=True)
class FileVictim(Victim):
    """Parquet files: one file a table, or a folder of many."""

    def object(self, table: str) -> str:
        """How a stream names a table."""
        return f"{self.folder}/{table}/*.parquet" if self.shows_parts else f"{self.folder}/{table}.parquet"

    @contextmanager
    def looking(self, table: str) -> Iterator[Callable[[], State]]:
        """As a program that lists what is there, and reads it."""

        def look() -> State:
            if self.folder is None:
                raise TypeError("It has no folder.")
            single = self.folder / f"{table}.parquet"
            found = sorted((self.folder / table).glob("[!.]*.parquet")) if self.shows_parts else [single]
            try:
                parts = [pq.read_table(path, columns=list(COLUMNS)) for path in found]
            except FileNotFoundError:
                return None
            return _in_order(pa.concat_tables(parts).columns) if parts else None

        yield look

    def tables(self) -> list[str]:
        """Every path below the folder, hidden ones too."""
        if self.folder is None:
            raise RelationNotFoundError("It has no folder.")
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


def _in_order(columns: Sequence[pa.ChunkedArray[Any]]) -> State:
    rows = zip(*(map(_plain, column.to_pylist()) for column in columns), strict=True)
    return tuple(sorted(rows, key=str))


def _plain(value: Any) -> Any:
    """A number, however a system calls it."""
    return int(value) if isinstance(value, Decimal) else value
