"""How a Python asset says which table it is, and which it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import dagster as dg

from mainstem.assets import AssetTables, ReadTable, WrittenTable
from mainstem.connections import Connection, ConnectionBook
from mainstem.connections.definition import ConnectionLike, connection_of
from mainstem.errors import ConnectionConfigError
from mainstem.identity import PhysicalTable, instance_of

__all__ = ["CONNECTION", "StatedTable", "read_by", "stated_in", "table_dep", "table_identity"]

#: The metadata key of a connection, beside Dagster's own for the table's name.
CONNECTION = "mainstem/connection"
_TABLE_NAME = "dagster/table_name"
_PART = re.compile(r'"((?:[^"]|"")+)"|([^."]+)')
# What Dagster takes in no name.
_UNFIT = re.compile(r"[^A-Za-z0-9_]")
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

# Those that were given as they are. Dagster's metadata has text, and the environment is read when wiring.
_GIVEN: dict[str, AnyConnection] = {}


def table_identity(connection: AnyConnection, table: str) -> Mapping[str, Any]:
    """Say which table a Python asset is: what it gives is metadata for it.

    Args:
        connection: The connection, as a replication knows it: its name, a URL, a mapping with ``type``, or a
            ``SlingConnectionResource``. Only its place is looked at, when the graph is wired.
        table: The table's name, such as ``main.orders``. Of files, the path: a file, a folder or a pattern.

    Example::

        @dg.asset(metadata=mainstem.table_identity("MY_DUCKDB", "jaffle_shop.raw_customers"))
        def raw_customers(): ...
    """
    return {_TABLE_NAME: table, CONNECTION: _name_of(connection)}


def table_dep(connection: AnyConnection, table: str) -> dg.AssetDep:
    """Say that an asset reads a table: `wire` finds the asset that makes it.

    Args:
        connection: The connection, as in :func:`table_identity`.
        table: The table's name, such as ``main.orders``. It is the key where nothing makes the table.

    Example::

        @dg.asset(deps=[mainstem.table_dep("MY_DUCKDB", "jaffle_shop.customers")])
        def chart(): ...
    """
    path = [_UNFIT.sub("_", piece) for part in _parts(table) for piece in part.split("/") if piece]
    return dg.AssetDep(dg.AssetKey(path), metadata=table_identity(connection, table))


@dataclass(frozen=True)
class StatedTable:
    """A table that a Python asset says it is, or reads.

    Attributes:
        connection: The name of its connection.
        name: Its name.
    """

    connection: str
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
        if instance.has_keys:
            return instance.object(self.name)
        *owner, table = _parts(self.name)
        schema = owner.pop() if owner else None
        return instance.table(table, schema, owner.pop() if owner else None)

    def _connection(self, resources: Mapping[str, object]) -> Connection:
        given = _GIVEN.get(self.connection, self.connection)
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
    """Return the table that metadata names, if it does."""
    name, connection = _plain(metadata.get(_TABLE_NAME)), _plain(metadata.get(CONNECTION))
    return StatedTable(str(connection), str(name)) if name and connection else None


def read_by(spec: dg.AssetSpec, resources: Mapping[str, object]) -> tuple[Sequence[ReadTable], Sequence[str]]:
    """Return the tables that the dependencies of an asset state, and why some are not known."""
    found, unknown = [], []
    for dep in spec.deps:
        note = stated_in(dep.metadata or {})
        if note is not None:
            try:
                table = note.table(resources)
            except ConnectionConfigError as error:
                unknown.append(_told(error))
            else:
                found += [ReadTable(dep.asset_key, [table], f"table {note.name}")] if table else []
    return found, unknown


def _name_of(connection: AnyConnection) -> str:
    """What metadata says of a connection: its name. A URL may hold a password, and stays here."""
    if isinstance(connection, str) and _URL not in connection:
        return connection
    name = f"{getattr(connection, 'name', 'connection')}#{len(_GIVEN) + 1}"
    _GIVEN[name] = connection
    return name


def _parts(name: str) -> list[str]:
    return [quoted.replace('""', '"') if quoted else plain for quoted, plain in _PART.findall(name)]


def _plain(value: Any) -> Any:
    """What was given as metadata: Dagster wraps it."""
    return value.value if isinstance(value, dg.MetadataValue) else value


def _told(error: ConnectionConfigError) -> str:
    return error.message.splitlines()[0]
