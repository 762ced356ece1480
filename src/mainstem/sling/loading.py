"""The one door by which the adapter loads a replication."""

from __future__ import annotations

from collections.abc import Mapping

from mainstem.connections import ConnectionBook
from mainstem.replication import Replication, ReplicationLike, load_replication

__all__ = ["load_config"]

# So the guide of the official package writes them in some of its mappings.
_SPELLED = {"SOURCE": "source", "TARGET": "target"}


def load_config(config: ReplicationLike | Replication, book: ConnectionBook | None = None) -> Replication:
    """Load what a user hands over.

    Args:
        config: The replication. In a mapping, ``SOURCE`` and ``TARGET`` may be in capitals.
        book: Where variables of the environment are found; ``None`` for the process alone.

    Raises:
        ReplicationError: Something is wrong with it.
    """
    if isinstance(config, Mapping):
        config = {_SPELLED.get(key, key): value for key, value in config.items()}
    return load_replication(config, (book or ConnectionBook()).variables)
