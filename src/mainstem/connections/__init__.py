"""From a connection's name to what is needed to open it."""

from mainstem.connections.model import Connection, Secret
from mainstem.connections.resolve import ConnectionBook, ConnectionLike
from mainstem.connections.url import connection_from_url

__all__ = ["Connection", "ConnectionBook", "ConnectionLike", "Secret", "connection_from_url"]
