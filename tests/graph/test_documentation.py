"""docs/graph.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mainstem.cli.main import app

DOCUMENT = (Path(__file__).parents[2] / "docs" / "graph.md").read_text()


def test_the_example_is_joined_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {"__name__": "page"}
    exec(compile(code, "graph.md", "exec", dont_inherit=True), found)  # noqa: S102 - our own page
    specs = {spec.key.to_user_string(): spec for spec in found["defs"].resolve_all_asset_specs()}  # type: ignore[attr-defined]
    upstream = {name: [dep.asset_key.to_user_string() for dep in spec.deps] for name, spec in specs.items()}
    assert upstream["revenue"] == ["target/raw/orders"]
    assert upstream["chart"] == ["revenue"]


def test_every_command_of_the_page_is_there_with_its_options() -> None:
    lines = re.findall(r"^    mainstem (\w+)(.*?)(?: {2,}#.*)?$", DOCUMENT, re.MULTILINE)
    assert [command for command, _ in lines] == [
        *("graph", "lineage", "lineage", "impact", "impact", "status", "report", "refresh")
    ]
    for command, rest in lines:
        shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
        assert shown.exit_code == 0
        for option in re.findall(r"--?\w+", rest):
            if option.startswith("-") and not option.startswith("--m"):
                assert option in shown.output, (command, option)
