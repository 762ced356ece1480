"""Servers on the loopback, one of each kind for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.testing.http import EmbeddedHttp
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.sftp import EmbeddedSftp


@pytest.fixture(scope="session")
def s3() -> Iterator[EmbeddedS3]:
    with EmbeddedS3() as server:
        yield server


@pytest.fixture(scope="session")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSftp]:
    with EmbeddedSftp(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture
def web() -> Iterator[EmbeddedHttp]:
    with EmbeddedHttp() as server:
        yield server
