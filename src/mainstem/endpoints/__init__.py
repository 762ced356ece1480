"""The systems that mainstem reads and writes: one file each, behind one base."""

from mainstem.endpoints.base import Capabilities, Endpoint, Source, SourceTable, Staging, Target, TargetTable
from mainstem.endpoints.registry import open_source, open_target

__all__ = [
    "Capabilities",
    "Endpoint",
    "Source",
    "SourceTable",
    "Staging",
    "Target",
    "TargetTable",
    "open_source",
    "open_target",
]
