"""What projects import from the official package's module of this name."""

from __future__ import annotations

from collections.abc import Iterator

from mainstem.replication import ReplicationLike
from mainstem.sling.decorator import sling_assets
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.translator import StreamDefinition

__all__ = ["get_streams_from_replication", "sling_assets"]


def get_streams_from_replication(replication_config: ReplicationLike) -> Iterator[StreamDefinition]:
    """Yield what a translator is given for each stream that is not disabled.

    Args:
        replication_config: The replication, as in ``@sling_assets``.

    Raises:
        ReplicationError: Something is wrong with the replication, or a wildcard has no snapshot.

    Example:
        >>> config = {"source": "A", "target": "B", "streams": {"s.t": {"object": "t"}}}
        >>> list(get_streams_from_replication(config))
        [{'name': 's.t', 'config': {'object': 't'}}]
    """
    yield from SlingDefinition.of(replication_config, None).stream_definitions
