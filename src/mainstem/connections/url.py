"""Connection URLs, as Sling writes them (spec §5)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from mainstem.connections.model import Connection
from mainstem.errors import ConnectionConfigError

__all__ = ["connection_from_url", "looks_like_url"]

# A URL's scheme is a system's name, except for these.
_TYPE_OF_SCHEME: Mapping[str, str] = {"postgresql": "postgres"}
# Systems that live in a file: what follows `//` is a path, not a host.
_FILE_SCHEMES = frozenset({"duckdb", "sqlite"})


def looks_like_url(text: str) -> bool:
    """Whether a ``source`` or ``target`` is a URL, not a name.

    Example:
        >>> looks_like_url("duckdb:///tmp/a.duckdb"), looks_like_url("MY_DUCKDB")
        (True, False)
    """
    return "://" in text


def connection_from_url(name: str, url: str, type: str | None = None) -> Connection:  # noqa: A002
    """Read a URL into a connection.

    Args:
        name: The name that a replication uses.
        url: Such as ``postgresql://user:pass@host:5432/db?sslmode=disable``. ``duckdb:///a/b.duckdb`` is the
            absolute path ``/a/b.duckdb``, ``duckdb://b.duckdb`` a relative one.
        type: The kind of system, where it is known otherwise. It must agree with the URL.

    Raises:
        ConnectionConfigError: The text is no URL, or of another kind than ``type``. The URL itself is not
            shown: it may hold a password.

    Example:
        >>> connection_from_url("MY_DUCKDB", "duckdb:///var/tmp/duckdb.db").properties["instance"]
        '/var/tmp/duckdb.db'
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    kind = _TYPE_OF_SCHEME.get(scheme, scheme)
    expected = _TYPE_OF_SCHEME.get((type or kind).lower(), (type or kind).lower())
    if not separator or not kind:
        raise ConnectionConfigError(
            f"The connection string of {name} is not a URL.",
            hint="It looks like type://user:password@host/db.",
        )
    if kind != expected:
        raise ConnectionConfigError(
            f"Connection {name} has the type {expected!r}, but its connection string begins with {scheme}://."
        )
    if scheme in _FILE_SCHEMES:
        path, _, query = rest.partition("?")
        return Connection.of(name, kind, {**dict(parse_qsl(query)), "instance": unquote(path)})
    return Connection.of(name, kind, _server_properties(name, url))


def _server_properties(name: str, url: str) -> dict[str, str | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConnectionConfigError(
            f"The connection string of {name} cannot be read: its host or port is malformed.",
            hint="Write special characters of the password as %XX.",
        ) from error
    return {
        **dict(parse_qsl(parts.query)),
        "host": parts.hostname,
        "port": str(port) if port else None,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or None,
    }
