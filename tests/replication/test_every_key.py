"""No key of the reference is silently ignored: each is carried out by the plan, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mainstem.engine import plan
from mainstem.errors import NotSupportedYetError
from mainstem.plan import refuse_unsupported
from mainstem.replication import Mode, load_replication, select_streams
from mainstem.replication.hooks import CARRIED_OUT_HOOKS, HOOK_KEYS
from mainstem.replication.keys import CARRIED_OUT, OPTION_MAPS, STREAM_KEYS
from mainstem.strategies import STRATEGIES

CONNECTIONS = {"A": "postgresql://localhost:1/x", "B": "duckdb://x.duckdb"}

# The reference's own lists (spec §1.2, §4.1, §4.2, §3.8), each with a value that asks for something.
STREAM: Mapping[str, Any] = {
    "id": "x",
    "description": "x",
    "mode": "full-refresh",
    "object": "x",
    "select": ["a"],
    "files": ["a.csv"],
    "where": "a = 1",
    "primary_key": ["a"],
    "update_key": "a",
    "sql": "select 1",
    "columns": {"a": "bigint"},
    "transforms": ["trim_space"],
    "source_options": {"limit": 1},
    "target_options": {"column_casing": "upper"},
    "change_capture_options": {"soft_delete": True},
    "schedule": "@daily",
    "tags": ["x"],
    "disabled": True,
    "single": True,
    "hooks": {"pre": [{"type": "log", "message": "x"}]},
    # Ours.
    "retries": 3,
    "retry_delay": "1s",
    "timeout": "1h",
}
SOURCE_OPTIONS: Mapping[str, Any] = {
    "format": "csv",
    "header": False,
    "delimiter": ";",
    "quote": "'",
    "escape": "\\",
    "compression": "gzip",
    "encoding": "latin1",
    "skip_blank_lines": True,
    "skip_lines": 1,
    "fields_per_rec": 3,
    "null_if": "-",
    "empty_as_null": True,
    "datetime_format": "%Y",
    "max_decimals": 2,
    "flatten": True,
    "jmespath": "a",
    "jq": ".a",
    "sheet": "S!A1:B",
    "range": "1,2",
    "limit": 5,
    "offset": 5,
    "chunk_size": "1d",
    "chunk_count": 4,
    "chunk_expr": "a",
    "columns": {"a": "bigint"},
    "transforms": ["trim_space"],
}
TARGET_OPTIONS: Mapping[str, Any] = {
    "header": False,
    "delimiter": ";",
    "datetime_format": "%Y",
    "encoding": "latin1",
    "compression": "gzip",
    "format": "parquet",
    "file_max_rows": 10,
    "file_max_bytes": 10,
    "concurrency": 3,
    "batch_limit": 10,
    "batch_max_duration": "5m",
    "use_bulk": False,
    "add_new_columns": False,
    "adjust_column_type": True,
    "column_casing": "snake",
    "column_typing": {"string": {"use_max": True}},
    "max_decimals": 2,
    "ignore_existing": True,
    "delete_missing": "soft",
    "direct_insert": True,
    "merge_strategy": "insert",
    "isolation_level": "serializable",
    "pre_sql": "select 1",
    "post_sql": "select 1",
    "table_ddl": "create table x",
    "table_tmp": "x",
    "table_keys": {"index": ["a"]},
}
CHANGE_CAPTURE_OPTIONS: Mapping[str, Any] = {
    "snapshot_start": "now",
    "snapshot_chunk_size": 10,
    "snapshot_run_duration": "5m",
    "run_max_events": 10,
    "run_max_duration": "5m",
    "soft_delete": True,
    "retry_attempts": 3,
    "retry_delay": "5s",
    "replay_from": "x",
    "slot_level": "stream",
    "change_feed": "x",
}
OPTIONS = {
    "source_options": SOURCE_OPTIONS,
    "target_options": TARGET_OPTIONS,
    "change_capture_options": CHANGE_CAPTURE_OPTIONS,
}
# Keys that say something to someone else than the plan: to Dagster, to selection, to Sling's platform.
NOT_THE_PLANS = {"meta", "schedule"}


def config(**stream: Any) -> dict[str, Any]:
    return {"source": "A", "target": "B", "streams": {"s.t": {"object": "t", **stream}}}


def test_the_model_has_the_keys_of_the_reference_and_no_other() -> None:
    assert set(STREAM) | {"meta"} == STREAM_KEYS
    assert {place: frozenset(keys) for place, keys in OPTIONS.items()} == OPTION_MAPS


def refusal(given: dict[str, Any]) -> str | None:
    replication = load_replication(given)
    try:
        refuse_unsupported(replication, replication.streams)
    except NotSupportedYetError as error:
        return str(error)
    return None


@pytest.mark.parametrize("key", sorted(set(STREAM) - set(OPTIONS)))
def test_a_stream_key_is_carried_out_or_refused_by_name(key: str) -> None:
    refused = refusal(config(**{key: STREAM[key]}))
    if key in CARRIED_OUT["stream"]:
        assert refused is None
    else:
        assert refused is not None
        assert f"`{key}`" in refused


@pytest.mark.parametrize(
    ("place", "key"), [(place, key) for place, keys in OPTIONS.items() for key in sorted(keys)]
)
def test_an_option_is_carried_out_or_refused_by_name(place: str, key: str) -> None:
    refused = refusal(config(**{place: {key: OPTIONS[place][key]}}))
    if key in CARRIED_OUT[place]:
        assert refused is None
    else:
        assert refused is not None
        assert f"`{key}` of `{place}`" in refused


# Where the effect of each key that is carried out is shown.
SHOWN = {
    "engine/test_plan.py": {
        *("select", "where", "sql", "columns", "primary_key", "update_key", "object", "mode"),
        *("limit", "offset", "range", "column_casing", "ignore_existing", "single", "disabled"),
        *("use_bulk", "direct_insert"),
    },
    "mainstem/testing/conformance_options.py": {
        *("pre_sql", "post_sql", "table_ddl", "table_tmp", "table_keys", "batch_limit", "max_decimals"),
        *("empty_as_null", "column_typing", "delete_missing"),
    },
    "mainstem/testing/conformance_modes.py": {"merge_strategy"},
    "mainstem/testing/conformance_evolution.py": {"add_new_columns", "adjust_column_type"},
    "engine/test_from_files.py": {"files", "flatten"},
    "files/test_csv.py": {
        *("quote", "escape", "skip_blank_lines", "skip_lines", "fields_per_rec", "null_if"),
    },
    "files/formats": {"jmespath", "sheet"},
    "engine/test_to_files.py": {"file_max_rows", "file_max_bytes", "concurrency"},
    "engine/test_to_files_text.py": {
        "header",
        "delimiter",
        "datetime_format",
        "encoding",
        "compression",
        "format",
    },
    "engine/test_transforms.py": {"transforms"},
    "engine/test_chunks.py": {"chunk_count", "chunk_expr", "chunk_size"},
    "hooks/test_stages.py": {"hooks"},
    "engine/test_retries.py": {"retries", "retry_delay"},
    "engine/test_timeout.py": {"timeout"},
    "replication/test_document.py": {"disabled", "object", "mode"},
    "this file": {"id", "description", "tags", *NOT_THE_PLANS},
}


def test_every_key_that_is_carried_out_has_a_test_that_shows_its_effect() -> None:
    carried_out = set().union(*CARRIED_OUT.values())
    assert set().union(*SHOWN.values()) == carried_out


def test_id_description_and_tags_reach_variables_and_selection() -> None:
    given = {**config(id="my_id", description="about t", tags=["daily"])}
    given["streams"]["s.u"] = {"object": "u"}
    replication = load_replication(given)
    assert [stream.name for stream in select_streams(replication, ["my_id"])] == ["s.t"]
    assert [stream.name for stream in select_streams(replication, ["tag:daily"])] == ["s.t"]
    assert [stream.name for stream in select_streams(replication, ["-tag:daily"])] == ["s.u"]
    assert replication.streams[0].description == "about t"


def test_meta_and_schedule_are_kept_for_others() -> None:
    stream = load_replication(config(meta={"dagster": {"group": "g"}}, schedule="@daily")).streams[0]
    assert (stream.meta, stream.schedule) == ({"dagster": {"group": "g"}}, ["@daily"])


def test_every_mode_but_change_capture_is_carried_out() -> None:
    assert set(Mode) - set(STRATEGIES) == {Mode.CHANGE_CAPTURE}
    with pytest.raises(NotSupportedYetError, match="the mode change-capture is not supported yet"):
        plan(config(mode="change-capture"), CONNECTIONS)


@pytest.mark.parametrize("kind", sorted(HOOK_KEYS))
def test_a_hook_is_carried_out_or_refused_by_type(kind: str) -> None:
    hook = {"type": kind, **({"steps": [{"log": "x"}]} if kind == "group" else {})}
    for given in ({**config(), "hooks": {"start": [hook]}}, config(hooks={"post": [hook]})):
        refused = refusal(given)
        if kind in CARRIED_OUT_HOOKS:
            assert refused is None
        else:
            assert refused is not None
            assert f"the hook {kind!r}" in refused


def test_a_setting_that_is_not_carried_out_is_refused_in_env() -> None:
    refused = refusal({**config(), "env": {"SLING_DRY_RUN": 4, "MY_OWN": 1, "SLING_ALLOW_EMPTY": True}})
    assert refused is not None
    assert "the setting SLING_DRY_RUN" in refused
    assert "MY_OWN" not in refused


@pytest.mark.parametrize(
    "harmless",
    [
        {"source_options": {"empty_as_null": False, "max_decimals": -1, "limit": 0}},
        {"target_options": {"use_bulk": True, "add_new_columns": True, "column_casing": "normalize"}},
        {"transforms": [], "files": None, "single": False, "hooks": {}},
    ],
)
def test_asking_for_what_happens_anyway_is_no_request(harmless: dict[str, Any]) -> None:
    assert refusal(config(**harmless)) is None
