"""The systems that mainstem reads and writes: one file each, behind one base."""

from mainstem.endpoints.base import (
    Capabilities,
    CatalogEntry,
    Endpoint,
    Query,
    Source,
    SourceTable,
    Staging,
    Target,
    TargetTable,
)
from mainstem.endpoints.registry import cancel_all, open_endpoint, open_source, open_target

__all__ = [
    "Capabilities",
    "CatalogEntry",
    "Endpoint",
    "Query",
    "Source",
    "SourceTable",
    "Staging",
    "Target",
    "TargetTable",
    "cancel_all",
    "open_endpoint",
    "open_source",
    "open_target",
]
