"""Servers and places that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

# Nothing that a test starts may call home.
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL, one for each worker."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data") as server:
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
