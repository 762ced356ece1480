"""How a command ends: its exit codes, Ctrl-C and SIGTERM.

| code | when |
|---|---|
| 0 | done, also with warnings, or with no stream to run |
| 1 | a stream failed, the document or a connection is wrong, an assertion does not hold |
| 2 | wrong usage |
| 130, 143 | Ctrl-C, SIGTERM |
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NoReturn

__all__ = ["DONE", "FAILED", "Stop", "cancellable"]

DONE = 0
FAILED = 1
_SIGNALLED = 128

# A signal ends the process within two seconds, whatever a driver or a server does.
_GRACE_SECONDS = 1.5
_AGAIN_SECONDS = 0.1
_SHOW_CURSOR = "\x1b[?25h"


class Stop:
    """Whether the user wants the command to end. It may be asked from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._event.is_set()

    def request(self) -> None:
        """A signal has come."""
        self._event.set()


def cancellable(body: Callable[[Stop], int], say: Callable[[str], object]) -> int:
    """Run a command so that a signal ends it, even while a driver waits for its server.

    The body runs in a thread of its own. On Ctrl-C or SIGTERM the queries of all open endpoints are cancelled
    at their servers, and the body has a moment to clean up; after that moment, or on a second signal, the
    process leaves without it. Either way nothing half is published: publishing is one transaction.

    Args:
        body: The command. It returns its exit code, and should end soon once a stop is requested.
        say: Tells the user that the command was interrupted.

    Returns:
        The body's exit code, or 128 and the signal's number.

    Raises:
        Exception: What the body raised.
    """
    inbox: SimpleQueue[int | None] = SimpleQueue()
    outcome: Future[int] = Future()
    stop = Stop()

    def work() -> None:
        try:
            outcome.set_result(body(stop))
        except BaseException as error:
            outcome.set_exception(error)
        inbox.put(None)

    with _signals_sent_to(inbox):
        threading.Thread(target=work, name="mainstem", daemon=True).start()
        number = inbox.get()
        if number is None:
            return outcome.result()
        stop.request()
        # In a thread: cancelling needs the network, which may be what hangs.
        cancelling = threading.Thread(target=_cancel_until, args=(outcome,), daemon=True)
        cancelling.start()
        try:
            again = inbox.get(timeout=_GRACE_SECONDS)
        except Empty:
            again = number
        if again is not None:
            _leave(_SIGNALLED + number)
        # A thread that is within a driver when Python goes down may hold it for ever.
        cancelling.join(_GRACE_SECONDS)
        if cancelling.is_alive():
            _leave(_SIGNALLED + number)
    say("Interrupted." if number == signal.SIGINT else "Terminated.")
    return _SIGNALLED + number


@contextmanager
def _signals_sent_to(inbox: SimpleQueue[int | None]) -> Iterator[None]:
    def arrived(number: int, _frame: FrameType | None) -> None:
        inbox.put(number)

    # A signal that is ignored stays ignored, as under nohup.
    numbers = [
        number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, arrived) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cancel_until(ended: Future[int]) -> None:
    """Cancel again and again: a query may begin just after the first time."""
    from mainstem.breaking import break_all  # noqa: PLC0415 - only here are they needed
    from mainstem.endpoints import cancel_all  # noqa: PLC0415

    pause = threading.Event()
    while not ended.done():
        break_all()
        cancel_all()
        pause.wait(_AGAIN_SECONDS)


def _leave(code: int) -> NoReturn:
    """End at once. The body's thread may hold any lock, so nothing of it is used."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os.write(
        sys.stderr.fileno(),
        b"Ended at once. Nothing half was published.\n",
    )
    os._exit(code)
