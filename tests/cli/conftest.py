"""The real command, in a process of its own, with a database and a warehouse to name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

Mainstem = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program() -> str:
    return str(Path(sys.executable).parent / "mainstem")


@pytest.fixture
def bare_environment(tmp_path: Path) -> dict[str, str]:
    """No connection but those that a test adds, wherever the tests run."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MY_", "SLING_"))}
    return {**kept, "HOME": str(tmp_path), "COLUMNS": "120"}


@pytest.fixture
def environment(
    bare_environment: dict[str, str], postgres: EmbeddedPostgres, warehouse: Warehouse
) -> dict[str, str]:
    return {**bare_environment, "MY_POSTGRES": postgres.url, "MY_DUCKDB": warehouse.url}


@pytest.fixture
def mainstem(program: str, bare_environment: dict[str, str], tmp_path: Path) -> Mainstem:
    """Run the command to its end."""

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=bare_environment if env is None else env,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def replication(tmp_path: Path, postgres: EmbeddedPostgres, schema: str) -> Path:
    """Two tables, of three and of four rows."""
    postgres.execute(
        f"create table {schema}.a as select generate_series(1, 3) as id",
        f"create table {schema}.b as select generate_series(1, 4) as id, null::inet as address",
    )
    path = tmp_path / "replication.yaml"
    path.write_text(
        "source: MY_POSTGRES\ntarget: MY_DUCKDB\nenv:\n  PREFIX: ''\n"
        "defaults:\n  mode: full-refresh\n  object: '{PREFIX}{stream_table}'\n"
        f"streams:\n  {schema}.a:\n  {schema}.b:\n    tags: [late]\n"
    )
    return path
