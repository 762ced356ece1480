"""SQLite as a source: what is in a file, and its rows as Arrow record batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import pyarrow as pa
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable, match_name
from mainstem.endpoints.comparable import Form, Written
from mainstem.endpoints.selecting import clauses
from mainstem.endpoints.sqlite import comparable
from mainstem.endpoints.sqlite.connecting import Database
from mainstem.endpoints.sqlite.decoding import NEGATIVE_ZERO, MisfitError, decoder_of
from mainstem.endpoints.sqlite.functions import BY_NUMBER, INSTANT
from mainstem.endpoints.sqlite.literals import literal_of
from mainstem.endpoints.sqlite.reading import Reader
from mainstem.endpoints.sqlite.types import affinity, arrow_type, is_wide_number
from mainstem.errors import RelationNotFoundError
from mainstem.schema import Column, Relation

__all__ = ["MAIN", "TEMP", "SQLiteSource"]

MAIN, TEMP = "main", "temp"

# https://www.sqlite.org/pragma.html#pragma_table_list, which has the tables behind a virtual one apart.
_TABLE_LIST = (3, 37, 0)
_DESCRIBED = "mainstem_described"
_HIDDEN = 1

_CATALOG = """
SELECT name, type = 'view' FROM {schema}.{master}
 WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '{described}'{shown}
 ORDER BY name
"""
_NO_SHADOWS = (
    " AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = '{schema}' AND type = 'shadow')"
)

# One of them, whatever its case, without a look at the others.
_ONE = """
SELECT name, type = 'view' FROM pragma_table_list(?)
 WHERE lower(schema) = ? AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""

# What stands for a kind of value where no declared type does.
_BY_KIND = {
    frozenset({"integer"}): "INTEGER",
    frozenset({"real"}): "REAL",
    frozenset({"integer", "real"}): "REAL",
    frozenset({"text"}): "TEXT",
    frozenset({"blob"}): "BLOB",
}
_KINDS = {int: "integer", float: "real", str: "text", bytes: "blob"}
# What newer versions call the type of an expression, by its affinity alone; it need not be a declared type.
_UNCERTAIN = frozenset({"", "NUM", "BLOB"})
# A limit that is none.
_EVERY = -1


