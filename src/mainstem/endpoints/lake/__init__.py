"""Tables made of files and snapshots: what the formats of such tables have in common."""

from mainstem.endpoints.lake.endpoint import Lake
from mainstem.endpoints.lake.tables import LakeTables

__all__ = ["Lake", "LakeTables"]
