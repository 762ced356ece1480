"""The modes, as steps over what a target can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mainstem.endpoints import KeyProfile, Step
from mainstem.plan import StreamPlan
from mainstem.replication import Mode
from mainstem.strategies.merge import incremental
from mainstem.strategies.missing import missing_steps
from mainstem.strategies.whole import appended, replaced, truncated

__all__ = ["STRATEGIES", "Strategy", "missing_steps"]

Strategy = Callable[[StreamPlan, KeyProfile], Sequence[Step]]
"""The steps that publish what is staged, from the plan and from what the staged keys are like."""

STRATEGIES: Mapping[Mode, Strategy] = {
    Mode.FULL_REFRESH: replaced,
    Mode.TRUNCATE: truncated,
    Mode.INCREMENTAL: incremental,
    Mode.SNAPSHOT: appended,
    Mode.BACKFILL: incremental,
    Mode.DEFINITION_ONLY: replaced,
}
