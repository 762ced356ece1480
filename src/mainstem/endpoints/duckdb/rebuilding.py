"""A table made anew with another type of a column, where DuckDB cannot change it in place.

It cannot where an index or a key of the table is in the way. All of it is part of the publishing transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb

from mainstem.errors import EndpointError
from mainstem.schema import Relation

__all__ = ["change_statements"]

_IN_TABLE = """
 WHERE lower(database_name) = lower(coalesce($1, current_database()))
   AND lower(schema_name) = lower($2) AND lower(table_name) = lower($3)
"""
_TABLE = f"SELECT sql, comment FROM duckdb_tables() {_IN_TABLE}"
_INDEXES = f"SELECT sql FROM duckdb_indexes() {_IN_TABLE} ORDER BY index_name"
_KEYED = f"""
SELECT DISTINCT lower(unnest(constraint_column_names)) FROM duckdb_constraints() {_IN_TABLE}
   AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY', 'CHECK')
"""
_COLUMNS = f"SELECT column_name, data_type, comment FROM duckdb_columns() {_IN_TABLE} ORDER BY column_index"

_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SUFFIX = "__mainstem_rebuilt"


def change_statements(
    connection: duckdb.DuckDBPyConnection, table: Relation, column: str, native: str
) -> Sequence[str]:
    """The statements that give a column another type.

    Args:
        connection: The connection.
        table: The table, with its schema.
        column: The column.
        native: Its new type.

    Raises:
        EndpointError: The table has something that cannot be made anew.
    """
    name = _quoted(column)
    value = f"CAST({name} AS {native})"
    place = [table.database, table.schema, table.name]
    indexes = [row[0] for row in connection.execute(_INDEXES, place).fetchall()]
    keyed = {row[0] for row in connection.execute(_KEYED, place).fetchall()}
    if not indexes and column.lower() not in keyed:
        return [f"ALTER TABLE {_whole(table)} ALTER COLUMN {name} TYPE {native} USING {value}"]
    ((sql, comment),) = connection.execute(_TABLE, place).fetchall()
    columns = connection.execute(_COLUMNS, place).fetchall()
    old = next((each, kind) for each, kind, _ in columns if each.lower() == column.lower())
    rebuilt = Relation(table.schema, f"{table.name}{_SUFFIX}", table.database)
    comments = [(f"TABLE {_whole(table)}", comment)]
    comments += [(f"COLUMN {_whole(table)}.{_quoted(each)}", said) for each, _, said in columns]
    return [
        f"CREATE TABLE {_whole(rebuilt)}{_changed(_body(sql), table, old, column, native)}",
        f"INSERT INTO {_whole(rebuilt)} SELECT * REPLACE ({value} AS {name}) FROM {_whole(table)}",
        f"DROP TABLE {_whole(table)}",
        f"ALTER TABLE {_whole(rebuilt)} RENAME TO {_quoted(table.name)}",
        *indexes,
        *(f"COMMENT ON {what} IS {_literal(said)}" for what, said in comments if said is not None),
    ]


def _body(sql: str) -> str:
    """A table's definition from its first bracket on: without its name."""
    return sql[_QUOTED.sub(lambda quoted: "q" * len(quoted.group()), sql).index("(") :]


def _changed(body: str, table: Relation, old: tuple[str, str], column: str, native: str) -> str:
    """The definition with another type of one column."""
    name, kind = old
    for spelled in (name, _quoted(name)):
        for before in ("(", ", "):
            found = f"{before}{spelled} {kind}"
            if body.count(found) == 1 and " GENERATED ALWAYS " not in body:
                return body.replace(found, f"{before}{spelled} {native}")
    raise EndpointError(
        f"{table} has an index or a key that keeps DuckDB from changing the type of {column}, and cannot be"
        " made anew.",
        hint="Drop the index or the key, or load the table once with `mode: full-refresh`.",
    )


def _whole(relation: Relation) -> str:
    parts = (relation.database, relation.schema, relation.name)
    return ".".join(_quoted(part) for part in parts if part)


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
