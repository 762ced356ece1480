"""SQLite."""

from mainstem.endpoints.sqlite.target import SQLite

__all__ = ["SQLite"]
