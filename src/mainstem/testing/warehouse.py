"""A DuckDB file, looked at from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

__all__ = ["Warehouse"]


class Warehouse:
    """A DuckDB file that is opened for each question, as another program would.

    Args:
        path: The file. It need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        """The file as a connection string."""
        return f"duckdb://{self.path}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(sql).fetchall()

    def tables(self) -> list[str]:
        """The tables, each as ``schema.name``, sorted."""
        found = self.query("select schema_name || '.' || table_name from duckdb_tables() order by 1")
        return [str(row[0]) for row in found]
