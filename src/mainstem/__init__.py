"""mainstem: embedded ELT for Dagster.

``replicate`` runs a replication with no Dagster in the process; ``wire`` joins the assets of all tools into
one graph. The Dagster adapters are in ``mainstem.sling``, ``mainstem.dlt`` and ``mainstem.dbt``; importing
``mainstem`` imports none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem._version import __version__

if TYPE_CHECKING:
    from mainstem.api import ReplicationReport, replicate
    from mainstem.graph import table_dep, table_identity, wire

__all__ = ["ReplicationReport", "__version__", "replicate", "table_dep", "table_identity", "wire"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the engine brings pyarrow and sqlglot."""
    if name in {"ReplicationReport", "replicate"}:
        from mainstem import api  # noqa: PLC0415

        return getattr(api, name)
    if name in {"table_dep", "table_identity", "wire"}:
        from mainstem import graph  # noqa: PLC0415

        return getattr(graph, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
