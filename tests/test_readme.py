"""What the README tells a newcomer to do, done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@pytest.fixture
def shop(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    postgres.execute(
        "create table if not exists accounts as"
        " select generate_series(1, 3) as id, 1.10::numeric(12,2) as balance",
        "create table if not exists users as select generate_series(1, 5) as id, 'Zoë' as name",
    )
    return postgres


def first_pipeline() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(block)


def test_the_first_pipeline_runs_as_it_stands(shop: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "definitions.py").write_text(first_pipeline())
    (tmp_path / "home").mkdir()
    command = [str(BIN / "dagster"), "asset", "materialize", "-f", "definitions.py", "--select", "*"]
    environment = {**os.environ, "POSTGRES_URL": shop.url, "DAGSTER_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    assert warehouse.query("select count(*), sum(balance)::varchar from public_accounts") == [(3, "3.30")]
    assert warehouse.query("select distinct name from public_users") == [("Zoë",)]


def test_the_same_replication_runs_from_the_command_line(shop: EmbeddedPostgres, tmp_path: Path) -> None:
    scope: dict[str, object] = {}
    exec(first_pipeline().partition("source = ")[0], scope)  # noqa: S102 - the README's own code
    (tmp_path / "replication.yaml").write_text(yaml.safe_dump(scope["replication"]))
    environment = {**os.environ, "MY_POSTGRES": shop.url, "MY_DUCKDB": "duckdb://warehouse.duckdb"}
    command = [str(BIN / "mainstem"), "run", "replication.yaml"]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Warehouse(tmp_path / "warehouse.duckdb").tables() == ["main.public_accounts", "main.public_users"]


def test_every_file_that_the_documents_point_to_is_there() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]:
        prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (document.parent / target).exists(), f"{document} points to {target}"
