"""The replication as the engine sees it: streams with the defaults applied (spec §1)."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mainstem.errors import Position, ReplicationError
from mainstem.replication.document import Document, ReplicationLike, read_document
from mainstem.replication.keys import CARRIED_OUT, STREAM_KEYS, TOP_LEVEL_KEYS

__all__ = ["Mode", "Replication", "ReplicationWarning", "Stream", "Unsupported", "load_replication"]


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
    """One stream, with the defaults applied.

    Attributes:
        name: As it stands in the document, such as ``public.accounts``.
        mode: The mode. ``incremental`` where only keys are given, otherwise ``full-refresh`` (spec §1.2).
        object: The target object's name, with its variables still in it.
        disabled: Whether it is left out of a run.
        position: Where it stands.
        unsupported: What of it the plan will refuse.
    """

    name: str
    mode: Mode
    object: str
    disabled: bool
    position: Position
    unsupported: Sequence[Unsupported] = ()


@dataclass(frozen=True)
class Replication:
    """A replication document, checked.

    Attributes:
        source: The source connection's name, or its URL.
        target: The target connection's name, or its URL.
        streams: The streams, in the order of the document, disabled ones included.
        document: The document itself, for what the engine does not read, such as ``meta``.
        unsupported: What of the document as a whole the plan will refuse.
    """

    source: str
    target: str
    streams: Sequence[Stream]
    document: Document
    unsupported: Sequence[Unsupported] = ()

    def selected(self, names: Collection[str] | None = None) -> Sequence[Stream]:
        """Return the streams that a run takes: those named, or all that are not disabled.

        Args:
            names: Stream names as in the document; ``None`` for all.

        Raises:
            ReplicationError: A name is not a stream of this document.
        """
        enabled = [stream for stream in self.streams if not stream.disabled]
        if names is None:
            return enabled
        known = [stream.name for stream in enabled]
        for name in names:
            if name not in known:
                raise ReplicationError(
                    f"There is no stream named {name}.",
                    position=self.document.position("streams"),
                    hint=_did_you_mean(name, known) or f"Streams: {', '.join(known) or 'none'}.",
                )
        return [stream for stream in enabled if stream.name in names]


def load_replication(given: ReplicationLike | Replication) -> Replication:
    """Read and check a replication.

    Args:
        given: A path, a mapping, or a replication that is already loaded.

    Raises:
        ReplicationError: Something is wrong with it. All that is wrong is told at once, each with its line
            and column.

    Example:
        >>> replication = load_replication(
        ...     {"source": "A", "target": "B", "streams": {"s.t": {"object": "{stream_table}"}}}
        ... )
        >>> replication.streams[0].mode.value
        'full-refresh'
    """
    if isinstance(given, Replication):
        return given
    return _Reader(read_document(given)).replication()


class _Reader:
    """Reads one document, collecting everything that is wrong with it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[str] = []

    def replication(self) -> Replication:
        values = self._document.values
        for key in ("source", "target", "streams"):
            if not values.get(key):
                self._problem(f"did not find {key!r} key")
        self._warn_of_unknown(values, TOP_LEVEL_KEYS, ())
        source, target = (self._text(values, key, ()) or "" for key in ("source", "target"))
        defaults = self._mapping(values.get("defaults"), ("defaults",))
        self._warn_of_unknown(defaults, STREAM_KEYS, ("defaults",))
        streams = [
            self._stream(str(name), given, defaults)
            for name, given in self._mapping(values.get("streams"), ("streams",)).items()
        ]
        if self._problems:
            raise ReplicationError("\n".join(self._problems))
        unsupported = [
            Unsupported(f"`{key}`", self._document.position(key))
            for key in ("env", "hooks")
            if values.get(key)
        ]
        return Replication(source, target, streams, self._document, unsupported)

    def _stream(self, name: str, given: Any, defaults: Mapping[str, Any]) -> Stream:
        at = ("streams", name)
        own = self._mapping(given, at)
        self._warn_of_unknown(own, STREAM_KEYS, at)
        # Presence decides, not truth: an explicit null in the stream wins over the default (spec §1.3).
        merged = {
            **{key: value for key, value in defaults.items() if key not in {"id", "description"}},
            **own,
        }
        where = {key: at if key in own else ("defaults",) for key in merged}
        target_object = self._text(merged, "object", where.get("object", at))
        if not target_object and not merged.get("disabled"):
            self._problem("need to specify `object` for stream", *at)
        mode = self._mode(merged, where)
        unsupported = [
            Unsupported(f"`{key}`", self._document.position(*where[key], key))
            for key in merged
            if key in STREAM_KEYS and key not in CARRIED_OUT and merged[key] not in (None, [], {}, "", False)
        ]
        if "*" in name or "?" in name:
            unsupported.append(Unsupported("a wildcard stream", self._document.position(*at)))
        return Stream(
            name=name,
            mode=mode,
            object=target_object or "",
            disabled=bool(merged.get("disabled", False)),
            position=self._document.position(*at),
            unsupported=unsupported,
        )

    def _mode(self, merged: Mapping[str, Any], where: Mapping[str, tuple[str, ...]]) -> Mode:
        given = merged.get("mode")
        if not given:
            return (
                Mode.INCREMENTAL
                if merged.get("primary_key") or merged.get("update_key")
                else Mode.FULL_REFRESH
            )
        known = [mode.value for mode in Mode]
        if given not in known:
            guess = _did_you_mean(str(given), known) or f"The modes are {', '.join(known)}."
            self._problem(f"must specify valid mode: {given!r} is none. {guess}", *where["mode"], "mode")
            return Mode.FULL_REFRESH
        return Mode(given)

    def _mapping(self, value: Any, at: tuple[str, ...]) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._problem(f"{at[-1]!r} must be a mapping, not {value!r}", *at)
            return {}
        return value

    def _text(self, values: Mapping[str, Any], key: str, at: tuple[str, ...]) -> str | None:
        value = values.get(key)
        if value is not None and not isinstance(value, str):
            self._problem(f"{key!r} must be text, not {value!r}", *at, key)
            return None
        return value

    def _warn_of_unknown(
        self, values: Mapping[str, Any], known: Collection[str], at: tuple[str, ...]
    ) -> None:
        for key in values:
            if key not in known:
                guess = _did_you_mean(key, known) or "It is ignored, as in Sling."
                position = self._document.position(*at, key)
                warnings.warn(f"{position}: unknown key {key!r}. {guess}", ReplicationWarning, stacklevel=6)

    def _problem(self, message: str, *at: str) -> None:
        self._problems.append(f"{self._document.position(*at)}: {message}")


def _did_you_mean(word: str, known: Collection[str]) -> str | None:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else None
