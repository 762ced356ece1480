"""Every system that there is to be had here, as the source and as the target of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from mainstem.testing.place import Place

if TYPE_CHECKING:
    from mainstem.testing.mariadb import EmbeddedMariaDB
    from mainstem.testing.postgres import EmbeddedPostgres

SYSTEMS = ("postgres", "duckdb", "sqlite", "mysql")


@contextmanager
def place(system: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """A schema of a real system, for one test."""
    name = f"s{uuid4().hex[:12]}"
    if system == "postgres":
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        server.execute(f"create schema {name}")
        yield Place("postgres", server.url, name)
        server.execute(f"drop schema {name} cascade")
    elif system == "mysql":
        mariadb: EmbeddedMariaDB = request.getfixturevalue("mariadb")
        mariadb.execute(f"create database {name}")
        yield Place("mysql", mariadb.url, name, frozenset({"float64 special"}))
        mariadb.execute(f"drop database {name}")
    elif system == "duckdb":
        yield Place("duckdb", f"duckdb://{folder / 'both.duckdb'}", name)
    else:
        yield Place("sqlite", f"sqlite://{folder / 'both.db'}", "main")


@pytest.fixture(params=SYSTEMS, ids=lambda name: f"from-{name}")
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the rows are."""
    with place(request.param, request, tmp_path) as found:
        yield found


@pytest.fixture(params=SYSTEMS, ids=lambda name: f"to-{name}")
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where they go."""
    with place(request.param, request, tmp_path) as found:
        yield found
