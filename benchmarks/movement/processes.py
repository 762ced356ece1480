"""One run as a whole process, with what it and the servers took."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

__all__ = ["Figures", "RunFailedError", "measured"]

_STARTER = Path(__file__).with_name("starter.py")


class RunFailedError(RuntimeError):
    """A run ended with a code that is not 0, or took longer than it may; with the end of its output."""


@dataclass(frozen=True)
class Figures:
    """What one run took.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: Seconds of the processor, its own and its children's.
        server: The same of the database servers.
        peak: The largest resident memory of it and its children together, in megabytes.
    """

    wall: float
    cpu: float
    server: float
    peak: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def measured(
    command: Sequence[str],
    environment: Mapping[str, str],
    servers: Iterable[int],
    log: Path,
    most_seconds: float = 3600.0,
) -> Figures:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        servers: The process ids of the database servers.
        log: Where its output goes.
        most_seconds: How long it may take.

    Raises:
        RunFailedError: It failed.
    """
    roots = [psutil.Process(pid) for pid in servers]
    before = sum(map(_seconds, roots))
    starter = subprocess.Popen(
        [sys.executable, "-S", str(_STARTER), str(log), *command],
        env=dict(environment),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        said, _ = starter.communicate(timeout=most_seconds)
    except BaseException as error:
        # The session that it leads holds what it started.
        with suppress(ProcessLookupError):
            os.killpg(starter.pid, signal.SIGKILL)
        starter.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise RunFailedError(f"it was stopped after {most_seconds:.0f} s.") from error
        raise
    code, wall, cpu, peak = json.loads(said)
    if code:
        raise RunFailedError(
            f"it ended with {code}: " + " / ".join(log.read_text(errors="replace").splitlines()[-8:])[:1000]
        )
    return Figures(wall, cpu, sum(map(_seconds, roots)) - before, peak)


def _seconds(root: psutil.Process) -> float:
    """What a server has used so far: its first process, those that ended, and those that run."""
    own = root.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in root.children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return total
