"""What the engine says while a stream runs, as a few lines of the run's log."""

from __future__ import annotations

import time
from collections.abc import Callable

from mainstem.events import BatchStaged

__all__ = ["Progress", "readable_bytes"]

_THOUSAND = 1000


class Progress:
    """Says from time to time how far a stream is: no line a batch.

    Args:
        say: Where the lines go.
        every: Seconds between two lines of a stream. A stream that is done by then has none.
        clock: What tells the time, in seconds.

    Example:
        >>> ticks = iter([0.0, 3.0, 12.0])
        >>> progress = Progress(print, every=10.0, clock=lambda: next(ticks))
        >>> for rows in (1000, 2000, 3000):
        ...     progress(BatchStaged("public.orders", rows, rows * 80))
        public.orders: 3,000 rows, 240.0 kB so far
    """

    def __init__(
        self,
        say: Callable[[str], object],
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._every = every
        self._clock = clock
        self._said: dict[str, float] = {}

    def __call__(self, event: BatchStaged) -> None:
        """Take notice of a batch."""
        now = self._clock()
        if now - self._said.setdefault(event.stream, now) >= self._every:
            self._said[event.stream] = now
            self._say(f"{event.stream}: {event.rows:,} rows, {readable_bytes(event.bytes)} so far")


def readable_bytes(count: int) -> str:
    """Write a number of bytes for people.

    Example:
        >>> readable_bytes(512), readable_bytes(93_400_000)
        ('512 B', '93.4 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < _THOUSAND:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= _THOUSAND
    return f"{size:.1f} TB"
