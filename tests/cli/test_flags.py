"""What flags mean, without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from mainstem.cli.options import Flags
from mainstem.cli.request import overrides_of, request_of
from mainstem.errors import ReplicationError

ADHOC = Flags(src_conn="A", src_stream="s.t", tgt_conn="B", tgt_object="main.t")


@pytest.mark.parametrize(
    ("flags", "overrides"),
    [
        (Flags(), {}),
        (Flags(tgt_object="x", where="a > 1"), {"object": "x", "where": "a > 1"}),
        (Flags(select="a, -b, c as d"), {"select": ["a", "-b", "c as d"]}),
        (Flags(primary_key="a,b", update_key="c"), {"primary_key": ["a", "b"], "update_key": "c"}),
        (Flags(columns='{"a": "string(5)"}'), {"columns": {"a": "string(5)"}}),
        (Flags(transforms="[trim_space]"), {"transforms": ["trim_space"]}),
        (Flags(transforms="trim_space, lower"), {"transforms": ["trim_space", "lower"]}),
        (Flags(transforms="{a: [lower]}"), {"transforms": {"a": ["lower"]}}),
        (
            Flags(src_options="{limit: 1, range: 'a,b'}", limit=2, offset=3, range="1,2"),
            {"source_options": {"limit": 2, "range": "1,2", "offset": 3}},
        ),
        (Flags(tgt_options="{column_casing: upper}"), {"target_options": {"column_casing": "upper"}}),
    ],
)
def test_flags_become_keys_of_the_stream(flags: Flags, overrides: dict[str, Any]) -> None:
    assert overrides_of(flags) == overrides


@pytest.mark.parametrize(
    ("stream", "name", "sql"),
    [
        ("s.t", "s.t", None),
        ("SELECT 1 as a", "query", "SELECT 1 as a"),
        ("with x as (select 1) select * from x", "query", "with x as (select 1) select * from x"),
        ("folder/x.sql", "x", "file://folder/x.sql"),
        ("file://folder/x.sql", "x", "file://folder/x.sql"),
        ("selections.t", "selections.t", None),
    ],
)
def test_a_stream_of_the_flags_is_a_table_or_sql(stream: str, name: str, sql: str | None) -> None:
    flags = Flags(src_conn="A", src_stream=stream, tgt_conn="B", tgt_object="main.t")
    (found,) = request_of(flags, {}).replication.streams
    assert (found.name, found.sql, found.object) == (name, sql, "main.t")


def test_flags_win_over_every_stream_and_env_over_the_files_env(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "source: A\ntarget: B\nenv: {X: one, Y: two}\ndefaults: {object: '{X}_{Y}_{stream_table}'}\n"
        "streams: {s.a: {mode: truncate}, s.b: {source_options: {limit: 5, offset: 1}}}\n"
    )
    flags = Flags(file=str(path), mode="full-refresh", limit=2, env="X: uno", streams="s.a, tag:x")
    request = request_of(flags, {})
    assert request.streams == ["s.a", "tag:x"]
    assert [stream.mode.value for stream in request.replication.streams] == ["full-refresh"] * 2
    assert [stream.source_options.limit for stream in request.replication.streams] == [2, 2]
    assert [stream.source_options.offset for stream in request.replication.streams] == [None, 1]
    assert request.replication.streams[0].object == "uno_two_{stream_table}"


def test_the_environment_names_the_file_where_no_flag_does(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("source: A\ntarget: B\nstreams: {s.a: {object: a}}\n")
    assert request_of(Flags(), {"SLING_CONFIG_PATH": str(path)}).replication.source == "A"
    assert request_of(ADHOC, {"SLING_CONFIG_PATH": "nowhere"}).replication.streams[0].name == "s.t"


def test_a_malformed_value_is_told_by_its_flag_and_not_shown() -> None:
    with pytest.raises(ReplicationError, match=r"^--src-options:1:\d+: ") as caught:
        overrides_of(Flags(src_options="{password: 'canary-7"))
    assert "canary-7" not in str(caught.value)
    with pytest.raises(typer.BadParameter) as wrong:
        overrides_of(Flags(columns="canary-7"))
    assert "canary-7" not in str(wrong.value)
