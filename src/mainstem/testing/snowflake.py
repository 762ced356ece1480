"""A Snowflake on the loopback, for tests and examples: fakesnow's server, in an environment of its own.

It needs other versions of our own dependencies, so it is never imported here. ``make fakesnow`` builds its
environment beside the repository's; ``MAINSTEM_FAKESNOW`` names the Python of another one. Where there is
none, tests skip and say so.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from mainstem.errors import ConfigError
from mainstem.testing import fakesnow_server
from mainstem.testing.postgres import free_port

__all__ = ["EmbeddedSnowflake"]

_PYTHON = "MAINSTEM_FAKESNOW"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_HOW = "make fakesnow"


class EmbeddedSnowflake:
    """An emulator of Snowflake on the loopback that asks for credentials, as an account does.

    Its databases are in memory, and gone when it stops.

    Args:
        user: The only user's name.
        password: The password.
        token: What lets in with `authenticator: oauth`.
        public_key: The user's public key, as PEM; ``None`` for none.
        database: The connection's database.
        port: The TCP port. ``None`` takes a free one.

    Raises:
        ConfigError: fakesnow is not installed, or does not start (its last lines are in the message).
    """

    def __init__(
        self,
        *,
        user: str = "test_user",
        password: str = "test_pass",
        token: str = "test_token",
        public_key: str | None = None,
        database: str = "TEST_DB",
        port: int | None = None,
    ) -> None:
        python = _python()
        if python is None:
            raise ConfigError("fakesnow is not installed in an environment of its own.", hint=_HOW)
        self._program = python
        self._access = {"user": user, "password": password, "token": token, "public_key": public_key or ""}
        self.host = "127.0.0.1"
        self._port_is_given = port is not None
        self.port = port if port is not None else free_port()
        self.database = database
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def available() -> bool:
        """Whether fakesnow is installed."""
        return _python() is not None

    @property
    def properties(self) -> dict[str, Any]:
        """A connection's properties, password included."""
        return {
            "type": "snowflake",
            "account": "test_account",
            "host": self.host,
            "port": self.port,
            "protocol": "http",
            "user": self._access["user"],
            "password": self._access["password"],
            "database": self.database,
            "warehouse": "TEST_WH",
            "role": "TEST_ROLE",
        }

    @property
    def running(self) -> bool:
        """Whether the server that this object started is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and wait until it answers. Nothing happens where it already runs."""
        for attempts_left in (2, 1, 0):
            if self.running or self._started():
                return self
            if self._port_is_given:
                break
            if attempts_left:
                # A free port may be taken by the time the server wants it.
                self.port = free_port()
        said = self._log.read_text(errors="replace").splitlines()[-5:] if self._log.exists() else []
        raise ConfigError(f"fakesnow did not start: {' / '.join(said)}")

    def stop(self) -> None:
        """Stop the server, and forget its data. Nothing happens where it does not run."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return Path(self._folder.name if self._folder else tempfile.gettempdir()) / "log"

    def _started(self) -> bool:
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="mainstem-fakesnow-")
        environment = {
            **os.environ,
            fakesnow_server.ACCESS: json.dumps(self._access),
            # Its stages are folders there; its times without a zone are the machine's.
            "TMPDIR": self._folder.name,
            "TZ": "UTC",
        }
        # Isolated, or the server's own folder would be where its modules are looked for.
        command = [self._program, "-I", str(Path(fakesnow_server.__file__)), str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder.name,
                env=environment,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self.running and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return True
            time.sleep(0.02)
        if self.running:
            self._process.kill()
            self._process.wait()
        return False


@cache
def _python() -> str | None:
    """The Python that has fakesnow: the variable's, or that of the environment beside the repository's."""
    given = os.environ.get(_PYTHON)
    beside = Path(__file__).parents[3] / ".venv-fakesnow" / "bin" / "python"
    path = Path(given) if given else beside
    return str(path) if path.exists() else None


def main() -> None:
    """The command line: serve on a port until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m mainstem.testing.snowflake", description=__doc__)
    parser.add_argument("--port", type=int, default=5900)
    with EmbeddedSnowflake(port=parser.parse_args().port) as server:
        print(f"fakesnow listens on {server.host}:{server.port}; database {server.database}.")  # noqa: T201
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
