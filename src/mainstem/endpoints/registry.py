"""Which file knows which system. It is imported when a connection of its type is opened, not before."""

from __future__ import annotations

import difflib
import importlib
import threading
from collections.abc import Mapping
from typing import TypeVar
from weakref import WeakSet

from mainstem.connections import Connection
from mainstem.endpoints.base import Endpoint, Source
from mainstem.endpoints.target import Capabilities, Target
from mainstem.errors import ConfigError, ConnectionConfigError
from mainstem.files.places.registry import PLACES

__all__ = [
    "TYPES",
    "cancel_all",
    "open_endpoint",
    "open_source",
    "open_target",
    "target_capabilities",
    "tells_sizes",
]

_Opened = TypeVar("_Opened", bound=Endpoint)

# type → (module, class, extra that installs its driver)
_ENDPOINTS: Mapping[str, tuple[str, str, str]] = {
    "postgres": ("mainstem.endpoints.postgres", "Postgres", "postgres"),
    "duckdb": ("mainstem.endpoints.duckdb", "DuckDB", "duckdb"),
    "sqlite": ("mainstem.endpoints.sqlite", "SQLite", "sqlite"),
    "mysql": ("mainstem.endpoints.mysql", "MySQL", "mysql"),
    "mariadb": ("mainstem.endpoints.mysql", "MySQL", "mysql"),
    "snowflake": ("mainstem.endpoints.snowflake", "Snowflake", "snowflake"),
    "delta": ("mainstem.endpoints.delta", "Delta", "delta"),
    "iceberg": ("mainstem.endpoints.iceberg", "Iceberg", "iceberg"),
    # Wherever files live, they are read and written alike.
    **dict.fromkeys(PLACES, ("mainstem.endpoints.files", "Files", "files")),
}

# The types that a connection can have.
TYPES = frozenset(_ENDPOINTS)

_open: WeakSet[Endpoint] = WeakSet()
_open_lock = threading.Lock()


def cancel_all() -> None:
    """Break off what every open endpoint of this process is doing: the process is told to end.

    Any thread may call it; a second time as well.
    """
    with _open_lock:
        endpoints = list(_open)
    for endpoint in endpoints:
        endpoint.cancel()


def open_endpoint(connection: Connection) -> Endpoint:
    """Open a connection to look at it, whatever it can do.

    Raises:
        ConnectionConfigError: Its type is unknown, or a property is missing.
        ConfigError: Its driver is not installed.
        ConnectError: The system cannot be reached, or refused the credentials.
    """
    return _remembered(_endpoint_class(connection)(connection))


def open_source(connection: Connection) -> Source:
    """Open a connection to read from it.

    Raises:
        ConnectionConfigError: Its type is unknown or cannot be read yet, or a property is missing.
        ConfigError: Its driver is not installed.
        ConnectError: The system cannot be reached, or refused the credentials.
    """
    found = _endpoint_class(connection)
    if not issubclass(found, Source):
        raise _cannot_be(connection, "read")
    return _remembered(found(connection))


def open_target(connection: Connection) -> Target:
    """Open a connection to write to it.

    Raises:
        ConnectionConfigError: Its type is unknown or cannot be written yet, or a property is missing.
        ConfigError: Its driver is not installed.
        ConnectError: The system cannot be reached, or refused the credentials.
    """
    found = _endpoint_class(connection)
    if not issubclass(found, Target):
        raise _cannot_be(connection, "written")
    return _remembered(found(connection))


def target_capabilities(connection: Connection) -> Capabilities:
    """What systems of a connection's kind can do, without opening it.

    Raises:
        ConnectionConfigError: Its type is unknown or cannot be written yet.
        ConfigError: Its driver is not installed.
    """
    found = _endpoint_class(connection)
    if not issubclass(found, Target):
        raise _cannot_be(connection, "written")
    return found.capabilities


def tells_sizes(connection: Connection) -> bool:
    """Whether the catalogue of such a system knows how large its tables are, without opening it."""
    found = _endpoint_class(connection)
    return issubclass(found, Source) and found.tells_sizes


def _remembered(endpoint: _Opened) -> _Opened:
    with _open_lock:
        _open.add(endpoint)
    return endpoint


def _endpoint_class(connection: Connection) -> type[Endpoint]:
    if connection.type not in _ENDPOINTS:
        near = difflib.get_close_matches(connection.type, _ENDPOINTS, n=1)
        raise ConnectionConfigError(
            f"Connection {connection.name} has the type {connection.type!r}, which is not supported yet.",
            hint=f"Did you mean {near[0]!r}?" if near else f"Supported: {', '.join(sorted(_ENDPOINTS))}.",
        )
    module_name, class_name, extra = _ENDPOINTS[connection.type]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The driver for {connection.type} connections is not installed (no module {error.name}).",
            hint=f"pip install 'mainstem[{extra}]'",
        ) from error
    found: type[Endpoint] = getattr(module, class_name)
    return found


def _cannot_be(connection: Connection, done: str) -> ConnectionConfigError:
    return ConnectionConfigError(
        f"Connection {connection.name} has the type {connection.type!r}, which cannot be {done} yet."
    )
