"""The boundaries of a run at which it may die: named, so that a test can make it die there.

Nothing trips them but code of the same process that calls :func:`watching`: no document, no variable and no
option does. Where nobody watches, :func:`reached` looks at an empty list and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

__all__ = ["Point", "reached", "watching"]


class Point(Enum):
    """A boundary, in the order in which a stream comes by."""

    CONNECTED = "connected"
    """Source and target are open; the target is not locked."""
    PLANNED = "planned"
    """The target is locked and looked at, and the cursor is read."""
    STAGED = "staged"
    """The staging place is made, and what a killed run had left is swept."""
    MID_BATCH = "mid-batch"
    """A portion of rows is written; others follow, or none."""
    COMPLETE = "staged-complete"
    """All rows are staged, and counted."""
    BEFORE_PUBLISH = "before-publish"
    """The steps are known; none is carried out."""
    MID_PUBLISH = "mid-publish"
    """Between two steps of the publish, or statements of a step, the last one before the commit included."""
    AFTER_PUBLISH = "after-publish"
    """The rows are published; a cursor that is kept elsewhere is the old one."""
    CLEANUP = "cleanup"
    """What was staged is about to be dropped, and the lock to be let go, whatever became of the stream."""


_watchers: list[Callable[[Point], None]] = []


def reached(point: Point) -> None:
    """Tell whoever watches that the run is at a boundary. What a watcher raises comes up from here."""
    for watcher in _watchers:
        watcher(point)


@contextmanager
def watching(watcher: Callable[[Point], None]) -> Iterator[None]:
    """Call something at each boundary of every run in this process, from the thread that has reached it.

    Args:
        watcher: Called with the boundary. It may raise, end the process, or take its time.

    Example:
        >>> seen = []
        >>> with watching(seen.append):
        ...     reached(Point.PLANNED)
        >>> seen
        [<Point.PLANNED: 'planned'>]
    """
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
