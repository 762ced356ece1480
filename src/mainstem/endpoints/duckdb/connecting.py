"""Ways into a DuckDB database, and what its words of refusal become."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa

from mainstem.endpoints.duckdb.sharing import Opened, shared_by
from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.errors import ConnectError, EndpointError, LossyTypeError, TargetBusyError

__all__ = ["Database", "duckdb_errors", "in_utc"]

_LOCK_HOLDER = re.compile(r"PID (\d+)")
# What the refusal of a lock adds where its holders only read.
_READERS_HOLD = "read-only mode"
_OTHER_SETTINGS = "different configuration"
_ATTACHED = "already attached"
_RETRY_SECONDS = 0.1


class Database:
    """The database that a connection's ``instance`` names.

    Attributes:
        path: The file; ``None`` for a database in memory.
        catalog: What DuckDB calls it in a name of three parts.

    Args:
        name: The connection's name, for messages.
        instance: A path, ``:memory:``, or ``:memory:name``.
    """

    def __init__(self, name: str, instance: str) -> None:
        self._name = name
        self._instance = instance
        self.path = None if instance.startswith(":memory:") else Path(instance).expanduser().absolute()
        stem = self.path.name.lstrip(".").partition(".")[0] if self.path else "memory"
        # Reserved names get a suffix.
        self.catalog = f"{stem}_db" if stem in ("main", "system", "temp") else stem
        # Without a name, it is nobody else's.
        self._shared = Opened() if self.is_private else shared_by(self.key)

    @property
    def is_private(self) -> bool:
        """Whether it is in memory without a name, so that nobody else can have it open."""
        return self._instance == ":memory:"

    @property
    def exists(self) -> bool:
        """Whether it is there. In memory it is there by being opened."""
        return self.path is None or self.path.exists()

    @property
    def key(self) -> str:
        """The same for every way to write its name."""
        return str(self.path.resolve()) if self.path else self._instance

    def open_to_read(self, *, read_only: bool) -> tuple[duckdb.DuckDBPyConnection, bool]:
        """Open what is there. Nothing is made.

        Args:
            read_only: Open it so that nothing can be written, and other processes can read it meanwhile.

        Returns:
            The connection, and whether it can write.

        Raises:
            ConnectError: It is not there, or is no DuckDB database.
            TargetBusyError: Another process writes it, and does not let go.
        """
        if not self.exists:
            raise ConnectError(
                f"{self._name}: there is no DuckDB file {self.path}.",
                hint="Mend the path. A run that writes to the connection makes the file.",
            )
        # In memory there is nothing to open read-only.
        read_only = self.path is not None and (read_only or not os.access(self.path, os.W_OK))
        connection, writes = self._shared.connected(
            lambda: self._opened(read_only=read_only, or_otherwise=True)
        )
        return connection, writes and not read_only

    def open_to_write(self) -> duckdb.DuckDBPyConnection:
        """Open it, and make it where it is not there.

        Raises:
            ConnectError: It cannot be made, or is no DuckDB database.
            TargetBusyError: Another process has it open, and does not let go.
        """
        self.refuse_missing_folder()
        return self._shared.connected(
            lambda: self._opened(read_only=False),
            lambda writes: None if writes else self._open_otherwise(),
        )[0]

    def close(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Give back a connection that was opened here."""
        self._shared.close(connection)

    def refuse_missing_folder(self) -> None:
        """Refuse a file that could not be made.

        Raises:
            ConnectError: Its folder does not exist.
        """
        if self.path is not None and not self.path.parent.is_dir():
            raise ConnectError(
                f"{self._name}: the folder of the DuckDB file {self.path} does not exist.",
                hint="Create it, or mend the path.",
            )

    def _opened(
        self, *, read_only: bool, or_otherwise: bool = False
    ) -> tuple[duckdb.DuckDBPyConnection, bool]:
        """Open it, waiting while another process holds it.

        Args:
            read_only: Open it so that nothing can be written.
            or_otherwise: Take what can be had: read-only where others read, and the other way round where
                this process has it open so.
        """
        place = str(self.path or self._instance)
        began = time.monotonic()
        while True:
            try:
                return duckdb.connect(place, read_only=read_only), not read_only
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise self._refused(error) from error
                if or_otherwise and not read_only and _READERS_HOLD in str(error):
                    read_only, or_otherwise = True, False
                elif time.monotonic() - began > LOCK_SECONDS:
                    raise self._busy(error) from error
                else:
                    time.sleep(_RETRY_SECONDS)
            except duckdb.ConnectionException as error:
                if not or_otherwise or _OTHER_SETTINGS not in str(error):
                    raise self._refused(error) from error
                read_only, or_otherwise = not read_only, False
            except duckdb.Error as error:
                # Another thread may be closing a connection of the user's own.
                if _ATTACHED not in str(error) or time.monotonic() - began > LOCK_SECONDS:
                    raise self._refused(error) from error
                time.sleep(_RETRY_SECONDS)

    def _refused(self, error: duckdb.Error) -> ConnectError:
        if _OTHER_SETTINGS in str(error):
            return self._open_otherwise()
        hint = "Detach it there: a process opens a file once." if _ATTACHED in str(error) else None
        return ConnectError(
            f"{self._name}: DuckDB cannot open {self.path or self._instance}: {_first_line(error)}", hint=hint
        )

    def _open_otherwise(self) -> ConnectError:
        return ConnectError(
            f"{self._name}: this process has {self.path or self._instance} open with other settings.",
            hint="Close it there, or open it without `config` and `read_only`: DuckDB shares one database"
            " between the connections of a process.",
        )

    def _busy(self, error: duckdb.Error) -> TargetBusyError:
        holder = _LOCK_HOLDER.search(str(error))
        return TargetBusyError(
            f"{self._name}: the DuckDB file {self.path} is held by"
            f" {f'process {holder.group(1)}' if holder else 'another process'}"
            f" and was not released within {LOCK_SECONDS:.0f} s.",
            hint="Close it there: DuckDB allows one writing process. SLING_RETRIES waits that often more.",
        )


