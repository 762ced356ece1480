"""What the plan carries out today, as data. Every other known key is refused by it, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mainstem.replication.options import ChangeCaptureOptions, SourceOptions, TargetOptions

__all__ = ["CARRIED_OUT", "HARMLESS", "OPTION_MAPS", "OWN_KEYS", "STREAM_KEYS", "TOP_LEVEL_KEYS", "is_said"]

TOP_LEVEL_KEYS = frozenset({"source", "target", "streams", "defaults", "hooks", "env"})

OPTION_MAPS: Mapping[str, frozenset[str]] = {
    "source_options": frozenset(SourceOptions.model_fields),
    "target_options": frozenset(TargetOptions.model_fields),
    "change_capture_options": frozenset(ChangeCaptureOptions.model_fields),
}

# Ours: Sling has settings of the whole run for these, and passes over such keys of a stream.
OWN_KEYS = frozenset({"retries", "retry_delay", "timeout"})

STREAM_KEYS = frozenset(
    {
        "id", "description", "mode", "object", "select", "files", "where", "primary_key", "update_key", "sql",
        "columns", "transforms", "schedule", "tags", "disabled", "single", "hooks", "meta", *OPTION_MAPS,
        *OWN_KEYS,
    }
)  # fmt: skip

# By the map that the key stands in; "stream" is the stream's own mapping.
CARRIED_OUT: Mapping[str, frozenset[str]] = {
    "stream": frozenset(
        {
            "id", "description", "mode", "object", "select", "files", "where", "primary_key", "update_key",
            "sql", "columns", "tags", "disabled", "single", "meta", "schedule", "transforms", "hooks",
            *OWN_KEYS,
        }
    ),
    "source_options": frozenset(
        {
            "limit", "offset", "range", "max_decimals", "empty_as_null",
            # Of sources whose connections can share a moment (`Source.source_options`).
            "chunk_count", "chunk_expr", "chunk_size",
            # Those of files; a source that is none refuses them (`Source.source_options`).
            "compression", "datetime_format", "delimiter", "encoding", "escape", "fields_per_rec", "flatten",
            "format", "header", "jmespath", "null_if", "quote", "sheet", "skip_blank_lines", "skip_lines",
        }
    ),
    "target_options": frozenset(
        {
            "add_new_columns", "adjust_column_type", "batch_limit", "column_casing", "column_typing",
            "delete_missing", "direct_insert", "ignore_existing", "max_decimals", "merge_strategy",
            "post_sql", "pre_sql", "table_ddl", "table_keys", "table_tmp", "use_bulk",
            # Those of files; a target that is none refuses them (`Capabilities.options`).
            "compression", "concurrency", "datetime_format", "delimiter", "encoding", "file_max_bytes",
            "file_max_rows", "format", "header",
        }
    ),
    "change_capture_options": frozenset(),
}  # fmt: skip

# The settings that `env:` may have (spec §1.1: they hold for the run). Others that begin alike are refused.
SETTING_PREFIX = "SLING_"
SETTINGS = frozenset(
    {
        "SLING_ALLOW_EMPTY", "SLING_ALLOW_EMPTY_TABLES", "SLING_LOADED_AT_COLUMN", "SLING_SYNCED_AT_COLUMN",
        "SLING_ROW_ID_COLUMN", "SLING_EXEC_ID_COLUMN", "SLING_GREATER_THAN_EQUAL", "SLING_STATE",
        "SLING_THREADS", "SLING_RETRIES", "SLING_RETRY_DELAY", "SLING_ON_CONSTRAINT_FAILURE", "SLING_TIMEOUT",
        "SLING_ROUTINES_DIR",
    }
)  # fmt: skip

# Values that ask for what happens anyway (spec §4.1, §4.2): they are Sling's own defaults for databases.
HARMLESS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "stream": {"single": (False,)},
    "source_options": {
        "empty_as_null": (False,),
        "datetime_format": ("AUTO", "auto"),
        "max_decimals": (-1,),
        "offset": (0,),
        "limit": (0,),
    },
    "target_options": {
        "max_decimals": (-1,),
        "file_max_rows": (0,),
        "file_max_bytes": (0,),
        "header": (True,),
        "delimiter": (",",),
        "compression": ("auto",),
        "use_bulk": (True,),
        "add_new_columns": (True,),
        "adjust_column_type": (False,),
        "datetime_format": ("AUTO", "auto"),
        "column_casing": ("normalize",),
        "ignore_existing": (False,),
        "direct_insert": (False,),
    },
    "change_capture_options": {},
}


def is_said(place: str, key: str, value: Any) -> bool:
    """Whether a value asks for something: not empty, and not what happens anyway."""
    if value is None or value in ("", [], {}):
        return False
    return not any(
        value == harmless and type(value) is type(harmless) for harmless in HARMLESS[place].get(key, ())
    )
