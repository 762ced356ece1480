"""Cursors that are kept outside of the target's table: `SLING_STATE` (spec §3.7)."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack

import pyarrow as pa
from typing_extensions import override

from mainstem.connections import ConnectionBook
from mainstem.endpoints import RunSql, SqlTarget, Step, Target, open_target
from mainstem.errors import ConfigError, EndpointError, RelationNotFoundError
from mainstem.files.places import Place
from mainstem.files.places.registry import PLACES, open_place
from mainstem.schema import Relation

__all__ = ["State", "open_state"]

_TABLE = "_sling_state"
# No object is called so.
_ANNOUNCED = " (announced)"
_making = threading.Lock()
_COLUMNS = ("source", "target", "stream", "object", "value", "column_type")


class State(ABC):
    """Where the cursors of one replication's streams are kept."""

    @abstractmethod
    def cursor(self, stream: str, target: str) -> str | None:
        """The cursor of a stream, as text; ``None`` where none was ever written."""

    @abstractmethod
    def steps(
        self, target: Target, stream: str, object_name: str, value: str | None, kind: str
    ) -> Sequence[Step]:
        """The steps that write a cursor in the transaction that publishes its rows.

        Args:
            target: The endpoint that publishes.
            stream: The stream's name.
            object_name: Its object, as written in the document.
            value: The cursor, as text; ``None`` forgets it, since the table was made anew without one.
            kind: The source's type of the update key.

        Returns:
            The steps; none where the cursor is kept elsewhere, so that it is announced before the publish and
            written after it.
        """

    @abstractmethod
    def write(self, stream: str, object_name: str, value: str | None, kind: str) -> None:
        """Write a cursor, or forget it, after its rows are published."""

    # Rows and a cursor that is kept elsewhere cannot be written as one. So the cursor is announced first:
    # after a kill, the target itself tells whether it got there.

    def announce(self, stream: str, object_name: str, value: str | None, kind: str) -> None:
        """Say which cursor is about to be true, before its rows are published."""
        self.write(stream, f"{object_name}{_ANNOUNCED}", value or "", kind)

    def announced(self, stream: str, target: str) -> str | None:
        """The cursor that was announced and of which nobody knows whether it came true; empty for none."""
        return self.cursor(stream, f"{target}{_ANNOUNCED}")

    def settle(self, stream: str, object_name: str) -> None:
        """Forget what was announced: the cursor is written."""
        self.write(stream, f"{object_name}{_ANNOUNCED}", None, "")


def open_state(
    setting: str, book: ConnectionBook, names: tuple[str, str], target: Target, opened: ExitStack
) -> State:
    """Open the place that `SLING_STATE` names.

    Args:
        setting: A connection and what is in it: ``MY_DB/schema``, ``LOCAL/folder`` or ``MY_S3/folder``.
        book: Where the connection is found.
        names: The source and the target of the replication.
        target: The replication's target, which is used where it is the same connection.
        opened: Closes what is opened.

    Raises:
        ConfigError: The setting is no such place.
    """
    name, _, place = setting.partition("/")
    if not name or not place:
        raise ConfigError(
            f"SLING_STATE is {setting!r}.", hint="It names a connection and a schema or folder: MY_DB/schema."
        )
    connection = book.find(name)
    if connection.type in PLACES:
        return _FolderState(opened.enter_context(open_place(connection)), place, names)
    same = connection == target.connection
    endpoint = target if same else opened.enter_context(open_target(connection))
    if not (isinstance(endpoint, SqlTarget) and endpoint.capabilities.keeps_state):
        raise ConfigError(
            f"SLING_STATE: {name} ({connection.type}) can keep no state.",
            hint="Name a database, or a folder with LOCAL/folder or MY_S3/folder.",
        )
    return _DatabaseState(endpoint, Relation(place, _TABLE), names)


