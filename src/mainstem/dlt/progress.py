"""dlt's progress, as lines of the run's log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

# What dlt counts besides the rows of tables.
_OTHERS = frozenset({"Resources", "Files", "Items", "Jobs"})


class RowProgress:
    """Counts rows, and says from time to time how many there are.

    Args:
        step: What is going on, such as ``Extracted``.
        say: Where the lines go. Called on the thread that counts.
        every: Seconds between two lines.
    """

    def __init__(self, step: str, say: Callable[[str], object], every: float = 10.0) -> None:
        self._step = step
        self._say = say
        self._every = every
        self._rows: Counter[str] = Counter()
        self._said = time.monotonic()

    def __call__(self, counter: str, increase: int) -> None:
        """Count, as a listener of `ListeningCollector`."""
        if counter in _OTHERS:
            return
        self._rows[counter] += increase
        if time.monotonic() - self._said >= self._every:
            self._said = time.monotonic()
            rows = ", ".join(f"{table} {count:,}" for table, count in self._rows.items() if count)
            self._say(f"{self._step} so far, in rows: {rows}")
