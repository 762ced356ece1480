"""Making projects ready where a deployment is built."""

import subprocess
import sys
from pathlib import Path

import pytest

from mainstem.dbt import DbtProject
from mainstem.dbt.__main__ import main
from mainstem.dbt.manifest import read_manifest


def test_a_project_is_prepared_and_copied_to_where_it_is_packaged(
    parsed_project: Path, tmp_path: Path
) -> None:
    # Within what is copied, which must not copy itself.
    packaged = parsed_project / "packaged"
    file = tmp_path / "project.py"
    file.write_text(
        "from mainstem.dbt import DbtProject\n"
        f"shop = DbtProject({str(parsed_project)!r}, packaged_project_dir={str(packaged)!r})\n"
    )
    command = [sys.executable, "-m", "mainstem.dbt", "prepare-and-package", "--file", str(file)]
    subprocess.run(command, check=True)
    (packaged / "old.sql").touch()
    (parsed_project / "models" / "new.sql").write_text("select 1 as one")
    # Once more: of the project that was changed, not of its earlier copy.
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"Prepared {parsed_project}" in done.stdout
    assert DbtProject(packaged).manifest_path.exists()
    assert "model.jaffle.new" in read_manifest(packaged / "target" / "manifest.json")["nodes"]
    assert (packaged / "models" / "marts" / "customers.sql").exists()
    assert not (packaged / "old.sql").exists()
    assert not (packaged / "packaged").exists()
    assert not (packaged / "target" / "partial_parse.msgpack").exists()


def test_a_file_without_a_project_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nothing.py"
    file.write_text("")
    assert main(["prepare-and-package", "--file", str(file)]) == 1
    assert f"There is no DbtProject in {file}." in capsys.readouterr().err
