"""Servers and places that all tests share."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

# The conformance suites are tests, wherever they lie.
pytest.register_assert_rewrite("mainstem.testing")

from mainstem.testing.mariadb import EmbeddedMariaDB  # noqa: E402
from mainstem.testing.postgres import EmbeddedPostgres  # noqa: E402
from mainstem.testing.snowflake import EmbeddedSnowflake  # noqa: E402
from mainstem.testing.warehouse import Warehouse  # noqa: E402

# Nothing that a test starts may call home.
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

# Which part of the long matrices runs; the same for all workers. MAINSTEM_ALL=1 runs them whole.
os.environ.setdefault("MAINSTEM_SEED", str(secrets.randbelow(1_000_000)))


def pytest_report_header() -> str:
    """Say how to run the same sample again."""
    return f"MAINSTEM_SEED={os.environ['MAINSTEM_SEED']} samples the long matrices; MAINSTEM_ALL=1 runs all"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL, one for each worker."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMariaDB]:
    """A real MariaDB, one for each worker, where the package is installed."""
    if not EmbeddedMariaDB.available():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    with EmbeddedMariaDB(tmp_path_factory.mktemp("mariadb") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def snowflake() -> Iterator[EmbeddedSnowflake]:
    """An emulator of Snowflake, one for each worker, where its environment was built."""
    if not EmbeddedSnowflake.available():
        pytest.skip("fakesnow is not installed: make fakesnow")
    with EmbeddedSnowflake() as server:
        yield server


@pytest.fixture
def schema(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A schema of the source that is this test's own."""
    name = f"s{uuid4().hex[:12]}"
    postgres.execute(f"create schema {name}")
    yield name
    postgres.execute(f"drop schema {name} cascade")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A DuckDB file that does not exist yet."""
    return Warehouse(tmp_path / "warehouse.duckdb")
