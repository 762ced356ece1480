"""The modes, as steps over what a target can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mainstem.endpoints import Staging, Target
from mainstem.plan import StreamPlan
from mainstem.replication import Mode
from mainstem.strategies.full_refresh import publish_full_refresh

__all__ = ["STRATEGIES", "Publish"]


class Publish(Protocol):
    """The step that makes staged rows visible, all at once."""

    def __call__(self, plan: StreamPlan, staging: Staging, target: Target) -> None:
        """Publish the staged rows as the plan's mode says."""


STRATEGIES: Mapping[Mode, Publish] = {Mode.FULL_REFRESH: publish_full_refresh}
