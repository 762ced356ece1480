"""A column's type changed: SQLite has no statement for it, so the table is made anew around its rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from mainstem.endpoints.base import SourceTable
from mainstem.endpoints.sqlite.decoding import MisfitError, decoder_of
from mainstem.endpoints.sqlite.encoding import encoded
from mainstem.endpoints.sqlite.rowids import row_id
from mainstem.errors import EndpointError, LossyTypeError
from mainstem.schema import Column, Relation
from mainstem.types import fit_values

__all__ = ["Rebuild", "with_type"]

_COPY = "mainstem_rebuilt"
_ROWS = 4_096

# https://www.sqlite.org/lang_createtable.html: what a definition is made of, as far as its columns matter.
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|$))
      | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\W\d][\w$]*)
      | (?P<open>\() | (?P<close>\)) | (?P<comma>,) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_CONSTRAINTS = frozenset(
    {"CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES"}
    | {"GENERATED", "AS"}
)


class Rebuild:
    """Makes a table anew, in the transaction that is open: its rows, indexes and triggers are as before.

    Args:
        session: The connection.
        table: The table, as described.
        quoted: Quotes a name.
    """

    def __init__(self, session: sqlite3.Connection, table: SourceTable, quoted: Callable[[str], str]) -> None:
        if table.relation is None:
            raise AssertionError("A query has no definition.")
        self._session = session
        self._columns = table.columns
        self._relation: Relation = table.relation
        self._table = f"main.{quoted(table.relation.name)}"
        self._quoted = quoted

    def change(self, field: pa.Field[Any], native: str) -> None:
        """Give a column another type.

        Raises:
            EndpointError: The definition cannot be read.
            LossyTypeError: A value does not fit the new type.
        """
        column = next(known for known in self._columns if known.name == field.name)
        definition, rest = self._definitions()
        sequence = self._sequence()
        names = self._stored()
        stored, number = ", ".join(self._quoted(name) for name in names), row_id(names)
        # Without types nothing is converted on the way.
        self._run(f"DROP TABLE IF EXISTS temp.{_COPY}")
        self._run(f"CREATE TEMP TABLE {_COPY} ({stored})")
        self._run(f"INSERT INTO temp.{_COPY} ({stored}) SELECT {stored} FROM {self._table}")
        self._convert(column, field, number)
        self._run(f"DROP TABLE {self._table}")
        self._run(with_type(definition, column.name, native))
        self._run(f"INSERT INTO {self._table} ({stored}) SELECT {stored} FROM temp.{_COPY} ORDER BY {number}")
        self._run(f"DROP TABLE temp.{_COPY}")
        for statement in rest:
            self._run(statement)
        if sequence is not None:
            self._session.execute(
                "UPDATE main.sqlite_sequence SET seq = ? WHERE name = ?", [sequence, self._relation.name]
            )

    def _run(self, sql: str) -> None:
        self._session.execute(sql).close()

    def _definitions(self) -> tuple[str, Sequence[str]]:
        """The table's statement, and those of what goes with it."""
        rows = self._session.execute(
            "SELECT type, sql FROM main.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"
            " AND type IN ('table', 'index', 'trigger') ORDER BY rowid",
            [self._relation.name],
        ).fetchall()
        (own,) = [sql for kind, sql in rows if kind == "table"]
        return own, [sql for kind, sql in rows if kind != "table"]

    def _sequence(self) -> int | None:
        """Where an AUTOINCREMENT goes on."""
        known = self._session.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'")
        if known.fetchone() is None:
            return None
        found = self._session.execute(
            "SELECT seq FROM main.sqlite_sequence WHERE name = ?", [self._relation.name]
        ).fetchone()
        return int(found[0]) if found else None

    def _stored(self) -> Sequence[str]:
        """The columns that are stored, and not generated."""
        rows = self._session.execute(
            "SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0", [self._relation.name]
        )
        return [name for (name,) in rows.fetchall()]

    def _convert(self, column: Column, field: pa.Field[Any], number: str) -> None:
        """Give the copied values of a column their new spelling."""
        name = self._quoted(column.name)
        decode = decoder_of(column)
        sql = f"UPDATE temp.{_COPY} SET {name} = ? WHERE {number} = ?"
        for numbers, values in self._read(name, number):
            try:
                converted = encoded(column.name, fit_values(decode(values), field.type))
            except (pa.ArrowInvalid, MisfitError) as error:
                raise LossyTypeError(
                    f"Column {column.name} of {self._relation} holds a value that cannot become {field.type}:"
                    f" {str(error).splitlines()[0]}.",
                    hint="Load the table once with full-refresh.",
                ) from error
            self._session.executemany(sql, zip(converted, numbers, strict=True))

    def _read(self, name: str, number: str) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
        last = 0
        sql = f"SELECT {number}, {name} FROM temp.{_COPY} WHERE {number} > ? ORDER BY {number} LIMIT {_ROWS}"
        while rows := self._session.execute(sql, [last]).fetchall():
            numbers, values = zip(*rows, strict=True)
            yield numbers, values
            last = numbers[-1]


def with_type(definition: str, column: str, native: str) -> str:
    """A table's definition with another type for one of its columns.

    Raises:
        EndpointError: The column's definition is not found.

    Example:
        >>> with_type('CREATE TABLE "t" (a int not null, [b] varchar (9) default (1), c)', "b", "TEXT")
        'CREATE TABLE "t" (a int not null, [b] TEXT default (1), c)'
        >>> with_type("CREATE TABLE t (c /* no type */, d)", "C", "BIGINT")
        'CREATE TABLE t (c BIGINT /* no type */, d)'
    """
    depth, fresh, name_end = 0, False, None
    type_end: int | None = None
    for token in _TOKEN.finditer(definition):
        kind = str(token.lastgroup)
        if kind == "space":
            continue
        if name_end is not None and not _of_type(token, kind, depth):
            return f"{definition[:name_end]} {native}{definition[type_end or name_end :]}"
        depth += (kind == "open") - (kind == "close")
        if name_end is not None:
            type_end = token.end()
        elif fresh and kind == "name" and _plain(token.group()).lower() == column.lower():
            name_end = token.end()
        fresh = depth == 1 and kind in ("open", "comma")
    raise EndpointError(
        f"The definition of the column {column} was not found in: {definition}",
        hint="Load the table once with full-refresh.",
    )


def _of_type(token: re.Match[str], kind: str, depth: int) -> bool:
    """Whether a token behind a column's name belongs to its type."""
    if depth > 1 or kind == "open":
        return True
    return kind == "name" and token.group().upper() not in _CONSTRAINTS


def _plain(name: str) -> str:
    """A name without its quotes."""
    if name[0] not in "\"`['":
        return name
    closing = "]" if name[0] == "[" else name[0]
    return name[1:-1].replace(closing * 2, closing) if closing != "]" else name[1:-1]
