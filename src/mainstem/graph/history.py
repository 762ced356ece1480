"""What the Dagster instance remembers of assets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import dagster as dg

from mainstem.errors import ConfigError

__all__ = ["latest_metadata", "the_instance"]

_HOME = "DAGSTER_HOME"


@contextmanager
def the_instance(*, needed: bool = True) -> Iterator[dg.DagsterInstance | None]:
    """Open the instance of ``DAGSTER_HOME``.

    Args:
        needed: Whether it is an error that there is none.

    Raises:
        ConfigError: It is needed, and ``DAGSTER_HOME`` is not set.
    """
    if not os.environ.get(_HOME):
        if needed:
            raise ConfigError(f"{_HOME} is not set.", hint="Set it to the folder that Dagster runs with.")
        yield None
        return
    with dg.DagsterInstance.get() as instance:
        yield instance


def latest_metadata(instance: dg.DagsterInstance | None) -> Any:
    """Return a function that gives the metadata of an asset's latest materialization, or observation."""

    @cache
    def latest(key: dg.AssetKey) -> Mapping[str, Any]:
        event = instance.get_latest_materialization_event(key) if instance is not None else None
        found = event.asset_materialization if event else None
        return found.metadata if found else {}

    return latest
