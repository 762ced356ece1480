"""What the engine yields while it runs: typed, and read by the progress bar and by Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mainstem.errors import StreamError
from mainstem.report import StreamReport

__all__ = [
    "BatchStaged",
    "Event",
    "HookFinished",
    "ReplicationFinished",
    "ReplicationStarted",
    "StreamFailed",
    "StreamPublished",
    "StreamRetried",
    "StreamSkipped",
    "StreamStarted",
]


@dataclass(frozen=True)
class ReplicationStarted:
    """The replication is read and its streams are known.

    Attributes:
        streams: The names of the streams that will run, in order.
        source: The source connection's name.
        target: The target connection's name.
    """

    streams: Sequence[str]
    source: str
    target: str


@dataclass(frozen=True)
class StreamStarted:
    """A stream is planned and its source is being read.

    Attributes:
        stream: The stream's name.
        target: The object that it will write.
        estimated_rows: The source's own estimate, ``None`` where it has none.
    """

    stream: str
    target: str
    estimated_rows: int | None


@dataclass(frozen=True)
class BatchStaged:
    """A record batch reached the staging table.

    Attributes:
        stream: The stream's name.
        rows: Rows staged so far, in all.
        bytes: Bytes staged so far, in all, as Arrow buffers, or as the bytes that were piped.
    """

    stream: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class StreamPublished:
    """Readers of the target see the new rows from now on.

    Attributes:
        report: What the stream did.
    """

    report: StreamReport


@dataclass(frozen=True)
class StreamFailed:
    """The stream failed and its target is as it was. The other streams go on.

    Attributes:
        error: The stream, its phase and the cause.
    """

    error: StreamError


@dataclass(frozen=True)
class StreamRetried:
    """The stream failed for a reason that may pass. Its target is as it was, and it is tried again.

    Attributes:
        error: The stream, its phase and the cause.
        attempt: Which attempt comes next, counted from 1.
        attempts: How many there are at most.
        seconds: How long is waited before it.
    """

    error: StreamError
    attempt: int
    attempts: int
    seconds: float


@dataclass(frozen=True)
class StreamSkipped:
    """The stream was not tried: what stopped an earlier one stops it as well.

    Attributes:
        stream: The stream's name.
        because: The earlier failure.
    """

    stream: str
    because: StreamError


@dataclass(frozen=True)
class ReplicationFinished:
    """No stream is left.

    Attributes:
        reports: The published streams.
        failures: The failed ones.
        skipped: The names of those that were not tried.
        seconds: Elapsed time of the whole run.
    """

    reports: Sequence[StreamReport]
    failures: Sequence[StreamError]
    skipped: Sequence[str]
    seconds: float


@dataclass(frozen=True)
class HookFinished:
    """A hook of the replication has ended.

    Attributes:
        stage: ``start``, ``end``, ``pre``, ``post``, ``pre_merge`` or ``post_merge``; for a group's steps
            its id.
        hook: Its id.
        type: Its type.
        status: ``success``, ``skipped``, ``warning``, ``error``, ``broke off`` or ``retried``.
        said: What it says to people; empty for nothing.
        level: ``debug``, ``info``, ``warn`` or ``error``.
        stream: The stream that it belongs to; ``None`` at the start and the end of a replication.
    """

    stage: str
    hook: str
    type: str
    status: str
    said: str
    level: str
    stream: str | None


Event = (
    ReplicationStarted
    | StreamStarted
    | BatchStaged
    | StreamPublished
    | StreamRetried
    | StreamFailed
    | StreamSkipped
    | HookFinished
    | ReplicationFinished
)
