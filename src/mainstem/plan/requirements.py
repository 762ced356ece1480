"""What a mode needs of its stream (spec §3), checked before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.errors import NotSupportedYetError, Position, ReplicationError
from mainstem.plan.facts import Place, RunFacts
from mainstem.replication import Mode, Replication, Stream
from mainstem.replication.keys import is_said

__all__ = ["MERGE_STRATEGIES", "check_requirements", "refuse_beyond"]

MERGE_STRATEGIES = ("insert", "update", "update_insert", "delete_insert")


def check_requirements(replication: Replication, streams: Sequence[Stream], modes: Sequence[Mode]) -> None:
    """Check each stream's mode against its keys.

    Args:
        replication: The document.
        streams: The streams that would run.
        modes: The modes that are carried out.

    Raises:
        ReplicationError: A mode lacks a key that it needs, or a strategy is unknown.
        NotSupportedYetError: A mode is not carried out yet.
    """
    for stream in streams:
        place = Place(stream, replication)
        if stream.mode not in modes:
            raise NotSupportedYetError(
                f"Stream {stream.name}: the mode {stream.mode.value} is not supported yet.",
                position=place.at("mode"),
                hint=f"Supported: {', '.join(mode.value for mode in modes)}.",
            )
        _check_keys(stream, place)
        _check_strategy(stream, place)


def refuse_beyond(place: Place, run: RunFacts) -> None:
    """Refuse what the stream's target cannot do.

    Raises:
        ReplicationError: A mode needs more than the target can.
        NotSupportedYetError: The target does not carry out an option.
    """
    stream, able = place.stream, run.target.capabilities
    name = f"{run.target.connection.name} ({run.target.connection.type})"
    if stream.mode in (Mode.INCREMENTAL, Mode.BACKFILL) and stream.primary_key and not able.merges:
        raise ReplicationError(
            f"Stream {stream.name}: {name} cannot merge rows by a primary_key.",
            position=place.at("mode"),
            hint="Leave `primary_key` out of an incremental stream to add rows, use full-refresh, or write"
            " to a database or to a table format such as Delta Lake.",
        )
    if stream.mode is Mode.INCREMENTAL and not able.remembers and run.state is None:
        raise ReplicationError(
            f"Stream {stream.name}: {name} cannot tell where an incremental stream goes on.",
            position=place.at("mode"),
            hint="Please use the SLING_STATE environment variable for writing to files incrementally.",
        )
    _refuse_beyond_source(place, run)
    for key, value in stream.target_options:
        if key not in able.options and is_said("target_options", key, value):
            raise NotSupportedYetError(
                f"`{key}` says nothing to {name}.",
                position=place.at("target_options", key),
                hint="Remove the option.",
            )


def _refuse_beyond_source(place: Place, run: RunFacts) -> None:
    stream, source = place.stream, run.source
    name = f"{source.connection.name} ({source.connection.type})"
    for key, value in stream.source_options:
        if key not in source.source_options and is_said("source_options", key, value):
            raise NotSupportedYetError(
                f"`{key}` says nothing to {name}.",
                position=place.at("source_options", key),
                hint="Remove the option.",
            )
    if stream.files and not source.combines:
        raise NotSupportedYetError(
            f"`files` says nothing to {name}.", position=place.at("files"), hint="Remove the key."
        )


def _check_keys(stream: Stream, place: Place) -> None:
    position: Position = place.at("mode")
    if stream.mode is Mode.INCREMENTAL and not (stream.update_key or stream.primary_key):
        raise ReplicationError(
            f"Stream {stream.name}: incremental mode needs an update_key, a primary_key, or both.",
            position=position,
            hint="`update_key` is the column that grows; `primary_key` is by what rows are merged.",
        )
    if stream.mode is Mode.BACKFILL:
        needed: Mapping[str, Any] = {
            "update_key": stream.update_key,
            "primary_key": stream.primary_key,
            "source_options.range": stream.source_options.range,
        }
        lacking = [key for key, value in needed.items() if not value]
        if lacking:
            raise ReplicationError(
                f"Stream {stream.name}: backfill mode needs {' and '.join(lacking)}.",
                position=position,
                hint='A range is "start,end", both included, such as "2024-01-01,2024-01-31".',
            )


def _check_strategy(stream: Stream, place: Place) -> None:
    strategy = stream.target_options.merge_strategy
    if strategy and strategy not in MERGE_STRATEGIES:
        raise ReplicationError(
            f"{strategy!r} is no merge_strategy.",
            position=place.at("target_options", "merge_strategy"),
            hint=f"There are {', '.join(MERGE_STRATEGIES)}.",
        )
