"""What expressions are compiled to and run by: DuckDB in memory, without files, network or settings."""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mainstem.errors import ConfigError
from mainstem.expressions.encodings import ENCODINGS, decoded, encoded
from mainstem.types import cast_values

if TYPE_CHECKING:
    import duckdb

__all__ = ["Machine", "RefusedError", "identifier", "machine", "taken"]

# Nothing of it reaches beyond the process's memory, and nothing can change that afterwards.
_CONFINED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "threads": "1",
    "memory_limit": "1GB",
}
_ROWS, _PROBE = "rows", "probe"
_OUTPUT: Sequence[tuple[re.Pattern[str], str, pa.DataType | None]] = (
    (re.compile("JSON"), "VARCHAR", pa.json_()),
    (re.compile("UUID"), "VARCHAR", pa.uuid()),
    (re.compile("U?HUGEINT"), "DECIMAL(38, 0)", None),
    (re.compile('"NULL"|ENUM.*|BIT|BIGNUM|VARINT'), "VARCHAR", None),
)


class RefusedError(Exception):
    """DuckDB does not take a statement, or a value. Its own words, for the caller to put into a sentence."""


class Machine:
    """A database of one thread, that computes and keeps nothing."""

    def __init__(self) -> None:
        try:
            import duckdb  # noqa: PLC0415 - an extra, for those who transform
            import duckdb.func  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigError(
                "Expressions (transforms, constraints, conditions of hooks) need DuckDB's library.",
                hint="pip install 'mainstem[duckdb]'",
            ) from error
        self._duckdb = duckdb
        self._database: duckdb.DuckDBPyConnection = duckdb.connect(":memory:", config=_CONFINED)
        for name in ENCODINGS:
            self._add(f"decode_{name}", partial(_column, decoded, name), "BLOB", "VARCHAR")
            self._add(f"encode_{name}", partial(_column, encoded, name), "VARCHAR", "BLOB")
        self._database.execute("SET TimeZone = 'UTC'")
        self._database.execute("SET lock_configuration = true")

    def probe(self, sql: str, rows: pa.Table | None = None) -> None:
        """Make the result of a query, without its rows, what :meth:`type_of` reads from."""
        self._run(f"CREATE OR REPLACE TEMP TABLE {_PROBE} AS SELECT * FROM ({sql}) LIMIT 0", rows)  # noqa: S608

    def type_of(self, expression: str) -> str:
        """The type of an expression over the columns of the probe, in DuckDB's words.

        Raises:
            RefusedError: It is no expression.
        """
        found = self._run(f"DESCRIBE SELECT {expression} AS one FROM {_PROBE}")  # noqa: S608 - compiled
        return str(found.fetchall()[0][1])

    def value(self, expression: str) -> Any:
        """The value of an expression without columns.

        Raises:
            RefusedError: It cannot be computed.
        """
        return self._run(f"SELECT {expression}").fetchall()[0][0]

    def table(self, sql: str, rows: pa.Table) -> pa.Table:
        """Run a query over :data:`rows`.

        Raises:
            RefusedError: A value cannot be computed.
        """
        try:
            return self._run(sql, rows).to_arrow_table()
        except self._duckdb.Error as error:
            raise RefusedError(_said(error)) from error
        finally:
            self._database.unregister(_ROWS)

    def close(self) -> None:
        """Let go of it."""
        self._database.close()

    def _add(self, name: str, function: Callable[[Any], Any], takes: str, gives: str) -> None:
        # By Arrow: it is called with some thousand values at once.
        by_arrow = self._duckdb.func.PythonUDFType.ARROW
        self._database.create_function(name, function, [takes], gives, type=by_arrow)

    def _run(self, sql: str, rows: pa.Table | None = None) -> duckdb.DuckDBPyConnection:
        try:
            if rows is not None:
                self._database.register(_ROWS, rows)
            return self._database.execute(sql)
        except self._duckdb.Error as error:
            raise RefusedError(_said(error)) from error


_machines: dict[threading.Thread, Machine] = {}
_lock = threading.Lock()


def machine() -> Machine:
    """This thread's machine; that of a thread that has ended, where there is one.

    Raises:
        ConfigError: DuckDB's library is not installed.
    """
    mine = threading.current_thread()
    with _lock:
        if mine not in _machines:
            ended = next((thread for thread in _machines if not thread.is_alive()), None)
            _machines[mine] = _machines.pop(ended) if ended else Machine()
        return _machines[mine]


@atexit.register
def _close_all() -> None:
    """Close them while Python is whole: DuckDB aborts a process whose threads it loses."""
    with _lock:
        while _machines:
            _machines.popitem()[1].close()


def identifier(number: int) -> str:
    """What the column of a number is called inside: no name of a user's gets into the SQL."""
    return f"c{number}"


def taken(arrays: Sequence[pa.Array[Any]]) -> tuple[pa.Table, str]:
    """Columns as DuckDB takes them, and the query that gives them their types back."""
    names, columns, chosen = [], [], []
    for number, values in enumerate(arrays):
        name = identifier(number)
        column, typed = _plain(values)
        names.append(name)
        columns.append(column)
        chosen.append(f"CAST({name} AS {typed}) AS {name}" if typed else name)
    # Without a column there would be no rows either.
    length = len(arrays[0]) if arrays else 0
    names.append("n")
    columns.append(pa.nulls(length, pa.bool_()))
    return pa.table(columns, names=names), f"SELECT {', '.join([*chosen, 'n'])} FROM {_ROWS}"  # noqa: S608


def _plain(values: pa.Array[Any]) -> tuple[pa.Array[Any], str | None]:
    """A column without Arrow's extension types, and the DuckDB type that it has instead."""
    kind: Any = values.type
    if isinstance(kind, pa.UuidType):
        return cast_values(values, pa.string()), "UUID"
    if isinstance(values, pa.ExtensionArray):
        return values.storage, "JSON" if isinstance(kind, pa.JsonType) else None
    return values, None


def given(kind: str) -> tuple[str | None, pa.DataType | None]:
    """What a DuckDB type leaves as: the type that it is cast to first, and the Arrow type it then gets."""
    for pattern, wanted, arrow in _OUTPUT:
        if pattern.fullmatch(kind):
            return wanted, arrow
    return None, None


def _column(way: Callable[[Any, str], Any], encoding: str, values: Any) -> Any:
    # DuckDB evaluates these annotations, and no class of Arrow's can be subscripted then.
    return way(values.combine_chunks(), encoding)


def _said(error: Exception) -> str:
    """DuckDB's sentence, without its error class, its guess, and the SQL that the user has not written."""
    first = str(error).strip().partition("\n")[0]
    return first.rpartition("Error: ")[2]
