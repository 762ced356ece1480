"""Rules of the reference on inheritance, variables and `env`, each under its number (spec §1.1, §1.3, §2)."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mainstem.errors import ReplicationError
from mainstem.replication import Stream, StreamNames, load_replication

STARTED = datetime(2024, 2, 3, 16, 5, 6, tzinfo=timezone.utc)


def stream(own: Any, defaults: Any = None, **top: Any) -> Stream:
    given = {
        "source": "A",
        "target": "B",
        "defaults": {"object": "t", **(defaults or {})},
        "streams": {"s.t": own},
    }
    return load_replication({**given, **top}).streams[0]


@pytest.mark.parametrize(
    ("key", "default", "attribute"),
    [
        ("select", ["a"], ["a"]),
        ("where", "x", "x"),
        ("primary_key", ["k"], ["k"]),
        ("update_key", "u", "u"),
        ("sql", "select 1", "select 1"),
        ("tags", ["x"], ["x"]),
        ("files", ["f"], ["f"]),
        ("transforms", ["trim_space"], ["trim_space"]),
    ],
)
def test_1_3_a_default_holds_only_where_the_key_is_absent(key: str, default: Any, attribute: Any) -> None:
    assert getattr(stream(None, {key: default}), key) == attribute
    assert not getattr(stream({key: None}, {key: default}), key)
    empty: Any = "" if isinstance(default, str) else []
    assert not getattr(stream({key: empty}, {key: default}), key)


def test_1_3_id_and_description_are_not_inherited() -> None:
    found = stream(None, {"id": "x", "description": "y"})
    assert (found.id, found.description) == (None, None)


def test_1_3_columns_replace_the_defaults_unless_a_key_has_a_plus() -> None:
    defaults = {"columns": {"a": "bigint", "b": "text"}}
    assert stream({"columns": {"c": "date"}}, defaults).columns == {"c": "date"}
    merged = stream({"columns": {"+c": "date", "+A": "string", "+b": None}}, defaults).columns
    assert merged == {"A": "string", "c": "date"}
    assert stream({"columns": {"+c": "date"}}).columns == {"c": "date"}


def test_1_3_source_options_are_merged_for_the_keys_that_the_reference_names() -> None:
    defaults = {"source_options": {"header": False, "limit": 5, "delimiter": ";"}}
    merged = stream({"source_options": {"delimiter": ","}}, defaults).source_options
    assert (merged.header, merged.delimiter, merged.limit) == (False, ",", None)
    assert stream(None, defaults).source_options.limit == 5


def test_1_3_target_options_are_merged_key_by_key() -> None:
    defaults = {"target_options": {"pre_sql": "a", "post_sql": "b"}}
    merged = stream({"target_options": {"pre_sql": "c"}}, defaults).target_options
    assert (merged.pre_sql, merged.post_sql) == ("c", "b")


def test_1_3_the_hooks_of_the_defaults_hold_only_where_the_stream_has_none() -> None:
    defaults = {"hooks": {"pre": [{"log": "default"}]}}
    assert [hook.keys["message"] for hook in stream(None, defaults).hooks] == ["default"]
    own = stream({"hooks": {"post": [{"log": "own"}]}}, defaults).hooks
    assert [(hook.stage, hook.keys["message"]) for hook in own] == [("post", "own")]


def test_1_1_hooks_of_streams_at_the_top_are_told_to_move() -> None:
    with pytest.raises(ReplicationError, match=r"move them to `defaults\.hooks`"):
        stream(None, None, hooks={"pre": []})


def test_1_1_env_is_expanded_and_put_wherever_its_keys_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_OF_TEST", "sales")
    given = {
        "source": "{PG}",
        "target": "B",
        "env": {
            "PG": "MY_PG",
            "SCHEMA": "$SCHEMA_OF_TEST",
            "OTHER": "${SCHEMA_OF_TEST}_x",
            "NONE": "$NO_SUCH_VAR",
        },
        "streams": {"{SCHEMA}.orders": {"object": "{OTHER}_{stream_table}{NONE}"}},
    }
    replication = load_replication(given)
    assert replication.source == "MY_PG"
    assert [(each.name, each.object) for each in replication.streams] == [
        ("sales.orders", "sales_x_{stream_table}")
    ]
    assert replication.variables == {"PG": "MY_PG", "SCHEMA": "sales", "OTHER": "sales_x", "NONE": ""}


def test_1_1_an_unquoted_variable_is_the_value_that_yaml_would_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "source: A\ntarget: B\nenv: {LIMIT: '7', NAME: x}\n"
        "streams:\n  s.t:\n    object: '{NAME}_t'\n    source_options: {limit: {LIMIT}}\n"
    )
    found = load_replication(path).streams[0]
    assert (found.object, found.source_options.limit) == ("x_t", 7)


def test_1_1_a_value_of_env_never_becomes_keys(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    evil = "t\\nhooks:\\n  start: [{command: rm}]"
    path.write_text(f'source: A\ntarget: B\nenv: {{X: "{evil}"}}\nstreams:\n  s.t:\n    object: "{{X}}"\n')
    replication = load_replication(path)
    assert replication.hooks == []
    assert replication.streams[0].object.startswith("t\nhooks:")


def test_1_1_dollar_variables_are_not_expanded_outside_of_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_OF_TEST", "y")
    assert stream({"object": "${X_OF_TEST}"}).object == "${X_OF_TEST}"


NAMES = StreamNames(
    stream='public."My Orders"',
    schema="public",
    table="My Orders",
    full_name='"public"."My Orders"',
    source=("MY_PG", "postgres"),
    target=("MY_DUCK", "duckdb"),
    target_schema="main",
    started=STARTED,
    id="my_id",
    description="all orders",
    update_key='"at"',
    run_id="e1",
    file="r.yaml",
    environment={"X": "a b"},
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{stream_schema}", "public"),
        ("{stream.schema_upper}", "PUBLIC"),
        ("{stream_table}", "My_Orders"),
        ("{stream_table_lower}", "my_orders"),
        ("{stream_table_upper}", "MY_ORDERS"),
        ("{stream_name}", "public__my_orders_"),
        ("{stream_full_name}", '"public"."My Orders"'),
        ("{stream_run_id}", "my_id"),
        ("{stream.description}", "all_orders"),
        ("{source_name}_{source.type}_{source_kind}", "my_pg_postgres_database"),
        ("{target_name}_{target.type}_{target_kind}", "my_duck_duckdb_database"),
        ("{target_schema}", "main"),
        ("{run_timestamp}", "2024_02_03_160506"),
        ("{run.id}", "my_id"),
        ("{YYYY}{YY}{MMM}{MM}{DD}", "202424Feb0203"),
        ("{HH}_{hh}_{mm}_{ss}", "16_04_05_06"),
        ("{DDD}", "Sat"),
        ("{timestamp.YYYY}", "2024"),
        ("{timestamp.date}", "2024-02-03"),
        ("{timestamp.datetime}", "2024-02-03 16:05:06"),
        ("{timestamp.unix}", "1706976306"),
        ("{timestamp.file_name}", "2024_02_03_160506"),
        ("{timestamp.rfc3339}", "2024-02-03T16:05:06+00:00"),
        ("{env.X}", "a b"),
        ("{execution.id}", "e1"),
        ("{execution.file_path}", "r_yaml"),
        ("x{nothing_of_the_kind}y", "xy"),
        ("part_{part_year}", "part_"),
    ],
)
def test_2_a_variable_in_object(template: str, expected: str) -> None:
    assert NAMES.variables().in_object(template)[0] == expected


def test_2_what_has_no_value_is_removed_from_object_and_told_and_kept_in_sql() -> None:
    variables = NAMES.variables()
    assert variables.in_object("a{nope}b{store.x}") == ("ab", ["nope", "store.x"])
    assert variables.in_sql("select '{nope}', {update_key} from {stream_full_name}") == (
        'select \'{nope}\', "at" from "public"."My Orders"'
    )


def test_2_the_target_gives_more_variables() -> None:
    variables = NAMES.variables().with_object("main", "t", '"main"."t"')
    assert variables.in_sql(
        "{object_name} {object.schema} {object_table} {object_full_name} {target_table}"
    ) == ('main.t main t "main"."t" t')
