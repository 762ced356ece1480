"""A program that is read line by line while it runs, and that does not outlive whoever reads it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from typing_extensions import Self

__all__ = ["LineProcess"]

# How long a program that is told to stop may take to cancel what it does in the databases.
_GRACE_SECONDS = 15.0


class LineProcess:
    """A running program. Leaving the block ends it, if it still runs.

    Args:
        command: The program and its arguments.
        environment: Its whole environment.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # One pipe, so that errors stand where they were told.
            stderr=subprocess.STDOUT,
            # An interrupt of the terminal is ours to pass on, once.
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        """Yield each line as it comes. What is no UTF-8 is replaced."""
        output = self._process.stdout
        if output is None:
            raise AssertionError("The output is a pipe.")
        for line in output:
            yield line.decode("utf-8", errors="replace")

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
        if self._process.poll() is None:
            self._signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _signal(self, number: int) -> None:
        """Tell the program, and what it has started."""
        with suppress(ProcessLookupError):
            if os.name == "nt":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, number)
