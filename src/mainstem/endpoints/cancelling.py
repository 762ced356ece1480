"""What is broken off although nobody answers: a server that hangs, a network that lost its other end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

__all__ = ["CANCEL_SECONDS", "DriverThread", "Insistence", "LeftBehindError"]

_T = TypeVar("_T")

# So long a server may take to do what it is asked for: to break off what it does.
CANCEL_SECONDS = 3.0


class LeftBehindError(OSError):
    """A driver waits for a server that does not answer, and was left to it."""

    def __init__(self) -> None:
        super().__init__("no connection to the server any more, which does not answer")


class Insistence:
    """Whether a server was asked to break off, and asked again, and still does not."""

    def __init__(self) -> None:
        self._first = self._last = float("-inf")

    def is_vain(self) -> bool:
        """Whether it has been asked for a while already. To be called each time that it is asked."""
        now = time.monotonic()
        if now - self._last > 3 * CANCEL_SECONDS:
            self._first = now
        self._last = now
        return now - self._first >= CANCEL_SECONDS


class DriverThread(Generic[_T]):
    """Does the calls of a driver that cannot be interrupted, one after the other, in a thread of its own.

    Whoever waits for a call can be interrupted: by Ctrl-C, and by :meth:`leave` from any thread.

    Args:
        name: The thread's.
        at_end: Lets go of what the driver has. It is called in the thread, when that is ended or comes back.
    """

    def __init__(self, name: str, at_end: Callable[[], None]) -> None:
        self._name = name
        self._at_end = at_end
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._tasks: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]] | None] = SimpleQueue()
        self._waiting: list[SimpleQueue[Any]] = []
        self._is_left = False

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for a call."""
        return bool(self._waiting)

    def call(self, work: Callable[[], _T]) -> _T:
        """Do a call, and wait for it.

        Raises:
            LeftBehindError: The thread was left behind, before or meanwhile.
        """
        answer = self._begin(work)
        try:
            found, error = answer.get()
        finally:
            with self._guard:
                self._waiting.remove(answer)
        if error is not None:
            raise error
        result: _T = found
        return result

    def settles(self, seconds: float) -> bool:
        """Wait until no call is done any more; ``False`` where that takes longer."""
        with suppress(LeftBehindError):
            answer = self._begin(lambda: None)
            with self._guard:
                self._waiting.remove(answer)
            try:
                answer.get(timeout=seconds)
            except Empty:
                return False
        return True

    def leave(self) -> None:
        """Wait no more. When the driver comes back from what it does, its thread ends."""
        with self._guard:
            self._is_left = True
            for answer in self._waiting:
                answer.put((None, LeftBehindError()))
            self._tasks.put(None)

    def end(self) -> None:
        """Let go of what the driver has. A driver that does not come back is left behind."""
        if not self.settles(CANCEL_SECONDS):
            self.leave()
        with self._guard:
            if self._is_left:
                return
            thread, self._thread = self._thread, None
            self._is_left = True
            self._tasks.put(None)
        if thread is not None:
            thread.join()

    def _begin(self, work: Callable[[], Any]) -> SimpleQueue[Any]:
        answer: SimpleQueue[Any] = SimpleQueue()
        with self._guard:
            if self._is_left:
                raise LeftBehindError
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.append(answer)
            self._tasks.put((work, answer))
        return answer

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            work, answer = task
            try:
                answer.put((work(), None))
            except BaseException as error:
                answer.put((None, error))
        self._at_end()
