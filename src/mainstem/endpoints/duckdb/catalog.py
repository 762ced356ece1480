"""What DuckDB's catalogue says: relations, their columns, keys, comments and estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from mainstem.endpoints.base import CatalogEntry, SourceTable, match_name
from mainstem.endpoints.duckdb.carriage import described
from mainstem.errors import RelationNotFoundError
from mainstem.schema import Column, Relation

__all__ = [
    "FoundEntry",
    "describe_found",
    "describe_relation",
    "describe_sql",
    "find_relation",
    "list_relations",
    "sizes",
    "text_literal",
]

# https://duckdb.org/docs/stable/sql/meta/duckdb_table_functions
_TABLES = """
SELECT database_name, schema_name, table_name AS name, false AS is_view, comment, estimated_size
  FROM duckdb_tables() WHERE NOT internal
"""
_VIEWS = """
SELECT database_name, schema_name, view_name AS name, true AS is_view, comment, NULL AS estimated_size
  FROM duckdb_views() WHERE NOT internal
"""
_RELATIONS = f"{_TABLES} UNION ALL {_VIEWS}"

_LISTED = f"""
SELECT schema_name, name, is_view FROM ({_RELATIONS}) AS relations
 WHERE database_name = current_database() AND ({{0}} IS NULL OR lower(schema_name) = lower({{0}}))
 ORDER BY schema_name, name
"""

_COLUMNS_OF_ENTRY = "SELECT schema_name, name, is_view, comment, estimated_size FROM"
_ITS_DATABASE = "WHERE lower(database_name) = lower(coalesce({0}, current_database()))"
_IN_DATABASE = f"{_COLUMNS_OF_ENTRY} ({_RELATIONS}) AS relations {_ITS_DATABASE}"

# DuckDB's names have no case. Each question goes through all of a kind: what is asked for is a table, mostly.
_FOUND = [
    f"{_COLUMNS_OF_ENTRY} ({kind}) AS relations {_ITS_DATABASE}"
    " AND lower(schema_name) = lower({1}) AND lower(name) = lower({2})"
    for kind in (_TABLES, _VIEWS)
]

_SCHEMAS = """
SELECT schema_name FROM duckdb_schemas()
 WHERE schema_name NOT IN ('information_schema', 'pg_catalog')
   AND lower(database_name) = lower(coalesce({0}, current_database()))
"""

_SIZES = """
SELECT schema_name, table_name, estimated_size FROM duckdb_tables()
 WHERE NOT internal AND database_name = current_database()
"""

_DATABASES = "SELECT database_name FROM duckdb_databases() WHERE NOT internal"

_COLUMNS = """
SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns()
 WHERE lower(database_name) = lower(coalesce({0}, current_database()))
   AND schema_name = {1} AND table_name = {2}
 ORDER BY column_index
"""

_PRIMARY_KEY = """
SELECT constraint_column_names FROM duckdb_constraints()
 WHERE lower(database_name) = lower(coalesce({0}, current_database()))
   AND schema_name = {1} AND table_name = {2}
   AND constraint_type = 'PRIMARY KEY'
"""


@dataclass(frozen=True)
class FoundEntry(CatalogEntry):
    """A table or view that was looked up.

    Attributes:
        comment: Its comment.
        rows: How many rows it has about.
    """

    comment: str | None = None
    rows: int | None = None


def text_literal(text: str) -> str:
    """Render a text as a literal. DuckDB's own ends at a zero byte."""
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def list_relations(connection: duckdb.DuckDBPyConnection, schema: str | None) -> Sequence[CatalogEntry]:
    """List the tables and views of the connection's own database."""
    rows = _asked(connection, _LISTED, schema).fetchall()
    return [CatalogEntry(Relation(owner, name), is_view) for owner, name, is_view in rows]


def sizes(connection: duckdb.DuckDBPyConnection) -> Mapping[Relation, int]:
    """How many rows the tables of the connection's own database have about."""
    rows = connection.execute(_SIZES).fetchall()
    return {Relation(owner, name): size for owner, name, size in rows}


