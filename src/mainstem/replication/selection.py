"""Which streams a run takes: names, ids, globs and tags (spec §1.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate

from mainstem.errors import ReplicationError
from mainstem.replication.model import Replication, Stream, did_you_mean

__all__ = ["select_streams"]

_TAG = "tag:"


def select_streams(replication: Replication, tokens: Sequence[str] | None = None) -> Sequence[Stream]:
    """Return the streams that a run takes, in the order of the document; disabled ones never.

    Args:
        replication: The document.
        tokens: Names (quotes and case do not matter), ids, globs over names, ``tag:x`` to take and
            ``-tag:x`` or ``-name`` to leave out. ``None`` or nothing takes all. What matches a wildcard
            stream's tables is taken by the wildcard's own name.

    Raises:
        ReplicationError: A token matches nothing, or some take and some leave out.

    Example:
        >>> from mainstem.replication import load_replication
        >>> streams = {"s.a": {"tags": ["x"], "object": "a"}, "s.b": {"object": "b"}}
        >>> replication = load_replication({"source": "A", "target": "B", "streams": streams})
        >>> [stream.name for stream in select_streams(replication, ["-tag:x"])]
        ['s.b']
    """
    enabled = [stream for stream in replication.streams if not stream.disabled]
    wanted = [token.strip() for token in tokens or () if token.strip()]
    if not wanted:
        return enabled
    excluding = [token.startswith("-") for token in wanted]
    if any(excluding) and not all(excluding):
        raise ReplicationError(
            "Streams cannot be taken and left out at the same time.",
            hint="Use tokens with - or without, not both.",
        )
    matches = [_matcher(token.removeprefix("-"), replication, enabled) for token in wanted]
    return [stream for stream in enabled if any(match(stream) for match in matches) != all(excluding)]


def _matcher(token: str, replication: Replication, enabled: Sequence[Stream]) -> Callable[[Stream], bool]:
    if token.startswith(_TAG):
        tag = token.removeprefix(_TAG)
        return lambda stream: tag in stream.tags
    plain = _normal(token)
    named = {stream.name for stream in enabled if plain == _normal(stream.name) or token == stream.id}
    if not named and ("*" in token or "?" in token):
        glob = re.compile(translate(plain))
        named = {stream.name for stream in enabled if glob.match(_normal(stream.name))}
    if not named:
        known = [stream.name for stream in enabled]
        raise ReplicationError(
            f"There is no stream named {token}.",
            position=replication.document.position("streams"),
            hint=did_you_mean(token, known) or f"Streams: {', '.join(known) or 'none'}.",
        )
    return lambda stream: stream.name in named


def _normal(name: str) -> str:
    return name.replace('"', "").lower()
