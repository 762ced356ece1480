"""What a stream reads, unbounded: a table or its own SQL."""

from __future__ import annotations

from datetime import datetime

from mainstem.endpoints import Source, SourceTable
from mainstem.plan.placeholders import EVERYTHING, sql_text
from mainstem.reconcile.measure import Side
from mainstem.replication import Stream, StreamNames, Variables

__all__ = ["described", "is_custom_sql"]


def is_custom_sql(stream: Stream) -> bool:
    """Whether a stream reads SQL of its own."""
    return stream.sql is not None or stream.name.endswith(".sql")


def _variables(source: Source, stream: Stream) -> Variables:
    """What a run would put into the SQL, but for what only its target tells."""
    connection = source.connection
    return StreamNames(
        stream=stream.name,
        schema="",
        table=stream.name,
        full_name="",
        source=(connection.name, connection.type),
        target=("", ""),
        target_schema="",
        started=datetime.now().astimezone(),
        id=stream.id,
        description=stream.description,
        update_key=source.quoted(stream.update_key) if stream.update_key else None,
    ).variables()


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
    filled = _variables(source, stream).and_sql({**EVERYTHING, "fields": "*", **condition})
    sql = filled.in_sql(text, source.dialect)
    return Side(source, None, sql), source.describe_query(sql)
