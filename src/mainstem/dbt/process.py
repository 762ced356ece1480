"""A dbt process: its lines as they come, and an end in any case."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mainstem.errors import ConfigError

__all__ = ["DbtProcess"]


class DbtProcess:
    """Starts dbt, in a session of its own so that an interrupt reaches it once, and from us.

    Args:
        command: The program and its arguments.
        cwd: The folder to run in.
        env: The whole environment.
        listens: Whether it is our runner, which is asked through its standard input.

    Raises:
        ConfigError: The program cannot be started, or the system does not take that many arguments.
    """

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], listens: bool) -> None:
        try:
            self.popen = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(
                f"{command[0]} cannot be started with {len(command) - 1} arguments: {error.strerror}.",
                hint="Check dbt_executable, or select fewer nodes at once.",
            ) from error

    def ask(self, asked: Mapping[str, object]) -> None:
        """Ask the runner for something, about all nodes that are not done yet."""
        if self.popen.stdin is not None and not self.popen.stdin.closed:
            with suppress(BrokenPipeError):  # it has ended already
                self.popen.stdin.write(json.dumps(asked).encode() + b"\n")
                self.popen.stdin.flush()

    def lines(self) -> Iterator[bytes]:
        """Yield what dbt prints, line by line. At the end the process has ended."""
        stdout = self.popen.stdout
        if stdout is not None and not stdout.closed:
            # Not `with`: whoever stops us in between reads on, so that dbt can end.
            yield from stdout
        self.popen.wait()
        self._close()

    def stop(self, seconds: float) -> None:
        """Interrupt dbt, so that it cancels its queries, and kill it if that takes too long.

        Args:
            seconds: How long dbt gets.
        """
        if self.popen.poll() is not None:
            self._close()
            return
        if os.name == "posix":
            self.popen.send_signal(signal.SIGINT)
        else:
            self.popen.terminate()
        try:
            self._drain(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self._drain(None)

    def _drain(self, seconds: float | None) -> None:
        # Reading on matters: dbt cannot end while it waits to print.
        if self.popen.stdout is not None and not self.popen.stdout.closed:
            self.popen.communicate(timeout=seconds)
        else:
            self.popen.wait(timeout=seconds)

    def _close(self) -> None:
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
