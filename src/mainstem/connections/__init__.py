"""From a connection's name to what is needed to open it."""

from mainstem.connections.definition import ConnectionLike, connection_of
from mainstem.connections.model import Connection, Secret
from mainstem.connections.resolve import ConnectionBook, ListedConnection
from mainstem.connections.secrecy import is_secret
from mainstem.connections.url import connection_from_url

__all__ = [
    "Connection",
    "ConnectionBook",
    "ConnectionLike",
    "ListedConnection",
    "Secret",
    "connection_from_url",
    "connection_of",
    "is_secret",
]
