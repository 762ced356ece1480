"""Reading while writing: batches are fetched in a thread of their own, a few ahead of who takes them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["read_ahead"]

_Batch = TypeVar("_Batch")

# Read already and not taken yet; one more is being read, and one is being written.
_BATCHES = 2
_PATIENCE = 1.0
_TICK = 0.05
# Small tables end before a thread is worth its start.
_WITHOUT_THREAD = 2


@contextmanager
def read_ahead(
    sources: Sequence[Iterator[_Batch]], break_off: Callable[[], object]
) -> Iterator[Iterator[_Batch]]:
    """Read on while the batches that were taken are being written.

    The drivers and Arrow let go of the interpreter's lock while they work: both sides have a core. And
    whoever waits for a batch can be interrupted, whatever the driver does.

    Args:
        sources: What is read, each in a thread of its own. Nobody else touches it until the context is left.
        break_off: Breaks off a read that is waited for in vain, where the context is left before the end.

    Yields:
        The same batches; those of one source in their order. What reading them raises is raised where they
        are taken.
    """
    ahead = _Ahead(sources)
    try:
        yield ahead
    finally:
        ahead.end(break_off)


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class _Ahead(Iterator[_Batch], Generic[_Batch]):
    def __init__(self, sources: Sequence[Iterator[_Batch]]) -> None:
        self._sources = sources
        self._queue: queue.Queue[_Batch | _End] = queue.Queue(_BATCHES)
        self._unwanted = threading.Event()
        self._threads: list[threading.Thread] = []
        self._left = len(sources)
        # Ctrl-C reaches the main thread alone: it waits where it can be interrupted.
        is_main = threading.current_thread() is threading.main_thread()
        self._inline = 0 if is_main or len(sources) > 1 else _WITHOUT_THREAD

    def __next__(self) -> _Batch:
        if not self._left:
            raise StopIteration
        if self._inline:
            self._inline -= 1
            return next(self._sources[0])
        if not self._threads:
            self._start()
        while self._left:
            found = self._queue.get()
            if not isinstance(found, _End):
                return found
            self._left -= 1
            if found.error is not None:
                self._left = 0
                raise found.error
        raise StopIteration

    def _start(self) -> None:
        for batches in self._sources:
            thread = threading.Thread(target=self._read, args=(batches,), name="mainstem-read", daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self, break_off: Callable[[], object]) -> None:
        """Wait until nothing is read any more."""
        self._unwanted.set()
        deadline = time.monotonic() + _PATIENCE
        while reading := [thread for thread in self._threads if thread.is_alive()]:
            self._drain()
            reading[0].join(_TICK)
            if time.monotonic() > deadline:
                break_off()
                deadline = time.monotonic() + _PATIENCE

    def _drain(self) -> None:
        """Make room, for a reader that waits for it."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def _read(self, batches: Iterator[_Batch]) -> None:
        end = _End()
        try:
            for batch in batches:
                self._queue.put(batch)
                if self._unwanted.is_set():
                    return
        except BaseException as error:
            end = _End(error)
        if not self._unwanted.is_set():
            self._queue.put(end)
