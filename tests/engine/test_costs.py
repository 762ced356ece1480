"""What a run may not cost, whatever the clock says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mainstem.testing.postgres import EmbeddedPostgres

_RUN = """
import sys
from mainstem import replicate

source, target, stream = sys.argv[1:]
streams = {stream: {"object": "main.orders"}}
for _ in range(2):
    replicate({"source": "A", "target": "B", "streams": streams}, {"A": source, "B": target})
print(sorted({"pandas", "pyarrow.dataset"} & set(sys.modules)))
"""


def test_a_run_imports_no_pandas(postgres: EmbeddedPostgres, schema: str, tmp_path: Path) -> None:
    """It takes a tenth of a second and thirty megabytes, and drivers import it to look at what they get."""
    postgres.execute(f"create table {schema}.orders as select 1 as id, 'a' as name, now() as at")
    lake = f"duckdb://{tmp_path / 'lake.duckdb'}"
    command = [sys.executable, "-c", _RUN, postgres.url, lake, f"{schema}.orders"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
