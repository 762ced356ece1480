"""What Sling reads from the environment, and what a replication's `env` sets (spec §3.1, §3.5)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from mainstem.plan import MetadataColumn

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        allow_empty: Publish a stream of no rows too. Without it such a stream leaves its target as it is.
            ``SLING_ALLOW_EMPTY`` or ``SLING_ALLOW_EMPTY_TABLES``.
        loaded_at: Add ``_sling_loaded_at``: ``unix`` for seconds since 1970, ``timestamp`` for a time;
            ``None`` for no such column. ``SLING_LOADED_AT_COLUMN``.
        exec_id: Add ``_sling_exec_id``, the same in all rows of a run. ``SLING_EXEC_ID_COLUMN``.
    """

    allow_empty: bool = False
    loaded_at: str | None = None
    exec_id: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the process environment, or from the one given.

        Example:
            >>> Settings.from_environment({"SLING_LOADED_AT_COLUMN": "true"}).loaded_at
            'unix'
        """
        given = {
            key: value.lower() for key, value in (os.environ if environment is None else environment).items()
        }
        loaded_at = {"true": "unix", "unix": "unix", "timestamp": "timestamp"}
        return cls(
            allow_empty="true" in (given.get("SLING_ALLOW_EMPTY"), given.get("SLING_ALLOW_EMPTY_TABLES")),
            loaded_at=loaded_at.get(given.get("SLING_LOADED_AT_COLUMN", "")),
            exec_id=given.get("SLING_EXEC_ID_COLUMN") == "true",
        )

    def metadata_columns(self, started: datetime, run_id: str) -> Sequence[MetadataColumn]:
        """The columns that the run adds to each table, in Sling's order."""
        columns = []
        if self.loaded_at == "timestamp":
            columns.append(MetadataColumn("_sling_loaded_at", pa.scalar(started, pa.timestamp("us", "UTC"))))
        elif self.loaded_at:
            columns.append(
                MetadataColumn("_sling_loaded_at", pa.scalar(int(started.timestamp()), pa.int64()))
            )
        if self.exec_id:
            columns.append(MetadataColumn("_sling_exec_id", pa.scalar(run_id, pa.string())))
        return columns
