"""Names to connections: what was handed over, then the process environment (spec §5)."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from mainstem.connections.model import Connection
from mainstem.connections.url import connection_from_url, looks_like_url
from mainstem.errors import ConnectionConfigError

__all__ = ["ConnectionBook", "ConnectionLike"]

ConnectionLike = Connection | str | Mapping[str, Any]


class ConnectionBook:
    """All connections that a replication may name. Names are case-insensitive, as in Sling.

    Args:
        connections: By name, each a :class:`Connection`, a URL, or a mapping with ``type`` or ``url``; or
            the :class:`Connection` objects alone.
        environment: Where names that are not in ``connections`` are looked up: a variable of that name
            whose value is a URL, or JSON with ``type`` or ``url``. By default the process environment.

    Example:
        >>> book = ConnectionBook({"MY_DUCKDB": "duckdb:///tmp/shop.duckdb"}, environment={})
        >>> book.find("my_duckdb").type
        'duckdb'
    """

    def __init__(
        self,
        connections: Mapping[str, ConnectionLike] | Iterable[Connection] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(connections, Mapping):
            connections = {connection.name: connection for connection in connections}
        self._given = {name.upper(): _connection(name, value) for name, value in connections.items()}
        self._environment = os.environ if environment is None else environment

    def find(self, name: str) -> Connection:
        """Return the connection that a ``source`` or ``target`` means.

        Args:
            name: A connection's name, or a URL.

        Raises:
            ConnectionConfigError: There is none; the message tells every place that was looked at.
        """
        if looks_like_url(name):
            return connection_from_url(name.partition("://")[0].upper(), name)
        given = self._given.get(name.upper())
        if given is not None:
            return given
        for variable, value in self._environment.items():
            if variable.upper() == name.upper():
                return _connection(name, _parsed(name, value))
        raise self._unknown(name)

    def _unknown(self, name: str) -> ConnectionConfigError:
        near = difflib.get_close_matches(name.upper(), self._given, n=1)
        return ConnectionConfigError(
            f"There is no connection named {name}. Looked at: the connections handed over "
            f"({', '.join(sorted(self._given)) or 'none'}); an environment variable {name.upper()}.",
            hint=f"Did you mean {near[0]}?" if near else "Define it, or write a URL in its place.",
        )


def _parsed(name: str, value: str) -> ConnectionLike:
    if not value.lstrip().startswith("{"):
        return value
    try:
        parsed: dict[str, Any] = json.loads(value)
    except json.JSONDecodeError as error:
        # Not chained: the decoder's error carries the whole document, secrets included.
        raise ConnectionConfigError(
            f"The environment variable {name.upper()} is not valid JSON at character {error.pos}."
        ) from None
    return parsed


def _connection(name: str, value: ConnectionLike) -> Connection:
    if isinstance(value, Connection):
        return value
    if isinstance(value, str):
        return connection_from_url(name, value)
    properties = {key: item for key, item in value.items() if key not in {"type", "url", "name"}}
    kind, url = value.get("type"), value.get("url")
    if url is not None:
        from_url = connection_from_url(name, str(url), kind)
        return Connection.of(name, from_url.type, {**from_url.properties, **properties})
    if not kind:
        raise ConnectionConfigError(f"Connection {name} has neither a 'type' nor a 'url'.")
    return Connection.of(name, str(kind), properties)
