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

# Whoever uses less of the processor in so many seconds hangs.
_LOOK = 60.0
_LEAST = 0.5
_STARTER = Path(__file__).with_name("starter.py")


class RunFailedError(RuntimeError):
    """A run ended with a code that is not 0, or stood still; with the end of its output."""


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
) -> Figures:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        servers: The process ids of the database servers.
        log: Where its output goes.

    Raises:
        RunFailedError: It failed, or hangs.
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
        said = _said(starter, roots)
    finally:
        # The session that it leads holds what it started.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(starter.pid, signal.SIGKILL)
        starter.wait()
    code, wall, cpu, peak = json.loads(said)
    if code:
        raise RunFailedError(
            f"it ended with {code}: " + " / ".join(log.read_text(errors="replace").splitlines()[-8:])[:1000]
        )
    return Figures(wall, cpu, sum(map(_seconds, roots)) - before, peak)


def _said(starter: subprocess.Popen[bytes], roots: Sequence[psutil.Process]) -> bytes:
    """Wait for what the starter says, as long as there is anything going on."""
    watched = [psutil.Process(starter.pid), *roots]
    used = 0.0
    while True:
        try:
            return starter.communicate(timeout=_LOOK)[0]
        except subprocess.TimeoutExpired:
            before, used = used, sum(map(_seconds, watched))
            if used - before < _LEAST:
                raise RunFailedError(f"it stood still for {_LOOK:.0f} s") from None


def _seconds(root: psutil.Process) -> float:
    """What a process and those below it have used so far, ended ones included."""
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
