"""What runs and can be broken off by another thread: its time is over, or nobody wants it any more."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["STOP_SECONDS", "Breaker", "Deadline", "break_all"]

#: What is told to stop has so long to drop what it has staged; then it is told again.
STOP_SECONDS = 5.0

# Only weakly: who does the work keeps it.
_breakers: weakref.WeakSet[Breaker] = weakref.WeakSet()
_guard = threading.Lock()


@dataclass(frozen=True)
class Deadline:
    """When something has to be done by.

    Attributes:
        until: The moment, on the monotonic clock.
        told: What is said when it is over.
    """

    until: float
    told: str

    @classmethod
    def after(cls, seconds: float | None, told: str) -> Deadline | None:
        """So many seconds from now; ``None`` for never."""
        return None if seconds is None else cls(time.monotonic() + seconds, told)

    @staticmethod
    def first(*deadlines: Deadline | None) -> Deadline | None:
        """The first one of several; ``None`` is none."""
        return min((each for each in deadlines if each), key=lambda each: each.until, default=None)

    @property
    def is_over(self) -> bool:
        """Whether it is."""
        return time.monotonic() >= self.until

    def no_sooner_than(self, seconds: float) -> Deadline:
        """This one, or so many seconds from now where that is later."""
        return Deadline(max(self.until, time.monotonic() + seconds), self.told)


class Breaker:
    """Breaks off what is done under it. Any thread may ask it to.

    Args:
        deadlines: The first of them ends what is done :meth:`in_time`; ``None`` is none.
    """

    def __init__(self, *deadlines: Deadline | None) -> None:
        self.deadline = Deadline.first(*deadlines)
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._cancels: list[Callable[[], object]] = []
        self._why = "the run is over"
        with _guard:
            _breakers.add(self)

    @property
    def broken(self) -> bool:
        """Whether it was asked to."""
        return self._event.is_set()

    @property
    def why(self) -> str:
        """Why it was."""
        return self._why

    def off(self, why: str | None = None) -> None:
        """Break off. Once more is allowed: for what began in that very moment."""
        with self._lock:
            self._why = why or self._why
            self._event.set()
            cancels = list(self._cancels)
        for cancel in cancels:
            cancel()

    @contextmanager
    def watching(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Have this called when it is asked to break off, within a block; at once where it was before."""
        with self._lock:
            self._cancels.append(cancel)
        try:
            if self.broken:
                cancel()
            yield
        finally:
            with self._lock:
                self._cancels.remove(cancel)

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Break off what is done in a block when the deadline is over."""
        if self.deadline is None:
            yield
            return
        ended = threading.Event()
        watch = threading.Thread(target=self._expire, args=(self.deadline, ended), daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()

    def _expire(self, deadline: Deadline, ended: threading.Event) -> None:
        if ended.wait(max(0.0, deadline.until - time.monotonic())):
            return
        self.off(deadline.told)
        # Once more after a while: for a statement that began in that moment, for a server that is silent.
        while not ended.wait(STOP_SECONDS):
            self.off(deadline.told)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is asked to break off; whether it was."""
        return self._event.wait(seconds)


def break_all() -> None:
    """Break off everything of this process: it is told to end."""
    with _guard:
        breakers = list(_breakers)
    for breaker in breakers:
        breaker.off("the process was told to end")
