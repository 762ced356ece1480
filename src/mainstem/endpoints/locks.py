"""Locks by name within this process, for systems that have none that others would see."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from mainstem.errors import TargetBusyError

__all__ = ["LOCK_SECONDS", "held"]

# How long a run waits for another that writes the same target.
LOCK_SECONDS = 60.0

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
