"""Start a command and say what it took: `python -S starter.py LOG COMMAND…`.

A process of its own, and a small one, without psutil: a child's peak of memory is never below its parent's.
A thread adds up the resident memory of all processes below the command, twenty times a second; where there is
no `/proc`, the peak is that of the largest one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

_MEGABYTE = 1024 * 1024
_EVERY = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Of `ru_maxrss`, in bytes.
_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Print the exit code, the seconds, the seconds of the processor, and the megabytes."""
    peak, done = [0], threading.Event()
    with open(sys.argv[1], "wb") as log:  # noqa: PTH123 - pathlib takes memory
        began = time.monotonic()
        process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, done), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    watcher.join()
    largest = max(usage.ru_maxrss * _UNIT, peak[0]) / _MEGABYTE
    sys.stdout.write(json.dumps([process.returncode, wall, usage.ru_utime + usage.ru_stime, largest]))


def _watch(root: int, peak: list[int], done: threading.Event) -> None:
    while not done.wait(_EVERY):
        peak[0] = max(peak[0], _memory(root))


def _memory(pid: int) -> int:
    """The resident memory of a process and of those below it; 0 where that cannot be read."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            total = int(file.read().split()[1]) * _PAGE
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:  # noqa: PTH123
                total += sum(_memory(int(child)) for child in file.read().split())
    except OSError:
        return 0
    return total


if __name__ == "__main__":
    main()
