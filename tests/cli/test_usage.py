"""Help, wrong usage, and what is not supported yet."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem._version import __version__


def test_version_answers(mainstem: Any) -> None:
    assert mainstem("--version").stdout.strip() == f"mainstem {__version__}"


def test_bare_mainstem_prints_its_help_and_exits_with_0(mainstem: Any) -> None:
    done = mainstem()
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: mainstem" in done.stdout


@pytest.mark.parametrize(
    "command", ["run", "plan", "conns list", "conns test", "conns discover", "conns exec"]
)
def test_the_help_of_each_command_shows_an_example(mainstem: Any, command: str) -> None:
    told = mainstem(*command.split(), "--help").stdout
    assert f"$ mainstem {command}" in told
    assert "\\b" not in told


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["rum"], "Did you mean 'run'?"),
        (["run", "--steams", "a"], "--streams"),
        (["run", "x.yaml", "--mode", "ful-refresh"], "Did you mean full-refresh?"),
        (["run"], "Give one replication"),
        (["run", "--src-conn", "A", "--tgt-conn", "B"], "--src-stream, --tgt-object"),
        (["run", "x.yaml", "--src-conn", "A"], "--src-conn belongs to a run without a file"),
        (["run", "x.yaml", "--src-options", "[1]"], "--src-options must be a mapping"),
        (["run", "x.yaml", "--stdout", "--json"], "would both be written to standard output"),
        (["run", "x.yaml", "--stdout", "--tgt-object", "a"], "--stdout is a target of its own"),
    ],
)
def test_wrong_usage_is_told_and_exits_with_2(mainstem: Any, wrong: list[str], told: str) -> None:
    done = mainstem(*wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "setting", "told"),
    [
        (["x.yaml"], {"SLING_LIMIT": "5"}, "SLING_LIMIT is not supported yet."),
        (["x.yaml"], {"SLING_ROW_CNT": "many"}, "SLING_ROW_CNT must be a number, or > and a number."),
    ],
)
def test_what_cannot_be_done_yet_is_refused_and_exits_with_1(
    mainstem: Any,
    bare_environment: dict[str, str],
    arguments: list[str],
    setting: dict[str, str],
    told: str,
) -> None:
    done = mainstem("run", *arguments, env={**bare_environment, **setting})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(told)
