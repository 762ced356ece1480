"""What the catalogue tells: tables, views, columns and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.base import CatalogEntry, SourceTable, match_name
from mainstem.endpoints.snowflake.literals import text_literal
from mainstem.endpoints.snowflake.session import Session
from mainstem.endpoints.snowflake.types import OPAQUE, arrow_type, base_name, native_of_field
from mainstem.errors import RelationNotFoundError
from mainstem.schema import Column, Relation

__all__ = ["columns_of", "comment_of", "entries", "find", "table"]

_SYSTEM = "INFORMATION_SCHEMA"
_VIEWS = frozenset({"VIEW", "MATERIALIZED VIEW"})


def entries(session: Session, database: str, schema: str | None) -> Sequence[CatalogEntry]:
    """List tables and views, sorted by name.

    Args:
        session: The session.
        database: The database, quoted.
        schema: Only of this one, whose case does not matter; ``None`` for all but the system's own.
    """
    where = f"table_schema <> '{_SYSTEM}'"
    if schema is not None:
        where = f"UPPER(table_schema) = UPPER({text_literal(schema)})"
    return sorted(
        _listed(session, database, where),
        key=lambda entry: (entry.relation.schema or "", entry.relation.name),
    )


def find(session: Session, database: str, schema: str, name: str) -> CatalogEntry | None:
    """Look a table or view up by its exact name, without a look at its neighbours."""
    where = f"table_schema = {text_literal(schema)} AND table_name = {text_literal(name)}"
    return next(iter(_listed(session, database, where)), None)


def comment_of(session: Session, database: str, schema: str, name: str) -> str | None:
    """What the catalogue says of a table."""
    return _facts(session, database, schema, name)[0]


def table(session: Session, database: str, relation: Relation, where: str) -> SourceTable:
    """Look a table or view up.

    Args:
        session: The session.
        database: The database, quoted.
        relation: Its name, with a schema.
        where: The connection's name, for messages.

    Raises:
        RelationNotFoundError: It is not there, or its name is ambiguous.
    """
    schema, name = relation.schema or "", relation.name
    entry = find(session, database, schema, name)
    if entry is None:
        schema, name = _alike(session, database, schema, name, where)
        entry = find(session, database, schema, name)
    whole = f"{database}.{_quoted(schema)}.{_quoted(name)}"
    comment, rows = _facts(session, database, schema, name)
    is_table = entry is not None and not entry.is_view
    keys = session.table(f"SHOW PRIMARY KEYS IN TABLE {whole}").to_pylist() if is_table else []
    return SourceTable(
        Relation(schema, name, relation.database),
        [_described(row) for row in session.table(f"DESCRIBE TABLE {whole}").to_pylist()],
        estimated_rows=rows,
        primary_key=[
            str(row["column_name"]) for row in sorted(keys, key=lambda row: int(row["key_sequence"]))
        ],
        comment=comment,
    )


def columns_of(schema: pa.Schema) -> list[Column]:
    """The columns of a query."""
    return [_column(field.name, native_of_field(field), nullable=True) for field in schema]


def _listed(session: Session, database: str, where: str) -> list[CatalogEntry]:
    # Snowflake lists views among its tables; not all that speak like it do.
    listed = f"FROM {database}.INFORMATION_SCHEMA"
    rows = session.rows(
        f"SELECT table_schema, table_name, table_type {listed}.TABLES WHERE {where}"
        f" UNION SELECT table_schema, table_name, 'VIEW' {listed}.VIEWS WHERE {where}"
    )
    found = {(str(schema), str(name)): str(kind) in _VIEWS for schema, name, kind in rows}
    return [CatalogEntry(Relation(schema, name), is_view) for (schema, name), is_view in found.items()]


def _facts(session: Session, database: str, schema: str, name: str) -> tuple[str | None, int | None]:
    rows = session.rows(
        f"SELECT comment, row_count FROM {database}.INFORMATION_SCHEMA.TABLES"
        f" WHERE table_schema = {text_literal(schema)} AND table_name = {text_literal(name)}"
    )
    comment, count = rows[0] if rows else (None, None)
    return (str(comment) if comment else None, None if count is None else int(count))


def _alike(session: Session, database: str, schema: str, name: str, where: str) -> tuple[str, str]:
    """Find the only name that differs in case."""
    listed = entries(session, database, schema)
    if not listed:
        raise _no_such_schema(session, database, schema, where)
    schema = match_name(schema, {str(entry.relation.schema) for entry in listed}, what="schema", where=where)
    names = {entry.relation.name for entry in listed if entry.relation.schema == schema}
    return schema, match_name(name, names, what="table", where=f"schema {schema} of {where}")


def _no_such_schema(session: Session, database: str, schema: str, where: str) -> RelationNotFoundError:
    rows = session.rows(f"SELECT schema_name FROM {database}.INFORMATION_SCHEMA.SCHEMATA ORDER BY 1")
    known = [str(row[0]) for row in rows if row[0] != _SYSTEM]
    if schema.lower() in (name.lower() for name in known):
        return RelationNotFoundError(
            f"The schema {schema} of {where} has no table or view that this role may see.",
            hint="Is the name right, and may the role read there?",
        )
    shown = ", ".join(known) or "none that this role may see"
    return RelationNotFoundError(f"There is no schema {schema} in {where}.", hint=f"There is: {shown}.")


def _described(row: dict[str, Any]) -> Column:
    native = str(row["type"])
    # Lengths that every column has of which none was declared.
    plain = base_name(native) if native in ("VARCHAR(16777216)", "BINARY(8388608)") else native
    return _column(str(row["name"]), plain, row["null?"] != "N", row.get("comment") or None)


def _column(name: str, native: str, nullable: bool, comment: str | None = None) -> Column:
    notes = []
    if base_name(native) in OPAQUE:
        notes = [f"Column {name}: {native} travels as text (EWKT)"]
    if base_name(native) == "TIMESTAMP_TZ":
        notes = [f"Column {name}: {native} travels in UTC, without the offsets that its values were given"]
    return Column(name, native, arrow_type(native), nullable, comment, notes)


def _quoted(identifier: str) -> str:
    doubled = identifier.replace('"', '""')
    return f'"{doubled}"'
