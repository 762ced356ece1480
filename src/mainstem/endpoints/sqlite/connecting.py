"""The database's file: opened, waited for while others hold it, and its errors in our words.

One library reads and writes it: Python's own. The locks of a process on a file all go when any part of the
process closes it, so that two libraries in one process undo each other's locks, and rows that were committed
are lost without a word (https://www.sqlite.org/howtocorrupt.html, §2.2.1). Faster drivers bring a library of
their own, while the user's code, beside ours, has Python's.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mainstem.connections import Connection
from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.endpoints.sqlite.functions import Functions
from mainstem.errors import (
    ConnectError,
    ConnectionConfigError,
    EndpointError,
    LossyTypeError,
    TargetBusyError,
)

__all__ = ["Database"]

_T = TypeVar("_T")

# One statement waits so long by itself; in between, a cancelled run is noticed.
_ATTEMPT_SECONDS = 0.2
_PAUSE_SECONDS = 0.01

# `update … from` came with it. https://www.sqlite.org/lang_update.html
_OLDEST = (3, 33, 0)

_UNDECODABLE = re.compile(r"Could not decode to UTF-8 column '(.*)' with text", re.DOTALL)


class Database:
    """A database in a file.

    Attributes:
        name: What the connection is called.
        path: The file. It need not exist.

    Raises:
        ConnectionConfigError: The connection names no file.
    """

    def __init__(self, connection: Connection) -> None:
        self.name = connection.name
        self.path = _path(connection)
        self._read_only = (connection.text("read_only") or "").lower() == "true"
        self._open: set[sqlite3.Connection] = set()
        self._guard = threading.Lock()
        self._cancelled = 0
        self._functions = Functions()

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def check_folder(self) -> None:
        """Look whether the file could be made.

        Raises:
            ConnectError: It could not.
        """
        if not self.path.parent.is_dir():
            raise ConnectError(
                f"{self.name}: the folder of the SQLite file {self.path} does not exist.",
                hint="Create it, or mend the path.",
            )

    def open(self, *, create: bool = False) -> sqlite3.Connection:
        """Open the file, waiting while another process holds it.

        Args:
            create: Make it where it is not there.

        Raises:
            ConnectError: It is not there, or no SQLite database, or held by another process.
        """
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConnectError(
                f"{self.name}: this Python has SQLite {sqlite3.sqlite_version}.",
                hint=f"Use a Python with {'.'.join(map(str, _OLDEST))} or later.",
            )
        if create:
            self.check_folder()
        elif not self.exists:
            raise ConnectError(
                f"{self.name}: there is no SQLite file {self.path}.", hint="Is the path right?"
            )
        mode = "ro" if self._read_only else "rwc" if create else "rw"
        try:
            # Transactions are begun and ended by statements; any thread may break one off.
            opened = sqlite3.connect(
                f"{self.path.as_uri()}?mode={mode}",
                uri=True,
                timeout=_ATTEMPT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise ConnectError(f"{self.name}: SQLite cannot open {self.path}: {_said(error)}.") from error
        with self._guard:
            self._open.add(opened)
        self._functions.register(opened)
        # So in every build: a table that is replaced takes no row of another table with it.
        opened.execute("PRAGMA foreign_keys = OFF")
        try:
            self.patiently(lambda: opened.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall())
        except sqlite3.Error as error:
            self.close(opened)
            raise self._unreadable(error) from error
        return opened

    @contextmanager
    def session(self) -> Iterator[sqlite3.Connection]:
        """A connection for a while."""
        opened = self.open()
        try:
            yield opened
        finally:
            self.close(opened)

    def close(self, opened: sqlite3.Connection) -> None:
        """Close a connection. Doing so twice is allowed."""
        with self._guard:
            self._open.discard(opened)
            opened.close()

    def close_all(self) -> None:
        """Close every connection that is open."""
        with self._guard:
            while self._open:
                self._open.pop().close()

    def cancel(self) -> None:
        """Break off what runs, and who waits. Any thread may call it."""
        with self._guard:
            self._cancelled += 1
            for opened in self._open:
                with suppress(sqlite3.Error):
                    opened.interrupt()

    def patiently(self, action: Callable[[], _T]) -> _T:
        """Try again while another connection holds the file, up to a minute."""
        before = self._cancelled
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline or self._cancelled != before:
                    raise
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def impatient(self, opened: sqlite3.Connection) -> Iterator[None]:
        """Have a connection wait for nothing, for a while."""
        opened.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                opened.execute(f"PRAGMA busy_timeout = {int(_ATTEMPT_SECONDS * 1000)}")

    @contextmanager
    def errors(self, *, writing: bool = False) -> Iterator[None]:
        """Map SQLite's errors to ours."""
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
            raise self._refusal(error, writing) from error

    def _refusal(self, error: Exception, writing: bool) -> EndpointError:
        refused = self._functions.taken_refusal()
        if refused is not None:
            return refused
        undecodable = _UNDECODABLE.search(str(error))
        if undecodable:
            return undecodable_text(undecodable.group(1))
        if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
            return self._busy(writing)
        if "malformed" in str(error) or "is not a database" in str(error):
            return self._unreadable(error)
        hints = {
            "interrupted": "It was broken off.",
            "disk I/O error": "Is the disk full, or broken? Make room on it, or in the user's quota.",
            "is full": "Make room on the disk, also where SQLite keeps temporary files (SQLITE_TMPDIR).",
            "readonly": "May the user write the file and its folder?",
        }
        hint = next((text for sign, text in hints.items() if sign in str(error)), None)
        return EndpointError(f"{self.name}: SQLite said: {_said(error)}.", hint=hint)

    def _busy(self, writing: bool) -> EndpointError:
        message = (
            f"{self.name}: the SQLite file {self.path} is held by another connection, which did not let go"
            f" within {LOCK_SECONDS:.0f} s."
        )
        hint = "Close the transaction there, and run again."
        if writing:
            return TargetBusyError(message, hint=hint)
        return ConnectError(message, hint=hint, transient=True)

    def _unreadable(self, error: Exception) -> EndpointError:
        if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
            return self._busy(writing=False)
        hint = "Is it another kind of file, or encrypted?" if "not a database" in str(error) else None
        return ConnectError(f"{self.name}: SQLite cannot read {self.path}: {_said(error)}.", hint=hint)


def undecodable_text(column: str, row: str = "") -> LossyTypeError:
    """What to say of a text that is no text."""
    return LossyTypeError(
        f"Column {column} holds a text that is not UTF-8{row}, which no text of Arrow carries.",
        hint="Read it as bytes, with custom SQL: cast(… as blob).",
    )


def _path(connection: Connection) -> Path:
    given = connection.required("instance")
    if ":memory:" in given or given.startswith("file:"):
        raise ConnectionConfigError(
            f"Connection {connection.name} (sqlite) names {given!r}: a database in memory belongs to one"
            " connection, so that nobody would see what is written there.",
            hint="Give the path of a file.",
        )
    return Path(given).expanduser().absolute()


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return "database is locked" in str(error) or "schema is locked" in str(error)


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".")
