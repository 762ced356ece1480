"""What the Dagster instance remembers of assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import dagster as dg

__all__ = ["latest_metadata"]


def latest_metadata(instance: dg.DagsterInstance | None) -> Callable[[dg.AssetKey], Mapping[str, Any]]:
    """Return a function that gives the metadata of an asset's latest materialization.

    Args:
        instance: The instance; ``None`` for one that remembers nothing.
    """

    @cache
    def latest(key: dg.AssetKey) -> Mapping[str, Any]:
        event = instance.get_latest_materialization_event(key) if instance is not None else None
        found = event.asset_materialization if event else None
        return found.metadata if found else {}

    return latest
