"""One run as a whole process, with what it and the server took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

__all__ = ["Figures", "measured"]

_KILOBYTES = 1024
# A small process starts the command: the peak of a child is never below its parent's memory.
_STARTER = """
import json, os, subprocess, sys, time
with open(sys.argv[1], "wb") as log:
    began = time.monotonic()
    process = subprocess.Popen(sys.argv[2:], stdout=log, stderr=log)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
code = os.waitstatus_to_exitcode(status)
print(json.dumps([code, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""


@dataclass(frozen=True)
class Figures:
    """What one run took.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: Seconds of the processor, its own and its children's.
        server: The same of the database server.
        peak: The largest resident memory of the process, in megabytes.
    """

    wall: float
    cpu: float
    server: float
    peak: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def measured(command: Sequence[str], environment: Mapping[str, str], server: Path, log: Path) -> Figures:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
        server: The data directory of the PostgreSQL server.
        log: Where its output goes.

    Raises:
        RuntimeError: It failed; with the end of its output.
    """
    postmaster = psutil.Process(int((server / "postmaster.pid").read_text().splitlines()[0]))
    before = _seconds(postmaster)
    starter = [sys.executable, "-S", "-c", _STARTER, str(log), *command]
    done = subprocess.run(starter, env=dict(environment), stdout=subprocess.PIPE, check=True)
    code, wall, cpu, peak = json.loads(done.stdout)
    if code:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{said}")
    return Figures(wall, cpu, _seconds(postmaster) - before, peak / _KILOBYTES)


def _seconds(postmaster: psutil.Process) -> float:
    """What a server has used so far: the postmaster, those that ended, and those that run."""
    own = postmaster.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in postmaster.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
