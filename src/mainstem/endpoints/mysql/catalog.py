"""What the server's catalogue tells: tables, views, columns and keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pymysql.constants import FIELD_TYPE, FLAG

from mainstem.endpoints.base import CatalogEntry, SourceTable, match_name
from mainstem.endpoints.mysql.session import Session, WireField
from mainstem.endpoints.mysql.types import SHAPES, arrow_type, base_name
from mainstem.errors import RelationNotFoundError
from mainstem.schema import Column, Relation

__all__ = ["columns_of", "entries", "statistics", "table", "wire_type"]

# Databases that are the server's own.
_SYSTEM = frozenset({"mysql", "information_schema", "performance_schema", "sys", "ndbinfo"})
_VIEWS = frozenset({"VIEW", "SYSTEM VIEW"})
_NO_TABLES = frozenset({"SEQUENCE"})

_TABLES = "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = %s"
_TABLE = (
    "SELECT table_schema, table_name, table_rows, table_comment, table_type FROM information_schema.tables"
    " WHERE table_schema = %s AND table_name = %s"
)
_COLUMNS = (
    "SELECT table_name, column_name, column_type, is_nullable, column_comment"
    " FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
)
_KEY = (
    "SELECT table_name, column_name FROM information_schema.statistics"
    " WHERE table_schema = %s AND table_name = %s AND index_name = 'PRIMARY' ORDER BY seq_in_index"
)
_CHECKS = (
    "SELECT table_name, check_clause FROM information_schema.check_constraints"
    " WHERE constraint_schema = %s AND table_name = %s AND check_clause LIKE 'json_valid(%%'"
)
_STATISTICS = (
    "SELECT table_name, data_length, index_length, table_rows FROM information_schema.tables"
    " WHERE table_schema = %s AND table_name = %s"
)
_STATISTICS_NAMES = ("data_bytes", "index_bytes", "estimated_rows")
_IS_JSON = re.compile(r"json_valid\(`((?:[^`]|``)+)`\)")


def entries(session: Session, schema: str | None, name: str | None = None) -> Sequence[CatalogEntry]:
    """List tables and views, sorted by name; those of one name in any case, where one is given."""
    alike, named = ("", ()) if name is None else (" AND lower(table_name) = lower(%s)", (name,))
    known = [str(row[0]) for row in session.rows("SELECT schema_name FROM information_schema.schemata")]
    if schema is None:
        chosen = [name for name in known if name.lower() not in _SYSTEM]
    else:
        chosen = [name for name in known if name.lower() == schema.lower()]
    found = [
        CatalogEntry(Relation(owner, table_name), kind in _VIEWS)
        for database in chosen
        for owner, table_name, kind in session.rows(_TABLES + alike, database, *named)
        # The server compares names without their case and their accents.
        if owner == database and kind not in _NO_TABLES
    ]
    return sorted(found, key=lambda entry: (entry.relation.schema or "", entry.relation.name))


def find(session: Session, schema: str, name: str) -> CatalogEntry | None:
    """Look a table or view up by its exact name, without a look at its neighbours."""
    for owner, table_name, *_, kind in session.rows(_TABLE, schema, name):
        if (owner, table_name) == (schema, name) and kind not in _NO_TABLES:
            return CatalogEntry(Relation(owner, name), kind in _VIEWS)
    return None


def table(session: Session, relation: Relation, where: str) -> SourceTable:
    """Look a table or view up.

    Args:
        session: The connection.
        relation: Its name, with a database.
        where: The connection's name, for messages.

    Raises:
        RelationNotFoundError: It is not there, or its name is ambiguous.
    """
    schema, name = relation.schema or "", relation.name
    if find(session, schema, name) is None:
        schema, name = _alike(session, schema, name, where)
    rows = [row[2:] for row in session.rows(_TABLE, schema, name) if row[:2] == (schema, name)]
    estimate, comment, kind = rows[0] if rows else (None, None, "")
    return SourceTable(
        Relation(schema, name),
        _columns(session, schema, name),
        estimated_rows=None if estimate is None else int(estimate),
        primary_key=[str(row[1]) for row in session.rows(_KEY, schema, name) if row[0] == name],
        # Of a view it says VIEW.
        comment=str(comment) if comment and kind not in _VIEWS else None,
    )


def _alike(session: Session, schema: str, name: str, where: str) -> tuple[str, str]:
    """Find the only name that differs in case."""
    listed = entries(session, schema)
    if not listed:
        raise _no_such_schema(session, schema, where)
    schema = match_name(
        schema, {str(entry.relation.schema) for entry in listed}, what="database", where=where
    )
    names = {entry.relation.name for entry in listed if entry.relation.schema == schema}
    return schema, match_name(name, names, what="table", where=f"database {schema} of {where}")


def _columns(session: Session, schema: str, name: str) -> list[Column]:
    documents = _json_columns(session, schema, name)
    return [
        _column(str(column), "json" if column in documents else str(kind), nullable == "YES", comment or None)
        for owner, column, kind, nullable, comment in session.rows(_COLUMNS, schema, name)
        if owner == name
    ]


def _json_columns(session: Session, schema: str, name: str) -> frozenset[str]:
    if not session.server.json_is_checked_text:
        return frozenset()
    clauses = [_IS_JSON.fullmatch(row[1]) for row in session.rows(_CHECKS, schema, name) if row[0] == name]
    return frozenset(found.group(1).replace("``", "`") for found in clauses if found)


def statistics(session: Session, schema: str, name: str) -> Mapping[str, int | str]:
    """What the server keeps of a table without looking at its rows."""
    rows = [row[1:] for row in session.rows(_STATISTICS, schema, name) if row[0] == name]
    found = zip(_STATISTICS_NAMES, rows[0], strict=True) if rows else ()
    return {key: int(value) for key, value in found if value is not None}


def columns_of(fields: Sequence[WireField]) -> list[Column]:
    """The columns of a query."""
    return [_column(field.name, wire_type(field), nullable=True) for field in fields]


def _column(name: str, native: str, nullable: bool, comment: str | None = None) -> Column:
    base = base_name(native)
    notes = []
    if base in SHAPES:
        notes = [f"Column {name}: {native} travels as the hexadecimal digits of its bytes (SRID and WKB)"]
    return Column(name, native, arrow_type(native), nullable, comment, notes)


_WIRE_VECTOR = 242
_WHOLE_NUMBERS = {
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.INT24: "mediumint",
    FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint",
}
_WIRE_TYPES = {
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.NEWDATE: "date",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.GEOMETRY: "geometry",
    FIELD_TYPE.NULL: "longtext",
    _WIRE_VECTOR: "vector",
}


def wire_type(field: WireField) -> str:
    """The type of a query's column, by the name that the catalogue would give it.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html
    """
    sign = " unsigned" if field.flags & FLAG.UNSIGNED else ""
    if field.kind in _WHOLE_NUMBERS:
        # Of a length that was declared, only that of a truth value means something.
        is_truth = field.kind == FIELD_TYPE.TINY and field.length == 1
        return "tinyint(1)" if is_truth else f"{_WHOLE_NUMBERS[field.kind]}{sign}"
    if field.kind in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        digits = field.length - (field.scale > 0) - (not sign)
        return f"decimal({digits},{field.scale})"
    if field.kind == FIELD_TYPE.BIT:
        return f"bit({field.length})"
    if field.flags & (FLAG.ENUM | FLAG.SET):
        return "enum" if field.flags & FLAG.ENUM else "set"
    return _WIRE_TYPES.get(field.kind) or ("longblob" if field.is_bytes else "longtext")


def _no_such_schema(session: Session, schema: str, where: str) -> RelationNotFoundError:
    known = sorted(str(row[0]) for row in session.rows("SELECT schema_name FROM information_schema.schemata"))
    if schema.lower() in (name.lower() for name in known):
        return RelationNotFoundError(
            f"The database {schema} of {where} has no table or view that this user may see.",
            hint="Is the name right, and may the user read there?",
        )
    shown = ", ".join(name for name in known if name not in _SYSTEM) or "none that this user may see"
    return RelationNotFoundError(f"There is no database {schema} in {where}.", hint=f"There is: {shown}.")
