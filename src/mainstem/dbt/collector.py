"""Python's garbage collector, asked to wait while a large project is made into definitions."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collection of cycles. What is made meanwhile is kept, so looking through it is in vain.

    It looks through all objects again and again as their number grows: half of the time that it takes to
    make some thousand assets.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
