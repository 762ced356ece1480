"""What has become of the columns of sources since they were last read, as an adapter tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import dagster as dg

__all__ = ["SourceChange", "TellsSourceChanges"]


@dataclass(frozen=True)
class SourceChange:
    """A column of a source that is another than before.

    Attributes:
        asset: The asset that the source is.
        column: The column.
        what: ``added``, ``removed`` or ``changed``.
        type: Its type; of a changed one, both.
        since: What it is compared to, such as ``the last load``.
    """

    asset: dg.AssetKey
    column: str
    what: str
    type: str
    since: str


@runtime_checkable
class TellsSourceChanges(Protocol):
    """A note on asset specs that can look at the sources of the assets."""

    def source_changes(
        self,
        specs: Sequence[dg.AssetSpec],
        resources: Mapping[str, object],
        latest: Callable[[dg.AssetKey], Mapping[str, Any]],
    ) -> Sequence[SourceChange]:
        """Connect to the sources of assets, and tell what has become of their columns.

        Args:
            specs: The specs that carry the note.
            resources: The resources of the definitions, by key.
            latest: Gives the metadata of an asset's latest materialization.

        Raises:
            MainstemError: A source cannot be looked at.
        """
