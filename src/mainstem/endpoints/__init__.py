"""The systems that mainstem reads and writes: one room each, behind one base."""

from mainstem.endpoints.base import CatalogEntry, Endpoint, Query, Source, SourceTable
from mainstem.endpoints.comparable import Form, FormKind, Written
from mainstem.endpoints.registry import (
    cancel_all,
    open_endpoint,
    open_source,
    open_target,
    target_capabilities,
)
from mainstem.endpoints.sql import SqlTarget
from mainstem.endpoints.steps import (
    AddColumn,
    ChangeType,
    Create,
    Deduplicate,
    Delete,
    DeleteMissing,
    Empty,
    Insert,
    Key,
    MarkMissing,
    MarkUpdated,
    RunSql,
    Step,
    Swap,
    TableKey,
    Update,
)
from mainstem.endpoints.target import Capabilities, KeyProfile, NativeType, Staging, Target

__all__ = [
    "AddColumn",
    "Capabilities",
    "CatalogEntry",
    "ChangeType",
    "Create",
    "Deduplicate",
    "Delete",
    "DeleteMissing",
    "Empty",
    "Endpoint",
    "Form",
    "FormKind",
    "Insert",
    "Key",
    "KeyProfile",
    "MarkMissing",
    "MarkUpdated",
    "NativeType",
    "Query",
    "RunSql",
    "Source",
    "SourceTable",
    "SqlTarget",
    "Staging",
    "Step",
    "Swap",
    "TableKey",
    "Target",
    "Update",
    "Written",
    "cancel_all",
    "open_endpoint",
    "open_source",
    "open_target",
    "target_capabilities",
]
