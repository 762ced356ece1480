"""Several sessions at once, each in a thread of its own, and one stream of events from all of them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from mainstem.breaking import STOP_SECONDS
from mainstem.errors import StreamError
from mainstem.events import Event, StreamFailed
from mainstem.queueing import StreamQueue
from mainstem.session import Session

__all__ = ["in_turn", "side_by_side"]

# Events that nobody has taken yet. A reader that is slow slows the sessions down.
_EVENTS = 64
_TICK = 0.05


def in_turn(
    session: Session, streams: StreamQueue, *, smallest: bool = False
) -> Generator[Event, None, None]:
    """Run the streams one after the other, in this thread. Closing it breaks off and drops what is staged.

    Args:
        session: What runs them.
        streams: The streams.
        smallest: Always take the smallest one that may run.

    Yields:
        The streams' events.
    """
    try:
        while (stream := streams.take(smallest=smallest)) is not None:
            try:
                yield from session.run(stream)
            except StreamError as error:
                yield StreamFailed(error)
                yield from streams.failed(error)
            else:
                streams.published(stream.name)
    finally:
        session.close()


def side_by_side(sessions: Sequence[Session], streams: StreamQueue) -> Generator[Event, None, None]:
    """Run the streams in as many threads as there are sessions.

    Closing it breaks off what the sessions do, and waits until each has dropped what it has staged.

    Yields:
        The streams' events; those of one stream in their order.
    """
    crew = _Crew(sessions, streams)
    try:
        yield from crew.events()
    finally:
        crew.dismiss()


@dataclass(frozen=True)
class _Gone:
    """A thread has ended."""

    error: BaseException | None = None


class _Dismissed(BaseException):
    """Nobody wants the events any more. No `except Exception` on the way may take it for a failure."""


class _Crew:
    """The threads, and the way of their events."""

    def __init__(self, sessions: Sequence[Session], streams: StreamQueue) -> None:
        self._sessions = sessions
        self._streams = streams
        self._events: queue.Queue[Event | _Gone] = queue.Queue(_EVENTS)
        self._dismissed = threading.Event()
        self._threads = [
            threading.Thread(
                # One of them is for the small streams, so that they do not wait for the large ones.
                target=self._work,
                args=(session, number == len(sessions)),
                name=f"mainstem-{number}",
                daemon=True,
            )
            for number, session in enumerate(sessions, 1)
        ]

    def events(self) -> Generator[Event, None, None]:
        for thread in self._threads:
            thread.start()
        left = len(self._threads)
        while left:
            event = self._events.get()
            if not isinstance(event, _Gone):
                yield event
                continue
            left -= 1
            if event.error is not None:
                raise event.error

    def dismiss(self) -> None:
        """End all threads, breaking off the statements that run."""
        self._dismissed.set()
        self._streams.halt()
        while alive := [thread for thread in self._threads if thread.is_alive()]:
            # Once more after a while, for a statement that began in that very moment; not so soon that it
            # would hit what drops the staging places.
            for session in self._sessions:
                session.stop()
            deadline = time.monotonic() + STOP_SECONDS
            for thread in alive:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self, session: Session, smallest: bool) -> None:
        error: BaseException | None = None
        try:
            with closing(in_turn(session, self._streams, smallest=smallest)) as events:
                for event in events:
                    self._tell(event)
        except _Dismissed:
            return
        except BaseException as raised:  # it is raised again, in the thread that waits
            error = raised
        self._tell_end(_Gone(error))

    def _tell(self, event: Event | _Gone) -> None:
        while not self._dismissed.is_set():
            try:
                self._events.put(event, timeout=_TICK)
            except queue.Full:
                continue
            return
        raise _Dismissed

    def _tell_end(self, gone: _Gone) -> None:
        try:
            self._tell(gone)
        except _Dismissed:
            return
