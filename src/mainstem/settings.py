"""What Sling reads from the environment, and what a replication's `env` sets (spec §3.1, §3.5)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from mainstem.errors import ConfigError
from mainstem.plan import MetadataColumn, constant, is_soft
from mainstem.replication import Mode, Stream
from mainstem.replication.durations import seconds_of

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
            ``None`` for no such column but in snapshots and of files; ``never``: in snapshots only.
            ``SLING_LOADED_AT_COLUMN``.
        synced_at: Add ``_sling_synced_at`` and ``_sling_synced_op``: when a row was last written, and
            whether it was inserted (I), updated (U), deleted (D) or taken as a snapshot (S).
            ``SLING_SYNCED_AT_COLUMN``.
        row_id: Add ``_sling_row_id``, a UUID of version 7 for each row. ``SLING_ROW_ID_COLUMN``.
        exec_id: Add ``_sling_exec_id``, the same in all rows of a run. ``SLING_EXEC_ID_COLUMN``.
        inclusive: Whether an incremental run reads rows with the cursor's very value again; ``None``: where
            a primary key keeps them from doubling. ``SLING_GREATER_THAN_EQUAL``.
        state: Where cursors are kept: a connection and a schema or folder, ``MY_DB/schema``; ``None``: they
            are derived from the target. ``SLING_STATE``.
        threads: So many streams run at once, each with connections of its own. ``SLING_THREADS``.
        retries: A stream that failed for a reason that may pass, such as a connection that broke, is tried
            so many times more. ``SLING_RETRIES``.
        retry_delay: Seconds before the first retry; twice as many before each further one.
            ``SLING_RETRY_DELAY``, such as ``2``, ``500ms``, ``30s`` or ``1m``.
        on_constraint_failure: What becomes of a row that breaks a constraint of `columns`: ``warn`` writes it
            and tells, ``abort`` fails the stream, ``skip`` puts it into a quarantine table beside the target.
            ``SLING_ON_CONSTRAINT_FAILURE``.
        timeout: Seconds after which a run ends: streams that are not published by then fail, and leave their
            targets as they were. ``None``: never. ``SLING_TIMEOUT``, in minutes.
        routines: The folder with the files of the routines that hooks call. ``SLING_ROUTINES_DIR``.
        allow_commands: Whether a hook may run another program. Only who starts the process says so: no
            variable and no document does.
        hook_retry_delay: Seconds before a hook with ``on_failure: retry`` is tried again.
    """

    allow_empty: bool = False
    loaded_at: str | None = None
    synced_at: bool = False
    row_id: bool = False
    exec_id: bool = False
    inclusive: bool | None = None
    state: str | None = None
    threads: int = 1
    retries: int = 2
    retry_delay: float = 0.5
    on_constraint_failure: str = "warn"
    timeout: float | None = None
    routines: str | None = None
    allow_commands: bool = False
    hook_retry_delay: float = 5.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the process environment, or from the one given.

        Raises:
            ConfigError: One that is a number is none.

        Example:
            >>> Settings.from_environment({"SLING_LOADED_AT_COLUMN": "true"}).loaded_at
            'unix'
        """
        given = os.environ if environment is None else environment
        lower = {key: value.lower() for key, value in given.items()}
        loaded_at = {"true": "unix", "unix": "unix", "timestamp": "timestamp", "false": "never"}
        return cls(
            allow_empty="true" in (lower.get("SLING_ALLOW_EMPTY"), lower.get("SLING_ALLOW_EMPTY_TABLES")),
            loaded_at=loaded_at.get(lower.get("SLING_LOADED_AT_COLUMN", "")),
            synced_at=lower.get("SLING_SYNCED_AT_COLUMN") == "true",
            row_id=lower.get("SLING_ROW_ID_COLUMN") == "true",
            exec_id=lower.get("SLING_EXEC_ID_COLUMN") == "true",
            inclusive=_TRUTH.get(lower.get("SLING_GREATER_THAN_EQUAL", "")),
            state=given.get("SLING_STATE") or None,
            threads=_number(given, "SLING_THREADS", cls.threads, least=1),
            retries=_number(given, "SLING_RETRIES", cls.retries, least=0),
            retry_delay=_seconds(given, "SLING_RETRY_DELAY", cls.retry_delay),
            timeout=_minutes(given, "SLING_TIMEOUT"),
            routines=given.get("SLING_ROUTINES_DIR") or None,
            on_constraint_failure=_choice(
                lower, "SLING_ON_CONSTRAINT_FAILURE", cls.on_constraint_failure, ("warn", "abort", "skip")
            ),
        )

    def of(self, stream: Stream) -> Settings:
        """The settings of a stream, which may have some of its own."""
        own = {"retries": stream.retries, "retry_delay": stream.retry_delay}
        return replace(self, **{name: value for name, value in own.items() if value is not None})  # type: ignore[arg-type]

    def metadata_columns(
        self, started: datetime, run_id: str, stream: Stream, *, stamped: bool = False
    ) -> Sequence[MetadataColumn]:
        """The columns that the run adds to a stream's table, in Sling's order.

        Args:
            started: When the run began.
            run_id: The execution's id.
            stream: The stream.
            stamped: Whether rows tell when they were loaded, where the settings say nothing of it.
        """
        columns = []
        snapshot = stream.mode is Mode.SNAPSHOT
        if snapshot or (self.loaded_at != "never" and (self.loaded_at or stamped)):
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


def _number(given: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = given.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{name} is {text!r}.", hint=f"It is a whole number, {least} or more.")
    return int(text)


def _choice(given: Mapping[str, str], name: str, default: str, known: Sequence[str]) -> str:
    text = given.get(name, "").strip() or default
    if text not in known:
        raise ConfigError(f"{name} is {text!r}.", hint=f"It is {', '.join(known[:-1])} or {known[-1]}.")
    return text


def _minutes(given: Mapping[str, str], name: str) -> float | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"\d+(?:\.\d+)?", text) or float(text) == 0:
        raise ConfigError(f"{name} is {text!r}.", hint="It is a number of minutes, such as 30 or 0.5.")
    return float(text) * 60


def _seconds(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name, "").strip()
    if not text:
        return default
    found = seconds_of(text)
    if found is None:
        raise ConfigError(f"{name} is {text!r}.", hint="It is a time such as 2, 500ms, 30s, 1m or 1h.")
    return found


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
