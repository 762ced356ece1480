"""A stream as it was written: what the UI shows of it, and what its code version is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.replication import Replication, Stream
from mainstem.replication.inherit import inherit

__all__ = ["WrittenStreams"]

# What says how a stream is shown and selected, not what its rows are.
_WITHOUT_EFFECT = frozenset({"meta", "tags", "schedule"})
_SETTING = "SLING_"
_FILE = "file://"


class WrittenStreams:
    """The streams of a document, by name, with and without the values of ``env``.

    The values of ``env`` may be secrets of the process: what is shown or compared is the text as it was
    written. Only the target's name and what Dagster reads have them in place.

    Args:
        replication: The replication.
    """

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        document = replication.document
        names = list(document.values["streams"])
        written = list(document.written["streams"].values())
        # A name may have been a variable, so the two have different keys, in the same order.
        self._written = dict(zip(names, written, strict=True)) if len(names) == len(written) else {}

    def own(self, stream: Stream) -> Mapping[str, Any]:
        """The stream's own mapping, with the values of ``env`` in place; empty for a stream that is null."""
        values: Mapping[str, Any] = self._replication.document.values["streams"].get(stream.name) or {}
        return values

    def written(self, stream: Stream) -> Mapping[str, Any]:
        """The stream's own mapping as it was written; empty for a stream that is null."""
        written: Mapping[str, Any] = self._written.get(stream.name) or {}
        return written

    def shown(self, stream: Stream) -> Mapping[str, Any] | None:
        """The stream's mapping for its translator, over the ``meta.dagster`` of ``defaults``."""
        written, own = self.written(stream), self.own(stream)
        defaults = self._replication.document.values.get("defaults") or {}
        inherited = (defaults.get("meta") or {}).get("dagster") or {}
        if not written and not inherited:
            return None
        config = {**written, **{key: own[key] for key in ("object", "meta") if key in own}}
        if inherited:
            meta = dict(config.get("meta") or {})
            config["meta"] = {**meta, "dagster": {**inherited, **(meta.get("dagster") or {})}}
        return config

    def code_version(self, stream: Stream) -> str:
        """A digest of what decides which rows the stream writes: another stream's lines are not in it."""
        written = self._replication.document.written
        config = inherit(written.get("defaults") or {}, self.written(stream), ()).values
        parts = {
            "name": stream.name,
            "source": written.get("source"),
            "target": written.get("target"),
            "config": {key: value for key, value in config.items() if key not in _WITHOUT_EFFECT},
        }
        files = {name: _text(name, self._replication.document.source) for name in _files(parts)}
        text = json.dumps({**parts, "files": files}, sort_keys=True, default=str)
        env = written.get("env")
        if not env:
            return _digest(f"{text}{{}}")
        used = {
            key: value
            for key, value in env.items()
            if key.startswith(_SETTING) or f"{{{key}}}" in text or f"{{env.{key}}}" in text
        }
        return _digest(f"{text}{json.dumps(used, sort_keys=True, default=str)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _files(value: Any) -> list[str]:
    """The ``file://`` paths among the values, and the name of a stream that is a file."""
    if isinstance(value, str):
        return [value] if value.startswith(_FILE) or value.endswith(".sql") else []
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return []
    return [name for item in value for name in _files(item)]


def _text(name: str, document: str) -> str | None:
    """The text of a file, where the engine will look for it. ``None`` where it is not there: a run tells."""
    given = Path(name.removeprefix(_FILE))
    for path in (given, Path(document).parent / given):
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            continue
    return None
