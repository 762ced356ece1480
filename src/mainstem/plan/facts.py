"""What all streams of a run have in common, and where a stream stands in its document."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from mainstem.endpoints import Source, Target
from mainstem.errors import Position
from mainstem.plan.model import MetadataColumn
from mainstem.replication import Replication, Stream
from mainstem.replication.columns import parse_columns

__all__ = ["Place", "RunFacts", "StateReader"]


class StateReader(Protocol):
    """Where cursors are kept, other than in the target itself (`SLING_STATE`, spec §3.7)."""

    def cursor(self, stream: str, target: str) -> str | None:
        """The cursor of a stream, as text; ``None`` where none was ever written."""

    def announced(self, stream: str, target: str) -> str | None:
        """The cursor that was announced and of which nobody knows whether it came true; empty for none."""


class MetadataColumns(Protocol):
    """Which columns a run adds to a stream's."""

    def __call__(self, stream: Stream) -> Sequence[MetadataColumn]:
        """The columns, in order."""


def _none(stream: Stream) -> Sequence[MetadataColumn]:  # noqa: ARG001 - what every one takes
    return ()


@dataclass(frozen=True)
class RunFacts:
    """What all streams of a run have in common.

    Attributes:
        replication: The document.
        source: The open source.
        target: The open target.
        started: When the run began, in local time.
        metadata: Which columns the run adds to each table.
        state: Where cursors are kept; ``None``: they are derived from the target.
        inclusive: Whether rows with the cursor's very value are read again; ``None``: where there is a
            primary key that keeps them from doubling.
        id: The execution's id.
        readers: So many connections may read the parts of one stream at once.
    """

    replication: Replication
    source: Source
    target: Target
    started: datetime
    metadata: MetadataColumns = _none
    state: StateReader | None = None
    inclusive: bool | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    readers: int = 1

    def for_stream(self, stream: Stream) -> RunFacts:
        """The same, with source and target told what one stream says of them.

        Raises:
            ConfigError: An option makes no sense there.
        """
        key = {"update_key": stream.update_key} if stream.update_key else {}
        said = stream.source_options.model_dump(exclude_none=True)
        more = {"stream": stream.name, "files": stream.files, "declared": self._declared(stream)}
        return replace(
            self,
            source=self.source.for_stream({**said, **key, **more}),
            target=self.target.for_stream({**stream.target_options.model_dump(exclude_none=True), **key}),
        )

    def _declared(self, stream: Stream) -> Mapping[str, pa.DataType]:
        """The types that `columns` says, by names in lower case."""
        place = Place(stream, self.replication)
        specs = parse_columns(stream.columns, lambda key: place.at("columns", key))
        return {spec.name.lower(): spec.type.arrow_type() for spec in specs}


@dataclass(frozen=True)
class Place:
    """A stream in its document.

    Attributes:
        stream: The stream.
        replication: Its document.
    """

    stream: Stream
    replication: Replication

    def at(self, *path: str | int) -> Position:
        """Where a key of the stream stands: in the stream itself, or in `defaults`."""
        document = self.replication.document
        own = document.position("streams", self.stream.name, *path)
        if own != document.position("streams", self.stream.name):
            return own
        inherited = document.position("defaults", *path)
        return own if inherited == document.position("defaults") else inherited