class _DatabaseState(State):
    """A table ``_sling_state``, with one row for each stream and object."""

    def __init__(self, endpoint: SqlTarget, table: Relation, names: tuple[str, str]) -> None:
        self._endpoint = endpoint
        self._table = table
        self._names = names
        self._made = False

    @override
    def cursor(self, stream: str, target: str) -> str | None:
        if self._endpoint.find(self._table) is None:
            return None
        where = self._where(stream, target)
        value = self._endpoint.quoted("value")
        found = self._endpoint.rows(
            f"SELECT {value} FROM {self._endpoint.qualified(self._table)} WHERE {where}"
        )
        return str(found[0][0]) if found else None

    @override
    def steps(
        self, target: Target, stream: str, object_name: str, value: str | None, kind: str
    ) -> Sequence[Step]:
        if target is not self._endpoint:
            return []
        if value is None and self._endpoint.find(self._table) is None:
            return []
        self._make()
        return [RunSql(sql) for sql in self._statements(stream, object_name, value, kind)]

    @override
    def write(self, stream: str, object_name: str, value: str | None, kind: str) -> None:
        if value is None and self._endpoint.find(self._table) is None:
            return
        self._make()
        with self._endpoint.transaction():
            for sql in self._statements(stream, object_name, value, kind):
                self._endpoint.run(sql)

    def _make(self) -> None:
        """Make the table, beforehand: some systems cannot within a transaction."""
        # One stream makes it, where several run at once.
        with _making:
            self._make_alone()

    def _make_alone(self) -> None:
        if self._made or self._endpoint.find(self._table) is not None:
            return
        schema = pa.schema([pa.field(name, pa.string()) for name in _COLUMNS])
        with self._endpoint.transaction():
            for statement in self._endpoint.schema_statements(str(self._table.schema)):
                self._endpoint.run(statement)
            self._endpoint.run(self._endpoint.create_statement(self._table, schema))
        self._made = True

    def _statements(self, stream: str, object_name: str, value: str | None, kind: str) -> Sequence[str]:
        table = self._endpoint.qualified(self._table)
        names = ", ".join(self._endpoint.quoted(name) for name in _COLUMNS)
        forget = f"DELETE FROM {table} WHERE {self._where(stream, object_name)}"
        if value is None:
            return [forget]
        values = (*self._names, stream, object_name, value, kind)
        literals = ", ".join(self._endpoint.text_literal(text) for text in values)
        return [
            forget,
            f"INSERT INTO {table} ({names}) VALUES ({literals})",
        ]

    def _where(self, stream: str, object_name: str) -> str:
        values = (*self._names, stream, object_name)
        return " AND ".join(
            f"{self._endpoint.quoted(name)} = {self._endpoint.text_literal(text)}"
            for name, text in zip(_COLUMNS, values, strict=False)
        )


class _FolderState(State):
    """A folder, wherever files live, with one JSON file for each stream and object."""

    def __init__(self, place: Place, folder: str, names: tuple[str, str]) -> None:
        self._place = place
        self._folder = folder.rstrip("/")
        self._names = names

    @override
    def cursor(self, stream: str, target: str) -> str | None:
        path = self._path(stream, target)
        try:
            with self._place.open(path) as file:
                text = file.read()
        except RelationNotFoundError:
            return None
        try:
            return str(json.loads(text)["value"])
        except (ValueError, KeyError, TypeError) as error:
            raise EndpointError(
                f"The state file {self._place.url(path)} cannot be read.",
                hint="Remove it to load the stream from the start.",
            ) from error

    @override
    def steps(
        self, target: Target, stream: str, object_name: str, value: str | None, kind: str
    ) -> Sequence[Step]:
        return []

    @override
    def write(self, stream: str, object_name: str, value: str | None, kind: str) -> None:
        path = self._path(stream, object_name)
        known = dict(zip(_COLUMNS, (*self._names, stream, object_name, value, kind), strict=True))
        try:
            if value is None:
                self._place.delete(path)
                return
            # A killed run leaves the old cursor or the new one.
            with self._place.write(path) as file:
                file.write(json.dumps(known, indent=2, ensure_ascii=False).encode())
        except (EndpointError, OSError) as error:
            raise EndpointError(
                f"The state file {self._place.url(path)} cannot be written: {error}"
                " The rows are published; the next run reads them again."
            ) from error

    def _path(self, stream: str, object_name: str) -> str:
        whole = "__".join((*self._names, stream, object_name))
        # Names that differ only in what a file's name cannot hold stay apart.
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return f"{self._folder}/{re.sub(r'[^0-9A-Za-z_-]', '_', whole)[:120]}_{digest}.json"
