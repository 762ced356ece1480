"""What a stream reads, unbounded: a table or its own SQL."""

from __future__ import annotations

from mainstem.endpoints import Source, SourceTable
from mainstem.plan.placeholders import EVERYTHING, sql_text
from mainstem.reconcile.measure import Side
from mainstem.replication import Stream, Variables

__all__ = ["described", "is_custom_sql"]


def is_custom_sql(stream: Stream) -> bool:
    """Whether a stream reads SQL of its own."""
    return stream.sql is not None or stream.name.endswith(".sql")


def described(source: Source, stream: Stream, document: str) -> tuple[Side, SourceTable]:
    """What a stream reads, and its columns.

    Args:
        source: The open source.
        stream: The stream.
        document: The replication's own path, beside which SQL files lie.

    Raises:
        RelationNotFoundError: The table is not there.
        ReplicationError: The SQL's file cannot be read.
        EndpointError: The source does not accept the SQL, such as where it has a variable of the run.
    """
    if not is_custom_sql(stream):
        table = source.describe(source.relation(stream.name))
        return Side(source, table.relation), table
    written = stream.sql or f"file://{stream.name.removeprefix('file://')}"
    text = sql_text(written, document, stream.position)
    condition = (
        {"where_cond": f"({stream.where})", "where_clause": f"({stream.where})"} if stream.where else {}
    )
    sql = Variables({**EVERYTHING, "fields": "*", **condition}).in_sql(text)
    return Side(source, None, sql), source.describe_query(sql)
