"""Whose SQL conditions on files are written in: DuckDB computes them, over what is read of the files."""

from __future__ import annotations

__all__ = ["DIALECT"]

# What sqlglot calls it.
DIALECT = "duckdb"
