"""Which stream comes next, for one session or for several at once."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence

from mainstem.errors import ConnectError, ReplicationError, StreamError
from mainstem.events import StreamSkipped
from mainstem.replication import Stream

__all__ = ["StreamQueue"]


class StreamQueue:
    """The streams of a run, in the document's order, each after those that it waits for.

    Several threads may take from it. Where sizes are known, one of them should ask for the smallest stream
    each time, so that small ones do not wait until all large ones before them are done.

    Args:
        streams: The streams, in order.
        after: By a stream's name, the names of those that must be published before it. Names of streams that
            do not run are passed over.
        sizes: How large streams are, by name, where that is known.

    Raises:
        ReplicationError: Streams wait for each other in a circle.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        after: Mapping[str, Collection[str]],
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        names = {stream.name for stream in streams}
        self._after = {name: set(after.get(name, ())) & names - {name} for name in names}
        self._waiting = list(streams)
        self._sizes = sizes or {}
        self._published: set[str] = set()
        self._changed = threading.Condition()
        self._refuse_circle()

    def take(self, *, smallest: bool = False) -> Stream | None:
        """Take the first stream that may run, waiting while others may free one.

        Args:
            smallest: Take the smallest of those that may run, and the first of several.

        Returns:
            The stream; ``None`` when none is left.
        """
        with self._changed:
            while self._waiting:
                ready = [stream for stream in self._waiting if self._after[stream.name] <= self._published]
                if ready:
                    stream = min(ready, key=self._size) if smallest else ready[0]
                    self._waiting.remove(stream)
                    return stream
                self._changed.wait()
            return None

    def published(self, name: str) -> None:
        """Tell that a stream that was taken is published."""
        with self._changed:
            self._published.add(name)
            self._changed.notify_all()

    def failed(self, error: StreamError) -> Sequence[StreamSkipped]:
        """Tell that a stream that was taken failed, and hear which ones are not tried because of it.

        These are the streams that wait for it; all of them where a system is not to be reached.
        """
        with self._changed:
            lost = {error.stream}
            everything = error.phase == "connect" or isinstance(error.cause, ConnectError)
            before = 0
            while before < len(lost):
                before = len(lost)
                lost |= {each.name for each in self._waiting if everything or self._after[each.name] & lost}
            skipped = [stream for stream in self._waiting if stream.name in lost]
            self._waiting = [stream for stream in self._waiting if stream.name not in lost]
            self._changed.notify_all()
            return [StreamSkipped(stream.name, error) for stream in skipped]

    def halt(self) -> None:
        """Give out no stream any more."""
        with self._changed:
            self._waiting.clear()
            self._changed.notify_all()

    def _size(self, stream: Stream) -> float:
        return self._sizes.get(stream.name, math.inf)

    def _refuse_circle(self) -> None:
        free: set[str] = set()
        while ready := {name for name, before in self._after.items() if before <= free} - free:
            free |= ready
        left = [stream.name for stream in self._waiting if stream.name not in free]
        if left:
            raise ReplicationError(
                f"The streams {', '.join(left)} wait for each other in a circle.",
                hint="Take one of the dependencies away.",
            )
