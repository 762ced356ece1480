"""What a table format's library does for us: list tables, read a snapshot, commit the next one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import pyarrow as pa

from mainstem.schema import Relation

__all__ = ["LakeTables"]


class LakeTables(ABC):
    """The tables of a lake. A commit is visible as a whole, or not at all."""

    @abstractmethod
    def names(self) -> Sequence[Relation]:
        """The tables that are there, sorted."""

    @abstractmethod
    def version(self, table: Relation) -> str | None:
        """The table's snapshot, which is another one after each commit; ``None`` where there is no table."""

    @abstractmethod
    def schema(self, table: Relation) -> pa.Schema:
        """The columns of the present snapshot."""

    @abstractmethod
    def open(self, table: Relation) -> pa.RecordBatchReader:
        """Read the present snapshot.

        Raises:
            EndpointError: It has something that the library does not read.
        """

    @abstractmethod
    def replace(self, table: Relation, rows: pa.RecordBatchReader) -> None:
        """Commit a snapshot that has these rows and columns, and no others. The table is made if need be."""

    @abstractmethod
    def append(self, table: Relation, rows: pa.RecordBatchReader) -> None:
        """Commit a snapshot that has these rows besides those that are there."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what is open."""
