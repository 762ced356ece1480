"""What is piped in, and files that are named without a connection."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.testing.warehouse import Warehouse


def test_what_is_piped_in_is_loaded(
    program: str, bare_environment: Mapping[str, str], tmp_path: Path, warehouse: Warehouse
) -> None:
    rows = "n,t\n" + "1,x\n" * 2000 + "2.5,y\n"
    command = [program, "run", "--tgt-conn", warehouse.url, "--tgt-object", "main.t"]
    done = subprocess.run(
        command, check=False, input=rows, text=True, capture_output=True, env=bare_environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert str(warehouse.query("select count(*), max(n) from t")) == "[(2001, Decimal('2.500000'))]"


def test_nothing_piped_in_is_told(mainstem: Any, warehouse: Warehouse) -> None:
    done = mainstem("run", "--tgt-conn", warehouse.url, "--tgt-object", "main.t")
    assert done.returncode == 1
    assert "stdin" in done.stderr


def test_a_file_needs_no_connection(mainstem: Any, tmp_path: Path, warehouse: Warehouse) -> None:
    (tmp_path / "a.csv").write_text("n;t\n1;x\n")
    options = "{delimiter: ';'}"
    flags = ("--src-stream", "file://a.csv", "--src-options", options, "--tgt-conn", warehouse.url)
    done = mainstem("run", *flags, "--tgt-object", "main.t", "--columns", "{n: string}")
    assert done.returncode == 0, done.stderr
    assert [row[:2] for row in warehouse.query("select * from t")] == [("1", "x")]
