"""full-refresh: the staged rows become the table (spec §3.2)."""

from __future__ import annotations

from mainstem.endpoints import Staging, Target
from mainstem.errors import NotSupportedYetError
from mainstem.plan import StreamPlan

__all__ = ["publish_full_refresh"]


def publish_full_refresh(plan: StreamPlan, staging: Staging, target: Target) -> None:
    """Put the staging table in the target's stead.

    Raises:
        NotSupportedYetError: The target cannot do this in one transaction.
        EndpointError: The target refused; it is as it was.
    """
    if not target.capabilities.replaces_atomically:
        raise NotSupportedYetError(
            f"{target.connection.name} ({target.connection.type}) cannot replace {plan.target} atomically."
        )
    target.replace(staging, plan.target)