def in_utc(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Have a connection take a time without a zone for one in UTC, whatever the machine's zone is."""
    # A user who locked the configuration has chosen the zone.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET TimeZone = 'UTC'")
    return connection


@contextmanager
def duckdb_errors(name: str) -> Iterator[None]:
    """Map DuckDB's errors to ours.

    Args:
        name: The connection's name.
    """
    try:
        yield
    except duckdb.TransactionException as error:
        if "conflict" not in str(error).lower() and "another transaction" not in str(error):
            raise _refusal(name, error) from error
        raise TargetBusyError(f"{name}: another writer was in the way: {_first_line(error)}") from error
    except duckdb.ConversionException as error:
        raise LossyTypeError(f"{name}: DuckDB cannot convert a value: {_first_line(error)}") from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        # What fails while rows stream comes by way of Arrow.
        raise _refusal(name, error) from error
    except RuntimeError as error:
        # DuckDB hides a Ctrl-C, or Dagster's own interrupt, behind one of these.
        if error.__cause__ is not None and not isinstance(error.__cause__, Exception):
            raise error.__cause__ from None
        raise


_HINTS = {
    **dict.fromkeys(
        ("No space left", "File too large", "quota exceeded"),
        "Make room on the disk, or in the user's quota, and run again.",
    ),
    "Out of Memory": "Raise DuckDB's `memory_limit`, or close what else this process has open.",
    "read-only mode": "The connection says `read_only`, or another process has the file open.",
}


def _refusal(name: str, error: Exception) -> EndpointError:
    hint = next((hint for sign, hint in _HINTS.items() if sign in str(error)), None)
    return EndpointError(f"{name}: DuckDB said: {_first_line(error)}", hint=hint)


def _first_line(error: Exception) -> str:
    """DuckDB's own sentence, without the query, as a sentence."""
    line = str(error).strip().splitlines()[0]
    return line if line.endswith((".", "!", "?")) else f"{line}."
