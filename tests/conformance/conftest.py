"""Every system that there is to be had here, as a source and as a target, and what each cannot hold."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from mainstem.testing.place import Place

if TYPE_CHECKING:
    from mainstem.testing.mariadb import EmbeddedMariaDB
    from mainstem.testing.postgres import EmbeddedPostgres
    from mainstem.testing.snowflake import EmbeddedSnowflake


@contextmanager
def _postgres(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    schema = f"s{uuid4().hex[:12]}"
    server.execute(f"create schema {schema}")
    yield Place("postgres", server.url, schema)
    server.execute(f"drop schema {schema} cascade")


@contextmanager
def _mysql(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    server: EmbeddedMariaDB = request.getfixturevalue("mariadb")
    database = f"s{uuid4().hex[:12]}"
    server.execute(f"create database {database}")
    yield Place("mysql", server.url, database, frozenset({"float64 special", "negative zero"}))
    server.execute(f"drop database {database}")


# The files of a test: source and target are the same one where the system is, so that it is read and
# written at once.
@contextmanager
def _duckdb(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    yield Place("duckdb", f"duckdb://{folder / 'both.duckdb'}", f"s{uuid4().hex[:12]}")


@contextmanager
def _sqlite(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    yield Place("sqlite", f"sqlite://{folder / 'both.db'}", "main", frozenset({"schemas"}))


# Snowflake does not enforce keys, and writes JSON anew. The emulator's NUMBER(38,0) has the room of 64 bits.
@contextmanager
def _snowflake(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    server: EmbeddedSnowflake = request.getfixturevalue("snowflake")
    # Its TO_TIMESTAMP(8615030400000001, 6) is 2243-01-01 00:00:00.000002, and Snowflake's is exact.
    lacks = frozenset(
        {"enforced keys", "json text", "decimal128 whole", "speed", "far moments", "hostile names"}
    )
    yield Place("snowflake", server.properties, f"S{uuid4().hex[:12].upper()}", frozenset(lacks))


Opener = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Place]]
SYSTEMS: dict[str, Opener] = {
    "postgres": _postgres,
    "duckdb": _duckdb,
    "sqlite": _sqlite,
    "mysql": _mysql,
    "snowflake": _snowflake,
}


# An emulator takes its time: in a sample, its pairs are sampled once more.
ONE_IN = {"snowflake": 4}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sample the pairs: each test meets every source once and every target once, but for the slow ones."""
    if os.environ.get("MAINSTEM_ALL") == "1":
        return
    seed = os.environ["MAINSTEM_SEED"]
    left_out = [item for item in items if isinstance(item, pytest.Function) and not _is_sampled(item, seed)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def _is_sampled(item: pytest.Function, seed: str) -> bool:
    given: Mapping[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    if not {"source", "target"} <= set(given):
        return True
    others = sorted((name, str(value)) for name, value in given.items() if name not in ("source", "target"))
    targets = list(SYSTEMS)
    chance = random.Random(f"{seed} {item.originalname} {others}")  # noqa: S311 - a sample, no secret
    chance.shuffle(targets)
    if targets[list(SYSTEMS).index(given["source"])] != given["target"]:
        return False
    one_in = max(ONE_IN.get(given["source"], 1), ONE_IN.get(given["target"], 1))
    return chance.randrange(one_in) == 0


@pytest.fixture(params=SYSTEMS, ids=lambda name: f"from-{name}")
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the rows are."""
    with SYSTEMS[request.param](request, tmp_path) as place:
        yield place


@pytest.fixture(params=SYSTEMS, ids=lambda name: f"to-{name}")
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where they go."""
    with SYSTEMS[request.param](request, tmp_path) as place:
        yield place
