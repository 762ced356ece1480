"""The files that `dg scaffold defs` writes for replications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

__all__ = ["SlingReplicationComponentScaffolder"]

_REPLICATION = """\
# A replication in Sling's format.
source: MY_SOURCE
target: MY_TARGET

defaults:
  mode: full-refresh
  object: "{stream_schema}_{stream_table}"

streams:
  public.my_table:
"""
_ATTRIBUTES = {
    "connections": {
        "MY_SOURCE": {"type": "postgres", "connection_string": "{{ env.MY_SOURCE_URL }}"},
        "MY_TARGET": {"type": "duckdb", "connection_string": "duckdb://warehouse.duckdb"},
    },
    "replications": [{"path": "replication.yaml"}],
}


class SlingReplicationComponentScaffolder(dg.Scaffolder[Any]):
    """Writes defs.yaml and a replication, to begin with."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the files.

        Args:
            request: Where.
        """
        dg.scaffold_component(request, _ATTRIBUTES)
        (Path(request.target_path) / "replication.yaml").write_text(_REPLICATION, encoding="utf-8")
