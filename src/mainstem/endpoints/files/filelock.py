"""A lock on a file or folder of this machine, that other processes see."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.errors import ConnectError, TargetBusyError

if sys.platform != "win32":
    import fcntl

__all__ = ["path_lock"]

_PAUSE_SECONDS = 0.05


@contextmanager
def path_lock(path: Path) -> Iterator[None]:
    """Hold a path from other runs, by a hidden file beside it that goes with the lock.

    Raises:
        TargetBusyError: Another process has it, and does not let go within a minute.
        ConnectError: The folder cannot be written.
    """
    if sys.platform == "win32":
        yield
        return
    lock = path.parent / f".{path.name}.mainstem-lock"
    descriptor = _acquired(lock, path)
    try:
        yield
    finally:
        # While it is ours: who waits for the old file notices that its name is gone.
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _acquired(lock: Path, path: Path) -> int:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ConnectError(
                f"The folder {lock.parent} cannot be written: {error.strerror}.",
                hint="Files are written beside their final place first.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, descriptor):
                return descriptor
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise TargetBusyError(
                f"{path} is being written by another run, which did not finish within {LOCK_SECONDS:.0f} s.",
                hint="Run the streams of one object one after the other.",
            )
        time.sleep(_PAUSE_SECONDS)


def _is_at(lock: Path, descriptor: int) -> bool:
    """Whether the file that was locked still has the name that others lock."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
