"""What the Dagster instance remembers of assets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mainstem.assets import latest_metadata
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
