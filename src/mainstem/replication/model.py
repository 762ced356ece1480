"""The replication as the engine sees it: streams with the defaults applied (spec §1)."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from mainstem.errors import Position
from mainstem.replication.document import Document
from mainstem.replication.hooks import Hook
from mainstem.replication.options import ChangeCaptureOptions, SourceOptions, TargetOptions

__all__ = ["Mode", "Replication", "ReplicationWarning", "Stream", "Unsupported", "did_you_mean"]


class ReplicationWarning(UserWarning):
    """Something in a replication that Sling ignores in silence, such as an unknown key."""


class Mode(str, Enum):
    """How a stream's rows reach the target (spec §3)."""

    FULL_REFRESH = "full-refresh"
    TRUNCATE = "truncate"
    INCREMENTAL = "incremental"
    SNAPSHOT = "snapshot"
    BACKFILL = "backfill"
    DEFINITION_ONLY = "definition-only"
    CHANGE_CAPTURE = "change-capture"


@dataclass(frozen=True)
class Unsupported:
    """A key that Sling knows and that is not carried out yet.

    Attributes:
        what: The key, in words.
        position: Where it stands.
    """

    what: str
    position: Position


@dataclass(frozen=True)
class Stream:
    """One stream, with the defaults applied. Every key of the reference has its place here (spec §1.2).

    Attributes:
        name: As it stands in the document, such as ``public.accounts``.
        mode: The mode. ``incremental`` where only keys are given, otherwise ``full-refresh``.
        object: The target object's name, with its variables still in it.
        position: Where it stands.
        id: Its id for ``runs["id"]`` and for selection.
        description: Free text.
        select: The column projection, as written; empty for all columns.
        files: The sub-list of files of a file stream.
        where: A filter, as SQL of the source.
        primary_key: The columns of the merge key.
        update_key: The incremental or range column.
        sql: Custom SQL.
        columns: The column declarations, as written.
        transforms: The transforms, as written.
        source_options: How the source is read.
        target_options: How the target is written.
        change_capture_options: How changes are captured.
        schedule: Only meaningful on Sling's platform.
        tags: For selection.
        disabled: Whether it is left out of a run.
        single: Whether a wildcard is one stream. ``None``: decided by the object's variables.
        hooks: Its hooks, by stage.
        meta: For Dagster.
        retries: How often it is tried again; ``None``: as the settings say.
        retry_delay: Seconds before the first retry; ``None``: as the settings say.
        timeout: Seconds that all its attempts may take; ``None``: as many as they need.
        unsupported: What of it the plan will refuse.
    """

    name: str
    mode: Mode
    object: str
    position: Position
    id: str | None = None
    description: str | None = None
    select: Sequence[str] = ()
    files: Sequence[str] = ()
    where: str | None = None
    primary_key: Sequence[str] = ()
    update_key: str | None = None
    sql: str | None = None
    columns: Mapping[str, Any] | Sequence[Any] = field(default_factory=dict)
    transforms: Mapping[str, Any] | Sequence[Any] = ()
    source_options: SourceOptions = field(default_factory=SourceOptions)
    target_options: TargetOptions = field(default_factory=TargetOptions)
    change_capture_options: ChangeCaptureOptions = field(default_factory=ChangeCaptureOptions)
    schedule: Sequence[str] = ()
    tags: Sequence[str] = ()
    disabled: bool = False
    single: bool | None = None
    hooks: Sequence[Hook] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    retries: int | None = None
    retry_delay: float | None = None
    timeout: float | None = None
    unsupported: Sequence[Unsupported] = ()


@dataclass(frozen=True)
class Replication:
    """A replication document, checked.

    Attributes:
        source: The source connection's name, or its URL.
        target: The target connection's name, or its URL.
        streams: The streams, in the order of the document, disabled ones included.
        document: The document itself, with the variables of ``env`` in place.
        variables: The variables of ``env``.
        hooks: The hooks at ``start`` and ``end``.
        unsupported: What of the document as a whole the plan will refuse.
    """

    source: str
    target: str
    streams: Sequence[Stream]
    document: Document
    variables: Mapping[str, str] = field(default_factory=dict)
    hooks: Sequence[Hook] = ()
    unsupported: Sequence[Unsupported] = ()


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """Return a question with the known word nearest to this one, if one is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else None
