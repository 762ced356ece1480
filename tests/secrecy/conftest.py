"""Systems that ask for a secret, each with how it is given, wrong or not, reachable or not."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncssh
import pytest
from tests.secrecy.looking import CANARY

from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres, free_port
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.sftp import EmbeddedSftp


@dataclass(frozen=True)
class Guarded:
    """A system that lets in who knows its secret.

    Attributes:
        definition: The connection.
        key: The property that is secret.
        stream: What can be read.
        refuses: Whether a wrong secret is refused; an emulator may let anyone in.
    """

    definition: Mapping[str, Any]
    key: str
    stream: str
    refuses: bool = True

    def made(self, outcome: str) -> tuple[dict[str, Any], str]:
        """The connection for an outcome, and the secret in it."""
        found = dict(self.definition)
        if outcome != "succeeds":
            found[self.key] = f"{CANARY}-wrong"
        if outcome == "unreachable":
            where = f"127.0.0.1:{free_port()}"
            found |= {"endpoint": f"http://{where}"} if "endpoint" in found else {"port": where.split(":")[1]}
        return {key: value for key, value in found.items() if value is not None}, str(found[self.key])


@pytest.fixture(scope="session")
def guarded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server whose real password is the canary."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("guarded") / "data", password=CANARY) as server:
        server.execute("create table public.kept as select 1 as id")
        yield server


def _postgres(request: pytest.FixtureRequest, _: Path) -> Iterator[Guarded]:
    server: EmbeddedPostgres = request.getfixturevalue("guarded_postgres")
    login = {"host": server.host, "port": server.port, "user": server.user, "database": server.database}
    yield Guarded({"type": "postgres", **login, "password": CANARY}, "password", "public.kept")


def _mysql(request: pytest.FixtureRequest, _: Path) -> Iterator[Guarded]:
    server: EmbeddedMariaDB = request.getfixturevalue("mariadb")
    table = f"t{uuid4().hex}"
    server.execute(f"create table {table} as select 1 as id")
    login = {"host": server.host, "port": server.port, "user": server.user, "database": server.database}
    yield Guarded(
        {"type": "mysql", **login, "password": server.password}, "password", f"{server.database}.{table}"
    )


def _s3(_: pytest.FixtureRequest, __: Path) -> Iterator[Guarded]:
    with EmbeddedS3() as server:
        bucket = server.bucket()
        server.request("PUT", f"{bucket}/a.csv", b"id\n1\n")
        found = {**server.connection(bucket), "secret_access_key": CANARY}
        yield Guarded(found, "secret_access_key", "a.csv", refuses=False)


def _sftp(_: pytest.FixtureRequest, folder: Path) -> Iterator[Guarded]:
    with EmbeddedSftp(folder / "sftp", password=CANARY) as server:
        (server.root / "a.csv").write_text("id\n1\n")
        yield Guarded(server.connection(), "password", "/a.csv")


def _sftp_key(_: pytest.FixtureRequest, folder: Path) -> Iterator[Guarded]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    with EmbeddedSftp(folder / "sftp", authorized_key=key.export_public_key().decode()) as server:
        (server.root / "a.csv").write_text("id\n1\n")
        text = key.export_private_key(passphrase=CANARY, rounds=50).decode()
        found = {**server.connection(), "password": None, "private_key": text}
        yield Guarded({**found, "passphrase": CANARY}, "passphrase", "/a.csv")


SYSTEMS: dict[str, Callable[[pytest.FixtureRequest, Path], Iterator[Guarded]]] = {
    "postgres": _postgres,
    "mysql": _mysql,
    "s3": _s3,
    "sftp": _sftp,
    "sftp key": _sftp_key,
}


@pytest.fixture(params=SYSTEMS)
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guarded]:
    """A system."""
    yield from SYSTEMS[request.param](request, tmp_path)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    """A working folder and a folder of temporary files, both empty, with every log at its loudest."""
    folder = tmp_path / "work"
    (folder / "temporary").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "temporary"))
    monkeypatch.chdir(folder)
    caplog.set_level(logging.DEBUG)
    return folder
