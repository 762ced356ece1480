"""A lock on one table of a file, that other processes see."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.errors import ConnectError, TargetBusyError
from mainstem.schema import Relation

if sys.platform != "win32":
    import fcntl

__all__ = ["file_lock"]

_PAUSE_SECONDS = 0.05


@contextmanager
def file_lock(database: Path, table: Relation) -> Iterator[None]:
    """Hold a table of a database from other runs, by a file beside it that goes with the lock.

    The database's own lock would keep out every writer of every table for as long.

    Raises:
        TargetBusyError: Another process has it, and does not let go within a minute.
    """
    digest = hashlib.sha256(table.name.lower().encode()).hexdigest()[:12]
    path = database.with_name(f"{database.name}.mainstem-{digest}.lock")
    if sys.platform == "win32":
        # SQLite itself still lets one writer publish after the other.
        yield
        return
    descriptor = _acquired(path, database, table)
    try:
        yield
    finally:
        # While it is ours: who waits for the old file notices that its name is gone.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(path: Path, database: Path, table: Relation) -> int:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConnectError(
                f"The folder of the SQLite file {database} cannot be written: {error.strerror}.",
                hint="SQLite itself keeps its journal there.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise TargetBusyError(
                f"{table} in the SQLite file {database} is being written by another run, which did not finish"
                f" within {LOCK_SECONDS:.0f} s.",
                hint="Run the streams of one table one after the other.",
            )
        time.sleep(_PAUSE_SECONDS)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the file that was locked still has the name that others lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
