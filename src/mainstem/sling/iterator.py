"""What `SlingResource.replicate` returns."""

from __future__ import annotations

from typing_extensions import Self

from mainstem.assets import AssetEventIterator

__all__ = ["SlingEventIterator"]


class SlingEventIterator(AssetEventIterator):
    """The streams of a run as Dagster's events, each the moment its stream is published.

    Columns, column lineage and row counts come with the engine's own report, so both methods below have
    nothing left to fetch. They are here because existing projects call them.
    """

    def fetch_column_metadata(self) -> Self:
        """Have the columns and the column lineage in the events. They always are."""
        return self

    def fetch_row_count(self) -> Self:
        """Have the target's row count in the events. It always is."""
        return self
