"""Reading while writing: batches are fetched in a thread of their own, a few ahead of who takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["read_ahead"]

_Batch = TypeVar("_Batch")

# Read already and not taken yet; one more is being read, and one is being written.
_BATCHES = 2
_PATIENCE = 1.0
# Small tables end before a thread is worth its start.
_WITHOUT_THREAD = 2


@contextmanager
def read_ahead(batches: Iterator[_Batch], break_off: Callable[[], object]) -> Iterator[Iterator[_Batch]]:
    """Read on while the batches that were taken are being written.

    The drivers and Arrow let go of the interpreter's lock while they work: both sides have a core. And
    whoever waits for a batch can be interrupted, whatever the driver does.

    Args:
        batches: What is read. Nobody else touches it until the context is left.
        break_off: Breaks off a read that is waited for in vain, where the context is left before the end.

    Yields:
        The same batches, in their order. What reading them raises is raised where they are taken.
    """
    ahead = _Ahead(batches)
    try:
        yield ahead
    finally:
        ahead.end(break_off)


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class _Ahead(Iterator[_Batch], Generic[_Batch]):
    def __init__(self, batches: Iterator[_Batch]) -> None:
        self._batches = batches
        self._queue: queue.Queue[_Batch | _End] = queue.Queue(_BATCHES)
        self._unwanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._over = False
        # Ctrl-C reaches the main thread alone: it waits where it can be interrupted.
        is_main = threading.current_thread() is threading.main_thread()
        self._inline = 0 if is_main else _WITHOUT_THREAD

    def __next__(self) -> _Batch:
        if self._over:
            raise StopIteration
        if self._inline:
            self._inline -= 1
            return next(self._batches)
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="mainstem-read", daemon=True)
            self._thread.start()
        found = self._queue.get()
        if not isinstance(found, _End):
            return found
        self._over = True
        if found.error is not None:
            raise found.error
        raise StopIteration

    def end(self, break_off: Callable[[], object]) -> None:
        """Wait until nothing is read any more."""
        self._unwanted.set()
        thread = self._thread
        if thread is None:
            return
        self._drain()
        thread.join(_PATIENCE)
        while thread.is_alive():
            break_off()
            self._drain()
            thread.join(_PATIENCE)

    def _drain(self) -> None:
        """Make room, for a reader that waits for it."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def _read(self) -> None:
        end = _End()
        try:
            for batch in self._batches:
                self._queue.put(batch)
                if self._unwanted.is_set():
                    return
        except BaseException as error:
            end = _End(error)
        if not self._unwanted.is_set():
            self._queue.put(end)
