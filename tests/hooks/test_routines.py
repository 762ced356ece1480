"""`routine`: steps with a name, in the files of SLING_ROUTINES_DIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.hooks.conftest import Hooking

from mainstem.connections import ConnectionBook
from mainstem.errors import NotSupportedYetError, ReplicationError
from mainstem.pipeline import run_pipeline
from mainstem.settings import Settings

COMMON = """\
routines:
  # required_params: [table, connection]
  counted:
    - type: query
      id: q
      connection: "{params.connection}"
      query: select count(*) as n from {params.table}
    - log: "{env.WORD} {state.q.result[0].n} in {params.table}"
  fails:
    - check: 1 > 2
    - log: never
"""
COUNTED: dict[str, Any] = {
    "type": "routine",
    "routine": "counted",
    "params": {"table": "orders", "connection": "SRC"},
    "env": {"WORD": "found"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "routines"
    folder.mkdir()
    (folder / "common.yaml").write_text(COMMON)
    return folder


def test_a_routine_runs_its_steps_with_its_parameters(hooking: Hooking, folder: Path) -> None:
    then = [{**COUNTED, "id": "r"}, {"log": "{state.r.steps} {state.q.row_count}"}]
    ran = hooking.run(post=then, settings={"routines": str(folder)})
    assert (ran.failures, ran.said) == ([], ["found 3 in orders", "2 1"])
    assert [event.stage for event in ran.hook("q")] == ["r"]


def test_a_routine_that_fails_is_a_hook_that_fails(hooking: Hooking, folder: Path) -> None:
    fails = {"type": "routine", "routine": "fails"}
    assert "The check does not hold" in hooking.run([fails], settings={"routines": str(folder)}).failures[0]
    ran = hooking.run([{**fails, "on_failure": "warn"}, {"log": "next"}], settings={"routines": str(folder)})
    assert ran.failures == []
    assert ran.said[-1] == "next"
    assert "never" not in ran.said


def test_a_pipeline_calls_routines_and_its_env_may_name_the_folder(folder: Path) -> None:
    (folder / "more.yml").write_text("routines:\n  hello: [{log: 'hello {params.who}'}]\n")
    step = {"type": "routine", "routine": "hello", "params": {"who": "you"}}
    given = {"env": {"SLING_ROUTINES_DIR": str(folder)}, "steps": [step]}
    assert [event.said for event in run_pipeline(given, ConnectionBook()) if event.said] == ["hello you"]


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ({**COUNTED, "params": {"table": "t"}}, "The routine 'counted' needs `params`: connection"),
        (
            {"type": "routine", "routine": "countd"},
            r"There is no routine 'countd' in .* Did you mean .counted.",
        ),
        ({"type": "routine"}, "`routine` names a routine"),
        ({"type": "routine", "routine": "itself"}, "The routine 'itself' calls itself"),
        ({"type": "routine", "routine": "shell"}, "which this process does not allow"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    hooking: Hooking, folder: Path, hook: dict[str, Any], told: str
) -> None:
    (folder / "wrong.yaml").write_text(
        "routines:\n  itself: [{type: group, steps: [{type: routine, routine: itself}]}]\n"
        "  shell: [{command: ls}]\n"
    )
    with pytest.raises(ReplicationError, match=told):
        hooking.run(post=[{"type": "group", "steps": [hook]}], settings={"routines": str(folder)})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("routines: {a: []}", "a.yaml:1:12: the routine 'a' is a list of hooks"),
        ("routines:\n  a: [{type: lgo}]", r"a.yaml:2:7: the hook has no valid type\. Did you mean 'log'"),
        ("routines:\n  a: [{type: run}]", r"a.yaml:2:7: the hook 'run' is not supported yet"),
        ("routines:\n  fails: [{log: twice}]", "there is another routine 'fails' already"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(
    hooking: Hooking, folder: Path, text: str, told: str
) -> None:
    (folder / ("a.yaml" if "fails" not in text else "z.yaml")).write_text(text)
    with pytest.raises((ReplicationError, NotSupportedYetError), match=told):
        hooking.run([{"type": "routine", "routine": "fails"}], settings={"routines": str(folder)})


def test_without_a_folder_there_are_none(hooking: Hooking, tmp_path: Path) -> None:
    with pytest.raises(ReplicationError, match="SLING_ROUTINES_DIR is not set"):
        hooking.run([COUNTED])
    with pytest.raises(ReplicationError, match="SLING_ROUTINES_DIR names no folder"):
        hooking.run([COUNTED], settings={"routines": str(tmp_path / "none")})


def test_the_setting_is_read_from_the_environment() -> None:
    assert Settings.from_environment({"SLING_ROUTINES_DIR": "/r"}).routines == "/r"