def find_relation(
    connection: duckdb.DuckDBPyConnection, relation: Relation, schema: str
) -> FoundEntry | None:
    """Find a table or view, whatever its case.

    Args:
        connection: The connection.
        relation: What is looked for.
        schema: Its schema, where it names none.
    """
    for question in _FOUND:
        row = _asked(connection, question, relation.database, schema, relation.name).fetchone()
        if row is not None:
            owner, name, is_view, comment, rows = row
            return FoundEntry(Relation(owner, name, relation.database), is_view, comment, rows)
    return None


def describe_relation(
    connection: duckdb.DuckDBPyConnection, relation: Relation, schema: str, where: str
) -> SourceTable:
    """Describe a table or view.

    Args:
        connection: The connection.
        relation: What is described.
        schema: Its schema, where it names none.
        where: The connection's name, for messages.

    Raises:
        RelationNotFoundError: It is not there.
    """
    wanted = Relation(schema, relation.name, _known_database(connection, relation.database, where))
    found = find_relation(connection, wanted, schema)
    if found is None:
        raise _not_there(connection, wanted, where)
    return describe_found(connection, found)


def describe_found(connection: duckdb.DuckDBPyConnection, found: FoundEntry) -> SourceTable:
    """Describe a table or view that was looked up."""
    relation = found.relation
    names = (relation.database, relation.schema, relation.name)
    columns = _asked(connection, _COLUMNS, *names).fetchall()
    if found.is_view:
        return SourceTable(relation, _columns_of_view(connection, relation, columns), comment=found.comment)
    key = _asked(connection, _PRIMARY_KEY, *names).fetchone()
    return SourceTable(
        relation,
        [described(each, kind, nullable=null, comment=said) for each, kind, null, said in columns],
        found.rows,
        primary_key=key[0] if key else (),
        comment=found.comment,
    )


def describe_sql(connection: duckdb.DuckDBPyConnection, sql: str) -> Sequence[Column]:
    """Describe the result of a query. DuckDB plans it, and does not run it."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM (\n{sql}\n) AS described").fetchall()
    return [described(name, kind) for name, kind, *_ in rows]


def _columns_of_view(
    connection: duckdb.DuckDBPyConnection,
    view: Relation,
    columns: Sequence[tuple[str, str, bool, str | None]],
) -> Sequence[Column]:
    """The columns as they are now: the catalogue has them as they were when the view was made."""
    parts = [part.replace('"', '""') for part in (view.database, view.schema, view.name) if part]
    comments = {name: comment for name, _, _, comment in columns}
    whole = ".".join(f'"{part}"' for part in parts)
    return [
        described(column.name, column.native_type, comment=comments.get(column.name))
        for column in describe_sql(connection, f"SELECT * FROM {whole}")
    ]


def _not_there(
    connection: duckdb.DuckDBPyConnection, relation: Relation, where: str
) -> RelationNotFoundError:
    """Say what is missing, and what there is instead."""
    rows = _asked(connection, _IN_DATABASE, relation.database).fetchall()
    schemas = {row[0] for row in _asked(connection, _SCHEMAS, relation.database).fetchall()}
    try:
        schema = match_name(relation.schema or "", schemas, what="schema", where=where)
        known = [row[1] for row in rows if row[0] == schema]
        match_name(relation.name, known, what="table", where=f"schema {schema} of {where}")
    except RelationNotFoundError as error:
        return error
    return RelationNotFoundError(f"There is no table {relation} in {where} any more.")


def _known_database(connection: duckdb.DuckDBPyConnection, database: str | None, where: str) -> str | None:
    if database is None:
        return None
    known = [row[0] for row in connection.execute(_DATABASES).fetchall()]
    try:
        return match_name(database, known, what="database", where=where)
    except RelationNotFoundError as error:
        raise RelationNotFoundError(
            error.message,
            hint=f"{error.hint} Another one is there once it is attached, in this process or by `pre_sql`.",
        ) from error


def _asked(
    connection: duckdb.DuckDBPyConnection, question: str, *names: str | None
) -> duckdb.DuckDBPyConnection:
    # DuckDB imports pandas to look at a parameter: that takes a tenth of a second, and thirty megabytes.
    return connection.execute(
        question.format(*("NULL" if name is None else text_literal(name) for name in names))
    )
