"""docs/sling.md, done as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from mainstem.sling import SlingReplicationCollectionComponent
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sling.md").read_text()
REPLICATION, COMPONENT = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
(DEFINITIONS,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture
def project(postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    postgres.execute(
        "create table if not exists accounts as"
        " select generate_series(1, 3) as id, 1.10::numeric(12,2) as balance",
        "create table if not exists users as select generate_series(1, 5) as id, 'Zoë' as name",
    )
    (tmp_path / "replication.yaml").write_text(REPLICATION)
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("POSTGRES_URL", postgres.url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_definitions_run_as_they_stand(project: Path) -> None:
    command = [str(Path(sys.executable).parent / "dagster"), "asset", "materialize"]
    arguments = ["-f", "definitions.py", "--select", "*"]
    done = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    warehouse = Warehouse(project / "warehouse.duckdb")
    assert warehouse.tables() == ["main.public_accounts", "main.public_users"]
    assert warehouse.query("select count(*), sum(balance)::varchar from public_accounts") == [(3, "3.30")]


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")  # Dagster's own
def test_its_component_has_the_assets_that_it_says(project: Path) -> None:
    written = yaml.safe_load(COMPONENT)
    assert written["type"] == f"mainstem.sling.{SlingReplicationCollectionComponent.__name__}"
    written["attributes"]["replications"][0]["path"] = str(project / "replication.yaml")
    component = SlingReplicationCollectionComponent.resolve_from_yaml(yaml.safe_dump(written["attributes"]))
    (assets,) = dg.build_defs_for_component(component).assets or ()
    assert isinstance(assets, dg.AssetsDefinition)
    described = {spec.key.to_user_string(): spec.description for spec in assets.specs}
    assert described == {"lake/accounts": "From public.accounts", "lake/users": "From public.users"}
    assert dg.materialize([assets]).success
    assert Warehouse(project / "warehouse.duckdb").query("select count(*) from public_users") == [(5,)]
