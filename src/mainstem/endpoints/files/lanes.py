"""Threads that write files side by side, each its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

import pyarrow as pa

from mainstem.endpoints.files.parts import PartFile, Parts, Unit

__all__ = ["Lanes"]

# So many batches wait for each thread.
_WAITING = 4


class Lanes:
    """Writers of parts: a unit's rows always go the same way, so that they keep their order.

    One way needs no thread. Errors of a thread are raised where rows are given or the end is waited for.

    Args:
        make: Makes what one thread writes.
        most: At most so many threads; they begin with their first rows.
    """

    def __init__(self, make: Callable[[], Parts], most: int) -> None:
        self._make = make
        self._most = max(1, most)
        self._lanes: dict[int, _Lane] = {}
        self._ways: dict[Unit, int] = {}
        self._alone = make() if self._most == 1 else None

    def write(self, unit: Unit, batch: pa.RecordBatch) -> None:
        """Have rows written."""
        if self._alone is not None:
            self._alone.write(unit, batch)
            return
        way = self._ways.setdefault(unit, len(self._ways) % self._most)
        if way not in self._lanes:
            self._lanes[way] = _Lane(self._make())
        self._lanes[way].put(unit, batch)

    def close(self, empty: Unit | None = None) -> Sequence[PartFile]:
        """Finish all files.

        Args:
            empty: What is written where no row came; ``None`` for nothing.

        Returns:
            The files, by their path.
        """
        if self._alone is None and not self._lanes:
            self._alone = self._make()
        for lane in self._lanes.values():
            lane.end()
        for lane in self._lanes.values():
            lane.join()
        everything = [*([self._alone] if self._alone else []), *(lane.parts for lane in self._lanes.values())]
        if self._alone is not None:
            if empty is not None and not any(self._alone):
                self._alone.begin(empty)
            self._alone.close()
        return sorted((file for parts in everything for file in parts), key=lambda file: file.path)

    def drop(self) -> None:
        """Give up what is not shown."""
        for lane in self._lanes.values():
            lane.stop()
        for parts in [
            *([self._alone] if self._alone else []),
            *(lane.parts for lane in self._lanes.values()),
        ]:
            parts.drop()


class _Lane:
    """A thread with its files."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._queue: queue.Queue[tuple[Unit, pa.RecordBatch] | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="mainstem-write", daemon=True)
        self._thread.start()

    def put(self, unit: Unit, batch: pa.RecordBatch) -> None:
        self._check()
        self._queue.put((unit, batch))

    def end(self) -> None:
        self._queue.put(None)

    def join(self) -> None:
        self._thread.join()
        self._check()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stopped = True
            self._queue.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            given = self._queue.get()
            try:
                if given is None:
                    if self._error is None and not self._stopped:
                        self.parts.close()
                    return
                # What comes after an error is taken and forgotten, so that nobody waits for room.
                if self._error is None and not self._stopped:
                    self.parts.write(*given)
            except BaseException as error:
                self._error = error
                if given is None:
                    return
