"""The option maps of a stream, typed and frozen (spec §4.1, §4.2, §3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ChangeCaptureOptions", "Options", "SourceOptions", "TargetOptions"]


class Options(BaseModel):
    """Keys with a value, or ``None`` where nothing is said and the default holds."""

    # Unknown keys are told by the reader, which knows where they stand.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class SourceOptions(Options):
    """`source_options`: how the source is read (spec §4.1)."""

    format: str | None = None
    header: bool | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    compression: str | None = None
    encoding: str | None = None
    skip_blank_lines: bool | None = None
    skip_lines: int | None = None
    fields_per_rec: int | None = None
    null_if: str | None = None
    empty_as_null: bool | None = None
    datetime_format: str | None = None
    max_decimals: int | None = None
    flatten: bool | int | None = None
    jmespath: str | None = None
    jq: str | None = None
    sheet: str | None = None
    range: str | None = None
    limit: int | None = Field(default=None, ge=0)
    offset: int | None = Field(default=None, ge=0)
    chunk_size: int | str | None = None
    chunk_count: int | None = None
    chunk_expr: str | None = None
    columns: Mapping[str, Any] | list[Any] | None = None
    transforms: list[Any] | Mapping[str, Any] | None = None


class TargetOptions(Options):
    """`target_options`: how the target is written (spec §4.2)."""

    header: bool | None = None
    delimiter: str | None = None
    datetime_format: str | None = None
    encoding: str | None = None
    compression: str | None = None
    format: str | None = None
    file_max_rows: int | None = None
    file_max_bytes: int | None = None
    concurrency: int | None = None
    batch_limit: int | None = Field(default=None, ge=0)
    batch_max_duration: str | int | None = None
    use_bulk: bool | None = None
    add_new_columns: bool | None = None
    adjust_column_type: bool | None = None
    column_casing: str | None = None
    column_typing: Mapping[str, Any] | None = None
    max_decimals: int | None = None
    ignore_existing: bool | None = None
    delete_missing: str | Mapping[str, Any] | None = None
    direct_insert: bool | None = None
    merge_strategy: str | None = None
    isolation_level: str | None = None
    pre_sql: str | None = None
    post_sql: str | None = None
    table_ddl: str | None = None
    table_tmp: str | None = None
    table_keys: Mapping[str, Any] | None = None


class ChangeCaptureOptions(Options):
    """`change_capture_options` (spec §3.8)."""

    snapshot_start: str | None = None
    snapshot_chunk_size: int | None = None
    snapshot_run_duration: str | None = None
    run_max_events: int | None = None
    run_max_duration: str | None = None
    soft_delete: bool | None = None
    retry_attempts: int | None = None
    retry_delay: str | None = None
    replay_from: str | None = None
    slot_level: str | None = None
    change_feed: str | None = None
