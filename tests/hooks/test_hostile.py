"""What hooks make of names and values that others chose: they stay in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.hooks.conftest import Hooking

from mainstem.settings import Settings


def told(hooking: Hooking, value: str, *hooks: dict[str, Any]) -> list[str]:
    """The failures of a stream whose table's name, and whose cell, is the value."""
    hooking.source.put(value, pa.table({"said": [value]}))
    with hooking.source.opened() as endpoint:
        table = endpoint.qualified(hooking.source.relation(value))
    first = {"type": "query", "connection": "source", "query": f"select said from {table}", "id": "cell"}
    allowing = Hooking(hooking.source, hooking.target, Settings(allow_commands=True))
    return allowing.run(tables=(value,), pre=[first, *hooks]).failures


@pytest.mark.parametrize("given", ["{stream.table}", "{state.cell.result[0].said}"])
@pytest.mark.parametrize(
    ("key", "hook"),
    [
        ("to", {"type": "write", "content": "x"}),
        ("location", {"type": "delete", "recursive": True}),
        ("from", {"type": "read"}),
        ("location", {"type": "list"}),
    ],
)
def test_a_value_leads_to_no_folder_above(
    hooking: Hooking, tmp_path: Path, key: str, hook: dict[str, Any], given: str
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (failure,) = told(hooking, "../outside", {**hook, key: f"{inner}/{given}"})
    assert "would lead out of its folder" in failure
    assert [path for path in tmp_path.iterdir() if path.name == "outside"] == []


def test_a_value_is_no_part_of_a_shells_line(hooking: Hooking, tmp_path: Path) -> None:
    made = tmp_path / "made"
    said = tmp_path / "said"
    line = f"echo {{stream.table}} \"{{stream.table}}\" '{{stream.table}}' > {said}"
    name = f"x; touch {made} $(touch {made})"
    assert told(hooking, name, {"type": "command", "command": line, "shell": True}) == []
    assert said.read_text() == f"{name} {name} {name}\n"
    assert not made.exists()


def test_a_value_reaches_a_shell_by_its_environment(hooking: Hooking, tmp_path: Path) -> None:
    made, name = tmp_path / "made", 'x\'; echo "$(id)" `id`'
    line = {"type": "command", "command": f'printf %s "$T" > {made}', "shell": True}
    assert told(hooking, name, {**line, "env": {"T": "{stream.table}"}}) == []
    assert made.read_text() == name


def test_a_cell_is_a_value_in_a_query(hooking: Hooking) -> None:
    hooking.target.put("log", pa.table({"said": ["nothing"]}))
    value = "x'); drop table log; --"
    insert = "insert into main.log values ('{state.cell.result[0].said}')"
    assert told(hooking, value, {"type": "query", "query": insert}) == []
    assert hooking.target.rows("log") == [("nothing",), (value,)]
    bare = "delete from main.log where said = {state.cell.result[0].said}"
    (failure,) = told(hooking, "x' or 1 = 1", {"type": "query", "query": bare})
    assert "would become SQL" in failure
    assert len(hooking.target.rows("log")) == 2


def test_a_stored_word_of_the_author_may_be_sql(hooking: Hooking) -> None:
    hooking.target.put("log", pa.table({"said": ["a", "b"]}))
    keep = {"type": "store", "key": "which", "value": "said = 'a'"}
    query = {"type": "query", "query": "delete from main.log where {store.which}"}
    assert told(hooking, "t", keep, query) == []
    assert hooking.target.rows("log") == [("b",)]
