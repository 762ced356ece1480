"""When assets are run by themselves: conditions that go by data versions. Nothing runs for nothing."""

from __future__ import annotations

from typing import Any

import dagster as dg

__all__ = ["when_data_changed"]


def when_data_changed() -> dg.AutomationCondition[Any]:
    """Run an asset when the data that it is made of has changed, or its code, or when it was never made.

    Observed sources (`mainstem.sling.build_sling_source_observations`) have a data version that is another
    exactly when their data is. What is made of them has one that follows from it, all the way down: a table
    that was made anew of unchanged data leaves what is downstream alone.

    An asset waits while what it depends on is being made.

    Example::

        @dg.asset(deps=["orders"], automation_condition=when_data_changed())
        def chart(): ...
    """
    condition = dg.AutomationCondition
    changed = (
        condition.any_deps_match(condition.data_version_changed())
        | condition.code_version_changed()
        | condition.missing().newly_true()
    )
    made = condition.newly_requested() | condition.newly_updated()
    waiting = condition.any_deps_in_progress() | condition.in_progress()
    due: dg.AutomationCondition[Any] = changed.since(made) & ~waiting
    return due
