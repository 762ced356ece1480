"""The keys of a replication (spec §1.1, §1.2, §4): which are known, and which are carried out today."""

from __future__ import annotations

__all__ = ["CARRIED_OUT", "STREAM_KEYS", "TOP_LEVEL_KEYS"]

TOP_LEVEL_KEYS = frozenset({"source", "target", "streams", "defaults", "hooks", "env"})

STREAM_KEYS = frozenset(
    {
        "id", "description", "mode", "object", "select", "files", "where", "primary_key", "update_key", "sql",
        "columns", "transforms", "source_options", "target_options", "change_capture_options", "schedule",
        "tags", "disabled", "single", "hooks", "meta",
    }
)  # fmt: skip

# Every other known key is refused by the plan, with its position: no key is silently ignored.
# `schedule` means something on the Sling platform only (spec §1.2); `meta` belongs to Dagster.
CARRIED_OUT = frozenset({"id", "description", "mode", "object", "tags", "disabled", "meta", "schedule"})
