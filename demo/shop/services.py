"""The servers that the shop needs, and the lock that keeps two of us apart."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mainstem.errors import MainstemError
from mainstem.testing.postgres import EmbeddedPostgres, free_port
from shop import api, settings


class ShopError(MainstemError):
    """The shop cannot go on. The message says why, and what to do."""


@contextmanager
def locked(what: str) -> Iterator[None]:
    """Keep others out of ``SHOP_LOCAL`` while the block runs.

    Args:
        what: What we are, for the message that the other one gets.

    Raises:
        ShopError: Another one is at work there.
    """
    settings.LOCAL.mkdir(parents=True, exist_ok=True)
    with settings.LOCK.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise ShopError(
                f"{file.read().strip() or 'Another one'} is at work in {settings.LOCAL}.",
                hint="Wait until it is done, or stop it with Ctrl-C.",
            ) from error
        file.truncate(0)
        print(f"{what}, process {os.getpid()},", file=file, flush=True)
        # Dagster's processes hold the lock as well: one that outlives us still writes.
        os.set_inheritable(file.fileno(), True)
        yield


@contextmanager
def servers() -> Iterator[EmbeddedPostgres]:
    """Run Postgres and the payment provider's API on the loopback while the block runs."""
    with _postgres() as postgres, api.serving(_port(settings.API_PORT)) as api_port:
        # The code location reads these, in this process and in those that we start.
        os.environ["SHOP_POSTGRES_PORT"] = str(postgres.port)
        os.environ["SHOP_API_PORT"] = str(api_port)
        yield postgres


def dagster_environment() -> Mapping[str, str]:
    """Prepare the shop's DAGSTER_HOME and return the environment for Dagster's own processes."""
    settings.DAGSTER_HOME.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("dagster.yaml"), settings.DAGSTER_HOME / "dagster.yaml")
    environment = {**os.environ, "DAGSTER_HOME": str(settings.DAGSTER_HOME)}
    if _edited_since(settings.DBT_TARGET / "manifest.json"):
        # Whoever edits a model and runs the shop again means the edited model.
        environment["DAGSTER_DBT_PARSE_PROJECT_ON_LOAD"] = "1"
    return environment


@contextmanager
def dagster(command: Sequence[str], log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of Dagster's commands in the project; interrupt it properly where the block ends first.

    Args:
        command: ``dagster`` or ``dg`` and its arguments.
        log: Where its output goes. ``None`` lets it talk to our terminal.
    """
    executable = Path(sys.executable).with_name(command[0])
    with log.open("wb") if log else nullcontext() as output:
        # In a session of its own, so that a Ctrl-C reaches it through us alone.
        process = subprocess.Popen(
            [str(executable), *command[1:]],
            cwd=settings.PROJECT,
            env=dict(dagster_environment()),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=False,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait()


def _postgres() -> EmbeddedPostgres:
    # Whom one of us left behind, killed, keeps its port.
    left_behind = EmbeddedPostgres(settings.POSTGRES)
    return EmbeddedPostgres(
        settings.POSTGRES,
        port=left_behind.port if left_behind.running else _port(settings.POSTGRES_PORT),
        user=settings.POSTGRES_USER,
        password=settings.POSTGRES_PASSWORD,
        database=settings.POSTGRES_DATABASE,
    )


def _edited_since(manifest: Path) -> bool:
    """Whether the dbt project changed after its manifest was made. Folders tell what was removed."""
    written = [path.stat().st_mtime for path in (settings.DBT_PROJECT, *settings.DBT_PROJECT.rglob("*"))]
    return not manifest.exists() or max(written) > manifest.stat().st_mtime


def _port(preferred: int) -> int:
    """The port that people expect, or a free one where it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return free_port()
    return preferred
