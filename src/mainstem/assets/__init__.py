"""The one Dagster core that the three adapters share: definitions, metadata, events.

An adapter describes its assets and turns its tool's results into stream reports. Everything that Dagster
sees of a run is made here, from those reports, with no branch on which tool they came from.
"""

from mainstem.assets.columns import (
    AssetColumns,
    StatesColumns,
    reported_columns,
    rows_metadata,
    stated_columns,
)
from mainstem.assets.definition import (
    attach_definition,
    condition_of_policy,
    definition_metadata,
    definition_of,
    note_of,
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
from mainstem.assets.history import latest_metadata
from mainstem.assets.metadata import column_metadata, report_metadata, table_metadata
from mainstem.assets.tables import (
    WIRED,
    AssetTables,
    ReadTable,
    StatesTables,
    WrittenTable,
    stated_tables,
    wired_keys,
    wired_keys_of,
)

__all__ = [
    "WIRED",
    "AssetColumns",
    "AssetEvent",
    "AssetEventIterator",
    "AssetReport",
    "AssetTables",
    "CheckReport",
    "ExecutionContext",
    "ObservationReport",
    "ReadTable",
    "Report",
    "StatesColumns",
    "StatesTables",
    "WrittenTable",
    "attach_definition",
    "column_metadata",
    "condition_of_policy",
    "definition_metadata",
    "definition_of",
    "latest_metadata",
    "note_of",
    "report_metadata",
    "reported_columns",
    "rows_metadata",
    "runs_assets",
    "stated_columns",
    "stated_tables",
    "table_metadata",
    "wired_keys",
    "wired_keys_of",
]
