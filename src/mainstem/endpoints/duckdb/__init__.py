"""DuckDB, in a file or in memory."""

from mainstem.endpoints.duckdb.target import DuckDB

__all__ = ["DuckDB"]
