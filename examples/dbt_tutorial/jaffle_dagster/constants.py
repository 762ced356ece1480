import os
from pathlib import Path

from mainstem.dbt import DbtCliResource

project_dir = Path(__file__).parent.parent.resolve()

local = project_dir / ".local"
local.mkdir(exist_ok=True)  # DuckDB creates its file, but no folder

dbt_project_dir = project_dir / "jaffle_shop"
dbt = DbtCliResource(project_dir=os.fspath(dbt_project_dir))

# Where the variable is set, the project is parsed now, as one wants while working on it. Elsewhere an earlier
# manifest is taken, which spares each of Dagster's processes the time; a fresh clone has none yet.
dbt_manifest_path = dbt_project_dir / "target" / "manifest.json"
if os.getenv("DAGSTER_DBT_PARSE_PROJECT_ON_LOAD") or not dbt_manifest_path.exists():
    parsing = dbt.cli(["--quiet", "parse"], target_path=Path("target")).wait()
    dbt_manifest_path = parsing.target_path / "manifest.json"
