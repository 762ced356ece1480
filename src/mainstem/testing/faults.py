"""What can befall a run at a boundary: an exception, a kill, cut wires, a stall, a disk that is full."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mainstem.faults import Point, watching

__all__ = ["Action", "Fault", "TrippedError", "tripped"]


class TrippedError(RuntimeError):
    """What a tripped boundary raises."""


class Action(Enum):
    """What befalls the run. But for the first and the stall, it befalls the whole process."""

    RAISE = "raise"
    """Something raises what nobody expects."""
    KILL = "kill"
    """The process gets SIGKILL."""
    CUT = "cut"
    """Every wire of the process is cut; new ones can be had."""
    STALL = "stall"
    """The run stands still until it is let go on."""
    FULL = "disk full"
    """The process can write to no file any more."""


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        point: At which boundary.
        action: What happens.
        at: The how manieth time that the run comes by there, from 1.
    """

    point: Point
    action: Action
    at: int = 1

    def __str__(self) -> str:
        return f"{self.action.value} at {self.point.value} {self.at}"


@contextmanager
def tripped(fault: Fault, stall: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Let a fault befall the runs of this process, once.

    Args:
        fault: The fault.
        stall: How the run stands still: it goes on when this returns.

    Example:
        >>> from mainstem.faults import reached
        >>> with tripped(Fault(Point.PLANNED, Action.RAISE)):
        ...     reached(Point.PLANNED)
        Traceback (most recent call last):
        mainstem.testing.faults.TrippedError: raise at planned 1
    """
    times = 0

    def watch(point: Point) -> None:
        nonlocal times
        if point is fault.point:
            times += 1
            if times == fault.at:
                _befall(fault, stall)

    with watching(watch):
        yield


def _befall(fault: Fault, stall: Callable[[], object]) -> None:
    if fault.action is Action.RAISE:
        raise TrippedError(str(fault))
    if fault.action is Action.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault.action is Action.CUT:
        _cut_wires()
    elif fault.action is Action.STALL:
        stall()
    else:
        # What a file is refused is an error, since Python ignores the signal.
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


def _cut_wires() -> None:
    for entry in list(Path("/dev/fd").iterdir()):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                with socket.socket(fileno=os.dup(int(entry.name))) as wire:
                    wire.shutdown(socket.SHUT_RDWR)
