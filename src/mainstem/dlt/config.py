"""What a single run may do otherwise, by its config."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import Field

from mainstem.assets import ExecutionContext


class Refresh(Enum):
    """What dlt drops before it loads."""

    drop_sources = "drop_sources"
    drop_resources = "drop_resources"
    drop_data = "drop_data"


class WriteDisposition(Enum):
    """What becomes of the rows that a table has."""

    append = "append"
    replace = "replace"
    merge = "merge"
    skip = "skip"


class DltRunConfig(dg.Config):
    """The config of one run of dlt assets: `@dlt_assets` gives it to every function without its own.

    A function with a config of its own may take one that derives from this one.

    Example::

        ops:
          shop_assets:
            config:
              write_disposition: replace
    """

    refresh: Refresh | None = Field(
        default=None,
        description="Drop first, of what is loaded: the tables and states of its sources (drop_sources) or "
        "of its resources (drop_resources), or the rows and states (drop_data).",
    )
    write_disposition: WriteDisposition | None = Field(
        default=None, description="Write all tables of this run so, whatever their resources say."
    )
    drop_pending: bool = Field(
        default=False, description="Throw away what an earlier run extracted and did not load."
    )


def takes_run_config(function: Callable[..., Any]) -> tuple[bool, bool]:
    """Tell whether a decorated function declares a config, and whether that is a `DltRunConfig`."""
    parameter = inspect.signature(function).parameters.get("config")
    if parameter is None:
        return False, False
    kind: Any = parameter.annotation
    with suppress(NameError):  # of some other annotation
        kind = typing.get_type_hints(function).get("config")
    return True, isinstance(kind, type) and issubclass(kind, DltRunConfig)


def run_options(context: ExecutionContext) -> tuple[Mapping[str, Any], bool]:
    """Read the config of this run.

    Args:
        context: The context of assets that take a `DltRunConfig`.

    Returns:
        Arguments of ``pipeline.run``, and whether to drop what is pending.
    """
    op = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    said: Mapping[str, Any] = op.op_config or {}
    options = {name: said[name] for name in ("refresh", "write_disposition") if said.get(name)}
    return options, bool(said.get("drop_pending"))
