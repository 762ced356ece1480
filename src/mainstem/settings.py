"""What Sling reads from the environment, and what a replication's `env` sets (spec §3.1, §3.5)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from mainstem.plan import MetadataColumn, constant, is_soft
from mainstem.replication import Mode, Stream

__all__ = ["Settings"]

_INSTANT = pa.timestamp("us", "UTC")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        allow_empty: Publish a stream of no rows too. Without it such a stream leaves its target as it is.
            ``SLING_ALLOW_EMPTY`` or ``SLING_ALLOW_EMPTY_TABLES``.
        loaded_at: Add ``_sling_loaded_at``: ``unix`` for seconds since 1970, ``timestamp`` for a time;
            ``None`` for no such column but in snapshots. ``SLING_LOADED_AT_COLUMN``.
        synced_at: Add ``_sling_synced_at`` and ``_sling_synced_op``: when a row was last written, and
            whether it was inserted (I), updated (U), deleted (D) or taken as a snapshot (S).
            ``SLING_SYNCED_AT_COLUMN``.
        row_id: Add ``_sling_row_id``, a UUID of version 7 for each row. ``SLING_ROW_ID_COLUMN``.
        exec_id: Add ``_sling_exec_id``, the same in all rows of a run. ``SLING_EXEC_ID_COLUMN``.
        inclusive: Whether an incremental run reads rows with the cursor's very value again; ``None``: where
            a primary key keeps them from doubling. ``SLING_GREATER_THAN_EQUAL``.
        state: Where cursors are kept: a connection and a schema or folder, ``MY_DB/schema``; ``None``: they
            are derived from the target. ``SLING_STATE``.
    """

    allow_empty: bool = False
    loaded_at: str | None = None
    synced_at: bool = False
    row_id: bool = False
    exec_id: bool = False
    inclusive: bool | None = None
    state: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the process environment, or from the one given.

        Example:
            >>> Settings.from_environment({"SLING_LOADED_AT_COLUMN": "true"}).loaded_at
            'unix'
        """
        given = os.environ if environment is None else environment
        lower = {key: value.lower() for key, value in given.items()}
        loaded_at = {"true": "unix", "unix": "unix", "timestamp": "timestamp"}
        return cls(
            allow_empty="true" in (lower.get("SLING_ALLOW_EMPTY"), lower.get("SLING_ALLOW_EMPTY_TABLES")),
            loaded_at=loaded_at.get(lower.get("SLING_LOADED_AT_COLUMN", "")),
            synced_at=lower.get("SLING_SYNCED_AT_COLUMN") == "true",
            row_id=lower.get("SLING_ROW_ID_COLUMN") == "true",
            exec_id=lower.get("SLING_EXEC_ID_COLUMN") == "true",
            inclusive=_TRUTH.get(lower.get("SLING_GREATER_THAN_EQUAL", "")),
            state=given.get("SLING_STATE") or None,
        )

    def metadata_columns(self, started: datetime, run_id: str, stream: Stream) -> Sequence[MetadataColumn]:
        """The columns that the run adds to a stream's table, in Sling's order.

        Args:
            started: When the run began.
            run_id: The execution's id.
            stream: The stream.
        """
        columns = []
        snapshot = stream.mode is Mode.SNAPSHOT
        if self.loaded_at or snapshot:
            columns.append(self._time("_sling_loaded_at", started, "loaded_at"))
        if self.synced_at:
            operation = "S" if snapshot else "I"
            columns.append(constant("_sling_synced_at", started, _INSTANT, "synced_at"))
            columns.append(constant("_sling_synced_op", operation, pa.string(), "synced_op"))
        elif is_soft(stream):
            columns.append(self._time("_sling_deleted_at", None, "deleted_at"))
        if self.row_id:
            columns.append(MetadataColumn("_sling_row_id", pa.uuid(), _row_ids, "row_id"))
        if self.exec_id:
            columns.append(constant("_sling_exec_id", run_id, pa.string(), "exec_id"))
        return columns

    def _time(self, name: str, moment: datetime | None, role: str) -> MetadataColumn:
        if self.loaded_at == "timestamp":
            return constant(name, moment, _INSTANT, role)
        return constant(name, moment and int(moment.timestamp()), pa.int64(), role)


def _row_ids(rows: int) -> pa.Array[Any]:
    """UUIDs of version 7: the time in milliseconds, then chance (RFC 9562, section 5.7)."""
    size = 16
    ids = bytearray(os.urandom(size * rows))
    milliseconds = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    for place, byte in enumerate(milliseconds):
        ids[place::size] = bytes([byte]) * rows
    ids[6::size] = bytes(ids[6::size]).translate(bytes(byte & 0x0F | 0x70 for byte in range(256)))
    ids[8::size] = bytes(ids[8::size]).translate(bytes(byte & 0x3F | 0x80 for byte in range(256)))
    storage = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, [None, pa.py_buffer(bytes(ids))])
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)
