"""How a Python asset says which table it is, and which it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import dagster as dg

from mainstem.assets import AssetTables, ReadTable, WrittenTable, definition_metadata, note_of
from mainstem.connections import Connection, ConnectionBook
from mainstem.connections.definition import ConnectionLike, connection_of
from mainstem.errors import ConnectionConfigError
from mainstem.identity import PhysicalTable, instance_of

__all__ = ["CONNECTION", "StatedTable", "read_by", "stated_in", "table_dep", "table_identity"]

#: The metadata key of a connection, beside Dagster's own for the table's name.
CONNECTION = "mainstem/connection"
_TABLE_NAME = "dagster/table_name"
_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')
_URL = "://"


class DefinesConnection(Protocol):
    """A resource's configuration that is a connection."""

    def connection(self) -> Connection:
        """Return it."""


@runtime_checkable
class HasConnections(Protocol):
    """A resource that knows connections by their names."""

    def connection_book(self, needed: Sequence[str]) -> ConnectionBook:
        """Return the places where connections are found."""


AnyConnection = ConnectionLike | DefinesConnection


def table_identity(connection: AnyConnection, table: str) -> Mapping[str, Any]:
    """Say which table a Python asset is: what it gives is metadata for it.

    Args:
        connection: The connection, as a replication knows it: its name, a URL, a mapping with ``type``, or a
            ``SlingConnectionResource``. Only its place is looked at, when the graph is wired.
        table: The table's name, such as ``main.orders``.

    Example::

        @dg.asset(metadata=mainstem.table_identity("MY_DUCKDB", "jaffle_shop.raw_customers"))
        def raw_customers(): ...
    """
    return {_TABLE_NAME: table, **definition_metadata(StatedTable(connection, table))}


def table_dep(connection: AnyConnection, table: str) -> dg.AssetDep:
    """Say that an asset reads a table: `wire` finds the asset that makes it.

    Args:
        connection: The connection, as in :func:`table_identity`.
        table: The table's name, such as ``main.orders``. It is the key where nothing makes the table.

    Example::

        @dg.asset(deps=[mainstem.table_dep("MY_DUCKDB", "jaffle_shop.customers")])
        def chart(): ...
    """
    return dg.AssetDep(
        dg.AssetKey(_parts(table)), metadata=definition_metadata(StatedTable(connection, table))
    )


@dataclass(frozen=True, eq=False)
class StatedTable:
    """A table that a Python asset says it is, or reads.

    Attributes:
        connection: Its connection.
        name: Its name.
    """

    connection: AnyConnection = field(repr=False)
    name: str

    def tables_of(
        self, specs: Sequence[dg.AssetSpec], resources: Mapping[str, object]
    ) -> Mapping[dg.AssetKey, AssetTables]:
        """Return the table of the assets that say they are this one."""
        try:
            table = self.table(resources)
        except ConnectionConfigError as error:
            return {spec.key: AssetTables(unknown=[_told(error)]) for spec in specs}
        writes = [] if table is None else [WrittenTable(table, f"table {self.name}")]
        return {spec.key: AssetTables(writes) for spec in specs}

    def table(self, resources: Mapping[str, object]) -> PhysicalTable | None:
        """Return the table.

        Raises:
            ConnectionConfigError: The connection is not known, or an environment variable is not set.
        """
        connection = self._connection(resources)
        plain = {key: value for key, value in connection.properties.items() if isinstance(value, str)}
        instance = instance_of(connection.type, plain)
        if instance is None:
            return None
        *owner, table = _parts(self.name)
        schema = owner.pop() if owner else None
        return instance.table(table, schema, owner.pop() if owner else None)

    def _connection(self, resources: Mapping[str, object]) -> Connection:
        given = self.connection
        if not isinstance(given, (str, Connection, Mapping)):
            return given.connection()
        if not isinstance(given, str) or _URL in given:
            return connection_of("connection", given)
        for resource in resources.values():
            if isinstance(resource, HasConnections):
                book = resource.connection_book([])
                if given.upper() in book.names():
                    return book.find(given)
        return ConnectionBook().find(given)


def stated_in(metadata: Mapping[str, Any]) -> StatedTable | None:
    """Return the table that an asset's metadata names, if it does."""
    note = note_of(metadata)
    if note is not None:
        return note if isinstance(note, StatedTable) else None
    name, connection = _plain(metadata.get(_TABLE_NAME)), _plain(metadata.get(CONNECTION))
    return StatedTable(connection, str(name)) if name and connection else None


def read_by(spec: dg.AssetSpec, resources: Mapping[str, object]) -> tuple[Sequence[ReadTable], Sequence[str]]:
    """Return the tables that the dependencies of an asset state, and why some are not known."""
    found, unknown = [], []
    for dep in spec.deps:
        note = note_of(dep.metadata or {})
        if isinstance(note, StatedTable):
            try:
                table = note.table(resources)
            except ConnectionConfigError as error:
                unknown.append(_told(error))
            else:
                found += [ReadTable(dep.asset_key, [table], f"table {note.name}")] if table else []
    return found, unknown


def _parts(name: str) -> list[str]:
    return [quoted.replace('""', '"') if quoted else plain for quoted, plain in _PART.findall(name)]


def _plain(value: Any) -> Any:
    """What was given as metadata: Dagster wraps it."""
    value = getattr(value, "instance", value)
    return value.value if isinstance(value, dg.MetadataValue) else value


def _told(error: ConnectionConfigError) -> str:
    return error.message.splitlines()[0]
