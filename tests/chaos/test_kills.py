"""Runs that are killed at random moments, while their source changes, lose nothing and double nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.kills import chaos, routes_of

from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres

SEED = 20
KILLS = 5

Servers = tuple[EmbeddedPostgres, EmbeddedMariaDB | None]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of these tests' own: the schemas have names that others would take too."""
    folder = tmp_path_factory.mktemp("chaos")
    with EmbeddedPostgres(folder / "postgres") as postgres:
        if not EmbeddedMariaDB.available():
            yield postgres, None
            return
        with EmbeddedMariaDB(folder / "mariadb") as mariadb:
            yield postgres, mariadb


def test_source_and_target_agree_to_the_row(servers: Servers, tmp_path: Path) -> None:
    seed = int(os.environ.get("MAINSTEM_CHAOS_SEED", SEED))
    for route in routes_of(*servers, tmp_path):
        outcome = chaos(route, KILLS, seed)
        assert outcome.kills == KILLS
        assert outcome.runs, "Rows that are read once cannot double."
        assert not outcome.wrong, f"{route.name}, seed {seed}: {outcome.wrong}"
