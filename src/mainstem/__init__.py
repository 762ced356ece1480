"""mainstem: embedded ELT for Dagster.

``replicate`` runs a replication with no Dagster in the process. The Dagster adapters are in
``mainstem.sling``, ``mainstem.dlt`` and ``mainstem.dbt``; importing ``mainstem`` imports none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem._version import __version__

if TYPE_CHECKING:
    from mainstem.api import ReplicationReport, replicate

__all__ = ["ReplicationReport", "__version__", "replicate"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the engine brings pyarrow and sqlglot."""
    if name in {"ReplicationReport", "replicate"}:
        from mainstem import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