class SQLiteSource(Source):
    """The reading half."""

    dialect = "sqlite"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._database = Database(connection)

    @cached_property
    def _session(self) -> sqlite3.Connection:
        return self._database.open()

    @override
    def connect(self) -> None:
        if self._database.exists:
            self._session  # noqa: B018 - made by being asked for
        else:
            # The first write makes it.
            self._database.check_folder()

    @property
    @override
    def default_schema(self) -> str:
        return MAIN

    @override
    def relation(self, name: str) -> Relation:
        found = super().relation(name)
        if found.schema is not None and found.schema.lower() != MAIN:
            raise RelationNotFoundError(
                f"There is no schema {found.schema} in {self.connection.name}: SQLite has one, {MAIN}.",
                hint=f"Write {MAIN}.{found.name}, or {found.name} alone.",
            )
        return Relation(MAIN, found.name)

    @override
    def close(self) -> None:
        self._database.close_all()

    @override
    def cancel(self) -> None:
        self._database.cancel()

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        owner = (schema or MAIN).lower()
        if owner not in (MAIN, TEMP):
            return []
        shown = _NO_SHADOWS.format(schema=owner) if sqlite3.sqlite_version_info >= _TABLE_LIST else ""
        master = "sqlite_temp_master" if owner == TEMP else "sqlite_master"
        rows = self._fetch(_CATALOG.format(schema=owner, master=master, described=_DESCRIBED, shown=shown))
        return [CatalogEntry(Relation(owner, name), bool(is_view)) for name, is_view in rows]

    @override
    def describe(self, relation: Relation) -> SourceTable:
        schema = relation.schema or MAIN
        found = self._named(schema, relation.name)
        if found is None:
            entries = {entry.relation.name: entry for entry in self.catalog(schema)}
            where = f"schema {schema} of {self.connection.name}"
            found = entries[match_name(relation.name, entries, what="table", where=where)]
        rows = self._fetch("SELECT * FROM pragma_table_xinfo(?, ?)", found.relation.name, schema.lower())
        shown = [row for row in rows if row[6] != _HIDDEN]
        declared = {name: (kind, bool(not_null)) for _, name, kind, not_null, *_ in shown}
        if found.is_view:
            kinds = self._determined(
                self.qualified(found.relation), {name: kind for name, (kind, _) in declared.items()}
            )
            return SourceTable(found.relation, [_column(name, kind) for name, kind in kinds.items()])
        columns = [_column(name, kind, not not_null) for name, (kind, not_null) in declared.items()]
        keys = sorted((row[5], row[1]) for row in shown if row[5])
        return SourceTable(
            found.relation, columns, self._estimate(found.relation), [name for _, name in keys]
        )

    def _named(self, schema: str, name: str) -> CatalogEntry | None:
        """Look a table or view up by its name, which has no case here."""
        if sqlite3.sqlite_version_info < _TABLE_LIST:
            same = (entry for entry in self.catalog(schema) if entry.relation.name.lower() == name.lower())
            return next(same, None)
        owner = schema.lower()
        rows = self._fetch(_ONE, name, owner)
        return next((CatalogEntry(Relation(owner, found), bool(is_view)) for found, is_view in rows), None)

    @override
    def describe_query(self, sql: str) -> SourceTable:
        query = f"(\n{sql}\n)"
        with self._database.errors():
            session = self._session
            self._database.patiently(lambda: session.execute(f"SELECT * FROM {query} LIMIT 0").close())
            # A view's columns have the declared types of the columns that they are.
            session.execute(f"DROP VIEW IF EXISTS temp.{_DESCRIBED}")
            session.execute(f"CREATE TEMP VIEW {_DESCRIBED} AS SELECT * FROM {query}")
            try:
                rows = self._fetch("SELECT name, type FROM pragma_table_info(?, ?)", _DESCRIBED, TEMP)
            finally:
                session.execute(f"DROP VIEW temp.{_DESCRIBED}")
        kinds = self._determined(query, dict(rows))
        return SourceTable(None, [_column(name, kind) for name, kind in kinds.items()])

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with self._database.errors():
            cursor = self._database.patiently(lambda: self._session.execute(sql))
            with _closing(cursor):
                names = [described[0] for described in cursor.description or ()]
                rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
        values = list(zip(*rows, strict=True)) or [() for _ in names]
        return pa.Table.from_arrays([_shown(column) for column in values], names=names)

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        # A connection of its own: a read transaction is one look at the file.
        with self._database.session() as session:
            reader = Reader(self._database, session, query, self._select(query))
            reader.begin()
            yield reader.batches()

    def _select(self, query: Query) -> str:
        """The query in SQL. Names are qualified: SQLite takes a quoted name that is no column for a text."""
        origin = "query" if query.relation is None else self.qualified(query.relation)
        items = ", ".join(_item(f"{origin}.{self.quoted(column.name)}", column) for column in query.columns)
        source = f"(\n{query.sql}\n) AS query" if query.relation is None else origin
        return f"SELECT {items} FROM {source}{clauses(query, self.ordered, _EVERY)}"

    @override
    def ordered(self, column: Column) -> str:
        name = self.quoted(column.name)
        kind = column.arrow_type
        if is_wide_number(kind):
            return f"{name} COLLATE {BY_NUMBER}"
        if pa.types.is_timestamp(kind):
            # With T or a blank, with or without seconds and their fraction: to one spelling.
            spelled = f"replace({name}, 'T', ' ') || substr('0000-00-00 00:00:00.000000', length({name}) + 1)"
            return f"({spelled})" if kind.tz is None else f"{INSTANT}({name})"
        if pa.types.is_floating(kind):
            # A negative zero stands as text, which is greater than every number.
            return f"CASE WHEN {name} = '{NEGATIVE_ZERO}' THEN 0.0 ELSE {name} END"
        if pa.types.is_string(kind):
            text = name if affinity(column.native_type) == "TEXT" else f"CAST({name} AS TEXT)"
            return f"{text} COLLATE BINARY"
        return name

    @override
    def literal(self, text: str, column: Column) -> str:
        return literal_of(text, column)

    @override
    def written(self, value: str, column: Column, form: Form) -> Written | None:
        return comparable.written(value, column, form)

    @override
    def checksum(self, texts: Sequence[str]) -> str | None:
        return comparable.checksum(texts)

    def _fetch(self, sql: str, *parameters: str) -> list[tuple[Any, ...]]:
        with self._database.errors():
            return self._database.patiently(lambda: self._session.execute(sql, parameters).fetchall())

    def _determined(self, origin: str, declared: dict[str, str]) -> dict[str, str]:
        """The types of a view's or a query's columns: an expression has none, so its values are looked at."""
        open_ = [name for name, kind in declared.items() if kind.upper() in _UNCERTAIN]
        if not open_:
            return declared
        kinds = ", ".join(f"group_concat(DISTINCT typeof(query.{self.quoted(name)}))" for name in open_)
        found = self._fetch(f"SELECT {kinds} FROM {origin} AS query")[0]
        known = {
            name: _BY_KIND.get(there, "")
            for name, listed in zip(open_, found, strict=True)
            # Where there is no value, nothing contradicts what the catalogue says.
            if (there := frozenset((listed or "").split(",")) - {"null", ""})
        }
        return {name: known.get(name, kind) for name, kind in declared.items()}

    def _estimate(self, relation: Relation) -> int | None:
        """What `analyze` counted, if it ever ran."""
        statistics = f"{relation.schema}.sqlite_stat1"
        with suppress(sqlite3.OperationalError):
            rows = self._session.execute(f"SELECT stat FROM {statistics} WHERE tbl = ?", [relation.name])
            return max((int(str(stat).split()[0]) for (stat,) in rows.fetchall() if stat), default=None)
        return None


def _column(name: str, declared: str, nullable: bool = True) -> Column:
    kind = arrow_type(declared)
    mixed = pa.types.is_string(kind) and affinity(declared) != "TEXT"
    notes = [f"Column {name} has no declared type: its values are carried as text."] if mixed else []
    return Column(name, declared, kind, nullable, notes=notes)


def _item(column: str, declared: Column) -> str:
    if not declared.as_text:
        return column
    return f"CASE typeof({column}) WHEN 'blob' THEN '\\x' || lower(hex({column})) ELSE {column} END"


def _shown(values: Sequence[Any]) -> pa.Array[Any]:
    """A column of a statement's result, for people: by what it holds, as text where that is mixed."""
    kinds = frozenset(_KINDS[type(value)] for value in values if value is not None)
    column = _column("", _BY_KIND.get(kinds, ""))
    try:
        return decoder_of(column)(values)
    except MisfitError:
        spelled = [f"\\x{value.hex()}" if isinstance(value, bytes) else value for value in values]
        return decoder_of(_column("", ""))(spelled)


@contextmanager
def _closing(cursor: sqlite3.Cursor) -> Iterator[None]:
    try:
        yield
    finally:
        cursor.close()
