"""The placeholders of custom SQL, and the conditions that a range makes (spec §1.9)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mainstem.endpoints import Source
from mainstem.errors import Position, ReplicationError
from mainstem.replication.ranges import Range
from mainstem.schema import Column

__all__ = ["EVERYTHING", "range_condition", "range_placeholders", "sql_text"]

# What the placeholders mean where nothing bounds the stream.
EVERYTHING: Mapping[str, str] = {
    "incremental_where_cond": "1=1",
    "incremental_value": "null",
    "where_cond": "1=1",
    "where_clause": "1=1",
    "start_value": "null",
    "end_value": "null",
}


def range_condition(bounds: Range, key: Column, source: Source) -> str:
    """The condition that keeps a stream within a range, both ends included."""
    name = source.ordered(key)
    start, end = source.literal(bounds.start, key), source.literal(bounds.end, key)
    return f"{name} >= {start} and {name} <= {end}"


def range_placeholders(bounds: Range, key: Column, source: Source) -> Mapping[str, str]:
    """What the placeholders mean within a range."""
    return {
        "incremental_where_cond": range_condition(bounds, key, source),
        "incremental_value": source.literal(bounds.start, key),
        "start_value": source.literal(bounds.start, key),
        "end_value": source.literal(bounds.end, key),
    }


def sql_text(sql: str, document: str, position: Position) -> str:
    """Return SQL, from its file where it is a ``file://`` path.

    Args:
        sql: The SQL itself, or ``file://`` and a path: from the working directory, or else from beside the
            replication.
        document: The replication's own path.
        position: Where it stands.

    Raises:
        ReplicationError: The file cannot be read.
    """
    if not sql.startswith("file://"):
        return sql.strip().rstrip(";")
    given = Path(sql.removeprefix("file://"))
    for path in (given, Path(document).parent / given):
        if path.is_file():
            try:
                return path.read_text(encoding="utf-8-sig").strip().rstrip(";")
            except (OSError, UnicodeDecodeError) as error:
                raise ReplicationError(f"The SQL file {path} cannot be read.", position=position) from error
    raise ReplicationError(
        f"There is no SQL file {given}.", position=position, hint="The path starts at the working directory."
    )
