"""The one Dagster core that the three adapters share: definitions, metadata, events.

An adapter describes its assets and turns its tool's results into stream reports. Everything that Dagster
sees of a run is made here, from those reports, with no branch on which tool they came from.
"""

from mainstem.assets.definition import (
    attach_definition,
    condition_of_policy,
    definition_metadata,
    definition_of,
)
from mainstem.assets.events import (
    AssetEvent,
    AssetEventIterator,
    AssetReport,
    CheckReport,
    ExecutionContext,
    ObservationReport,
    Report,
    runs_assets,
)
from mainstem.assets.metadata import column_metadata, report_metadata, table_metadata

__all__ = [
    "AssetEvent",
    "AssetEventIterator",
    "AssetReport",
    "CheckReport",
    "ExecutionContext",
    "ObservationReport",
    "Report",
    "attach_definition",
    "column_metadata",
    "condition_of_policy",
    "definition_metadata",
    "definition_of",
    "report_metadata",
    "runs_assets",
    "table_metadata",
]
