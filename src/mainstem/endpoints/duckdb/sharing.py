"""One open database for each file and process, which all connections of ours share.

DuckDB shares it as well, but loses track of it where one thread closes a file while another opens it: then
the file is open, and cannot be opened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb

__all__ = ["Opened", "shared_by"]


@dataclass
class Opened:
    """A database, or the place for one.

    Attributes:
        writes: Whether it was opened so that it can be written.
    """

    writes: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _root: duckdb.DuckDBPyConnection | None = None
    _users: int = 0

    def connected(
        self,
        opening: Callable[[], tuple[duckdb.DuckDBPyConnection, bool]],
        refused: Callable[[bool], Exception | None] = lambda _: None,
    ) -> tuple[duckdb.DuckDBPyConnection, bool]:
        """Take a further connection to it. :meth:`close` gives it back.

        Args:
            opening: Opens the database, where nobody has. Returns it, and whether it can be written.
            refused: Told whether it can be written: why it is of no use where somebody has it open already.

        Returns:
            The connection, and whether it can write.
        """
        with self._lock:
            if self._root is None:
                self._root, self.writes = opening()
            elif (error := refused(self.writes)) is not None:
                raise error
            self._users += 1
            return self._root.cursor(), self.writes

    def close(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Give a connection back. With the last one the database is closed."""
        with self._lock:
            connection.close()
            self._users -= 1
            if self._users == 0 and self._root is not None:
                self._root.close()
                self._root = None


_opened: dict[str, Opened] = {}
_guard = threading.Lock()


def shared_by(key: str) -> Opened:
    """The one place of a database.

    Args:
        key: The same for every way to write its name.
    """
    with _guard:
        return _opened.setdefault(key, Opened())
