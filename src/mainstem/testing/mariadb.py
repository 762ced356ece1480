"""A real MariaDB on the loopback, for tests: Debian's package, started in a folder of its own, without root.

Unlike PostgreSQL it comes in no wheel: where ``mariadb-server`` is not installed, tests skip and say so.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pymysql
from typing_extensions import Self

from mainstem.errors import ConfigError
from mainstem.testing.postgres import free_port

__all__ = ["EmbeddedMariaDB"]

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# Where distributions put a server, which is not on every user's path.
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin")
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0

# Little memory, few files, and nothing that waits for a disk: a power cut may lose the data.
_OPTIONS = (
    "--skip-name-resolve",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=48M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=OFF",
    "--innodb-file-per-table=OFF",
    "--sync-frm=OFF",
    "--debug-no-sync",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
    "--character-set-server=utf8mb4",
)


class EmbeddedMariaDB:
    """A MariaDB server on the loopback that asks for its password, as a real one does.

    The first start creates the system's tables, the user and the database in ``data_dir``; later ones find
    them. The server runs as whoever starts it. It waits for no disk: a power cut may lose its data, which is
    right for a test and wrong for anything else.

    Args:
        data_dir: Where its files live. Created where it is missing; its parent must exist.
        port: The TCP port. ``None`` takes a free one.
        user: The user that may do everything. A plain identifier, such as ``test_user``.
        password: The user's password.
        database: The database's name. A plain identifier.
        options: More options of ``mariadbd``, such as ``--local-infile=0``.

    Raises:
        ConfigError: MariaDB is not installed, the user or the database is not a plain identifier, the
            folder's parent is missing, or the server does not start (its log's last lines are in the
            message).
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        port: int | None = None,
        user: str = "test_user",
        password: str = "test_pass",
        database: str = "test_db",
        options: tuple[str, ...] = (),
    ) -> None:
        for name in (user, database):
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{name!r} is not a plain identifier.", hint="Use a-z, 0-9 and _.")
        if not self.available():
            raise ConfigError(
                "MariaDB is not installed: there is no mariadbd.", hint="apt-get install mariadb-server"
            )
        self.directory = Path(data_dir).expanduser().resolve()
        self.host = "127.0.0.1"
        self._port_is_given = port is not None
        self.port = port if port is not None else free_port()
        self.user = user
        self.password = password
        self.database = database
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def available() -> bool:
        """Whether a server is installed that could be started."""
        return _program("mariadbd") is not None and _program("mariadb-install-db") is not None

    @property
    def url(self) -> str:
        """The connection string of the database, password included."""
        login = f"{self.user}:{quote(self.password, safe='')}"
        return f"mysql://{login}@{self.host}:{self.port}/{self.database}"

    @property
    def running(self) -> bool:
        """Whether the server that this object started is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and wait until it answers. Nothing happens where it already runs."""
        if self.running:
            return self
        if not self.directory.parent.is_dir():
            raise ConfigError(f"The folder {self.directory.parent} does not exist.", hint="Create it first.")
        self.directory.mkdir(exist_ok=True)
        if not (self.directory / "ready").exists():
            self._initialize()
        for attempts_left in (2, 1, 0):
            if self._started():
                return self
            if self._port_is_given or not attempts_left:
                break
            # A free port may be taken by the time the server wants it.
            self.port = free_port()
        raise self._failure("start")

    def stop(self) -> None:
        """Stop the server. Its data stays. Nothing happens where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once, as a crash would. Its data stays."""
        self._end(signal.SIGKILL)

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run SQL statements one after the other, each committed.

        Args:
            statements: The statements.
            database: The database that they are run in; ``None`` for the server's own one.

        Example::

            server.execute("create table t (id int)")
        """
        with self._connected(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def fetch(self, query: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        with self._connected(database) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def _connected(self, database: str | None = None) -> Iterator[Any]:
        connection = pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database or self.database,
            autocommit=True,
            ssl_disabled=True,
        )
        try:
            yield connection
        finally:
            connection.close()

    def _initialize(self) -> None:
        secret = self.password.replace("\\", "\\\\").replace("'", "''")
        first = self.directory / "first.sql"
        first.write_text(
            "flush privileges;\n"
            f"create user '{self.user}'@'%' identified by '{secret}';\n"
            f"grant all on *.* to '{self.user}'@'%' with grant option;\n"
            f"create database {self.database};\n"
            # From here on nobody gets in without a password.
            "delete from mysql.global_priv where User in ('root', '');\n"
        )
        first.chmod(0o600)
        command = [
            str(_program("mariadb-install-db")),
            "--no-defaults",
            f"--datadir={self.directory}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--extra-file={first}",
            *_OPTIONS,
        ]
        with (self.directory / "log").open("ab") as log:
            done = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
            )
        first.unlink()
        if done.returncode:
            raise self._failure("initialize")
        (self.directory / "ready").touch()

    def _started(self) -> bool:
        command = [
            str(_program("mariadbd")),
            "--no-defaults",
            f"--datadir={self.directory}",
            # Relative to the folder: a socket's path must be short.
            "--socket=mysqld.sock",
            "--pid-file=mysqld.pid",
            f"--bind-address={self.host}",
            f"--port={self.port}",
            *_OPTIONS,
            *self._options,
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # It refuses to run as root unless told by name.
            command.append("--user=root")
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self.running and time.monotonic() < deadline:
            with suppress(pymysql.err.OperationalError), self._connected():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _failure(self, what: str) -> ConfigError:
        log = self.directory / "log"
        tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
        return ConfigError(f"The embedded MariaDB in {self.directory} did not {what}: " + " / ".join(tail))


@cache
def _program(name: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES])
    return shutil.which(name, path=path)
