"""The replication document: what is read, what is refused, and where the error points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mainstem.engine import run
from mainstem.errors import NotSupportedYetError, ReplicationError
from mainstem.replication import Mode, load_replication, select_streams
from mainstem.replication.model import ReplicationWarning

LESSON = """\
source: MY_POSTGRES
target: MY_DUCKDB

defaults:
  mode: full-refresh

  object: "{stream_schema}_{stream_table}"

streams:
  data.customers:
  data.products:
  data.orders:
"""


def write(folder: Path, text: str, name: str = "replication.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def document(**streams: Any) -> dict[str, Any]:
    return {"source": "A", "target": "B", "defaults": {"object": "{stream_table}"}, "streams": streams}


def test_the_lesson_is_read_as_it_stands(tmp_path: Path) -> None:
    replication = load_replication(write(tmp_path, LESSON))
    assert (replication.source, replication.target) == ("MY_POSTGRES", "MY_DUCKDB")
    assert [stream.name for stream in replication.streams] == [
        "data.customers",
        "data.products",
        "data.orders",
    ]
    assert {stream.mode for stream in replication.streams} == {Mode.FULL_REFRESH}
    assert {stream.object for stream in replication.streams} == {"{stream_schema}_{stream_table}"}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_endings_and_a_byte_order_mark_change_nothing(tmp_path: Path, ending: str, bom: str) -> None:
    path = tmp_path / "replication.yaml"
    path.write_bytes((bom + LESSON.replace("\n", ending)).encode())
    assert load_replication(str(path)).streams[0].name == "data.customers"


def test_json_and_a_mapping_mean_the_same_as_yaml(tmp_path: Path) -> None:
    given = document(**{"s.t": {"object": "x"}, "s.u": None})
    from_json = load_replication(write(tmp_path, json.dumps(given), "replication.json"))
    from_mapping = load_replication(given)
    assert from_json.document.values == from_mapping.document.values == given
    assert [(s.name, s.object) for s in from_json.streams] == [
        (s.name, s.object) for s in from_mapping.streams
    ]


def test_a_stream_takes_the_defaults_unless_it_says_otherwise() -> None:
    streams = load_replication(document(**{"s.own": {"object": "mine"}, "s.inherited": None})).streams
    assert [stream.object for stream in streams] == ["mine", "{stream_table}"]


def test_the_mode_is_incremental_where_only_keys_are_given() -> None:
    streams = load_replication(document(**{"s.a": {"primary_key": "id"}, "s.b": None})).streams
    assert [stream.mode for stream in streams] == [Mode.INCREMENTAL, Mode.FULL_REFRESH]


def test_a_disabled_stream_is_not_run() -> None:
    replication = load_replication(document(**{"s.a": {"disabled": True}, "s.b": None}))
    assert [stream.name for stream in select_streams(replication)] == ["s.b"]


def test_all_that_is_wrong_is_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, "target: 7\nstreams:\n  a.b:\n    mode: full-refrsh\n  c.d: text\n")
    with pytest.raises(ReplicationError) as caught:
        load_replication(path)
    message = str(caught.value)
    assert f"{path}: did not find 'source' key" in message
    assert f"{path}:1:1: 'target' must be text, not 7" in message
    assert (
        f"{path}:4:5: must specify valid mode: 'full-refrsh' is none. Did you mean 'full-refresh'?" in message
    )
    assert f"{path}:5:3: 'c.d' must be a mapping, not 'text'" in message
    assert f"{path}:3:3: need to specify `object` for stream" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: [", "malformed"),
        ("a: 1\na: 2\n", "2:1: The key .a. is there twice; first in line 1"),
        ("\tsource: x", "malformed"),
        ("- just\n- a list\n", "A replication is a mapping"),
        ("", "A replication is a mapping"),
    ],
)
def test_a_file_that_is_no_replication_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ReplicationError, match=said):
        load_replication(write(tmp_path, text))


def bomb(levels: int) -> str:
    first = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    return first + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, levels))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(12), "more than 2,000,000 values, aliases followed"),
        ("a: " + "[" * 100_000 + "\n", "nested deeper than 100 levels"),
        ("a: &x [*x]\n", "no complete anchor of this name before this alias"),
        ("a: !!python/object:os.system x\n", "tag .* means nothing here"),
        ("a: 1\n---\nb: 2\n", "more than one YAML document"),
        ("a: \x00\n", "malformed"),
        ("x: " + "y" * (33 * 2**20), "larger than 32 MiB"),
    ],
)
def test_a_hostile_document_is_one_clear_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ReplicationError, match=said):
        load_replication(write(tmp_path, text))


def test_a_file_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    streams = "".join(f"  s.t{index}:\n    description: {'x' * 1000}\n" for index in range(10_000))
    path = write(tmp_path, f"source: A\ntarget: B\ndefaults: {{object: x}}\nstreams:\n{streams}")
    assert path.stat().st_size > 10_000_000
    assert len(load_replication(path).streams) == 10_000


def test_a_line_that_is_shown_shows_no_secret(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "source: [postgresql://me:c4n4ry@hunter2@db/x]\n"
        "target: {url: 'duckdb://x?motherduck_token=c4n4ry', password: c4n4ry}\nstreams: 7\n",
    )
    with pytest.raises(ReplicationError) as caught:
        load_replication(path)
    assert "://me:***@db/x" in str(caught.value)
    assert "c4n4ry" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_value_that_came_through_env_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_TEST", "c4n4ry-hunter2")
    given = {**document(**{"s.t": {"mode": "{X}", "disabled": "{X}"}}), "env": {"X": "$SECRET_OF_TEST"}}
    with pytest.raises(ReplicationError) as caught:
        load_replication(given)
    assert "must specify valid mode: '{X}' is none" in str(caught.value)
    assert "c4n4ry" not in str(caught.value)


def test_a_missing_file_and_one_that_is_not_utf8_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(ReplicationError, match="cannot be read: No such file"):
        load_replication(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("source: Zoë".encode("latin-1"))
    with pytest.raises(ReplicationError, match="not UTF-8"):
        load_replication(tmp_path / "latin.yaml")


def test_an_unknown_key_warns_and_offers_the_nearest() -> None:
    with pytest.warns(ReplicationWarning, match=r"unknown key 'objekt'\. Did you mean 'object'\?"):
        load_replication(document(**{"s.a": {"objekt": "x", "object": "y"}}))


def test_what_is_not_carried_out_yet_is_refused_with_every_place_and_never_ignored(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        LESSON + "    hooks:\n      pre:\n        - type: run\nhooks:\n  start:\n    - type: run\n",
    )
    with pytest.raises(NotSupportedYetError) as caught:
        run(path, {"MY_POSTGRES": "postgresql://localhost/x", "MY_DUCKDB": "duckdb://x.duckdb"})
    message = str(caught.value)
    assert f"{path}:15:11: the hook 'run' is not supported yet" in message
    assert f"{path}:18:7: the hook 'run' is not supported yet" in message


def test_a_mode_that_is_not_carried_out_yet_is_refused() -> None:
    given = document(**{"s.a": {"mode": "change-capture"}})
    refused = r"the mode change-capture is not supported yet.*full-refresh"
    with pytest.raises(NotSupportedYetError, match=refused):
        run(given, {"A": "postgresql://localhost/x", "B": "duckdb://x.duckdb"})


def test_an_unknown_stream_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, LESSON)
    with pytest.raises(
        ReplicationError, match=r"yaml:9:1: There is no stream named data\.order\. Did you mean"
    ):
        select_streams(load_replication(path), ["data.order"])
