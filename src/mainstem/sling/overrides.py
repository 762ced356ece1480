"""Streams whose keys a run wins over: the bounds of a partition, or what the run's config says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mainstem.replication import Replication, Stream, load_replication
from mainstem.sling.written import WrittenStreams

__all__ = ["Overrides", "overridden"]

#: Keys that win over a stream's own, by the stream's name.
Overrides = Mapping[str, Mapping[str, Any]]


def overridden(replication: Replication, overrides: Overrides) -> Replication:
    """Return the replication with keys of some streams replaced. Option maps are merged key by key.

    Raises:
        ReplicationError: With the new keys, a stream is wrong.
    """
    if not any(overrides.values()):
        return replication
    texts = WrittenStreams(replication)

    def with_keys(stream: Stream) -> Stream:
        keys = overrides.get(stream.name)
        if not keys:
            return stream
        # A document of this stream alone: to read all of them for each would take long where there are many.
        values = {**replication.document.values, "streams": {stream.name: texts.own(stream)}}
        alone = replace(replication, document=replication.document.with_values(values))
        (read,) = load_replication(alone, overrides=keys).streams
        return replace(read, position=stream.position)

    return replace(replication, streams=[with_keys(stream) for stream in replication.streams])
