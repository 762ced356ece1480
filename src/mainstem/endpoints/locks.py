"""Locks for systems that have none: by name within this process, and by a file among processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstem.errors import ConnectError, TargetBusyError

if sys.platform != "win32":
    import fcntl

__all__ = ["LOCK_SECONDS", "held", "held_by_file"]

# How long a run waits for another that writes the same target.
LOCK_SECONDS = 60.0

_PAUSE_SECONDS = 0.05

_locks: dict[Hashable, threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def held(name: Hashable, what: str) -> Iterator[None]:
    """Hold a lock, waiting while another thread has it.

    Args:
        name: What is locked.
        what: The same for people, for the message.

    Raises:
        TargetBusyError: It was not let go within a minute.
    """
    with _guard:
        lock = _locks.setdefault(name, threading.Lock())
    if not lock.acquire(timeout=LOCK_SECONDS):
        raise TargetBusyError(
            f"{what} is being written by another run of this process, which did not finish within"
            f" {LOCK_SECONDS:.0f} s.",
            hint="Run the streams of one table one after the other.",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def held_by_file(
    lock: Path, what: str, hint: str, unwritable: Callable[[OSError], ConnectError]
) -> Iterator[None]:
    """Hold a lock that other processes see: a file, which goes with the lock. On Windows nothing is held.

    Args:
        lock: The file.
        what: What is locked, for the message.
        hint: What to do where another run has it.
        unwritable: What is raised where the file cannot be made.

    Raises:
        TargetBusyError: Another process has it, and does not let go within a minute.
        ConnectError: The file cannot be made.
    """
    if sys.platform == "win32":
        yield
        return
    descriptor = _locked(lock, what, hint, unwritable)
    try:
        yield
    finally:
        # While it is ours: who waits for the old file notices that its name is gone.
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(lock: Path, what: str, hint: str, unwritable: Callable[[OSError], ConnectError]) -> int:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unwritable(error) from error
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
                f"{what} is being written by another run, which did not finish within {LOCK_SECONDS:.0f} s.",
                hint=hint,
            )
        time.sleep(_PAUSE_SECONDS)


def _is_at(lock: Path, descriptor: int) -> bool:
    """Whether the file that was locked still has the name that others lock."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
