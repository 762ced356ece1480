"""`--stdout`: the rows of a stream as CSV, with everything else on standard error."""

from __future__ import annotations

import csv
import io
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mainstem.testing.warehouse import Warehouse


def test_a_run_without_a_file_writes_its_rows_to_standard_output(
    mainstem: Any, environment: Mapping[str, str], replication: Path, schema: str
) -> None:
    done = mainstem(
        "run", "--src-conn", "MY_POSTGRES", "--src-stream", f"{schema}.a", "--stdout", env=environment
    )
    assert done.returncode == 0, done.stderr
    assert sorted(csv.reader(io.StringIO(done.stdout))) == [["1"], ["2"], ["3"], ["id"]]
    assert "3 rows" in done.stderr


def test_a_stream_of_a_file_is_written_instead_of_into_its_target(
    mainstem: Any, environment: Mapping[str, str], replication: Path, warehouse: Warehouse
) -> None:
    options = ["--streams", "tag:late", "-s", "id", "--tgt-options", "{delimiter: '|', header: false}"]
    done = mainstem("run", replication, "--stdout", *options, env=environment)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["1", "2", "3", "4"]
    assert not warehouse.path.exists()


def test_several_streams_are_not_mixed(
    mainstem: Any, environment: Mapping[str, str], replication: Path, schema: str
) -> None:
    done = mainstem("run", replication, "--stdout", env=environment)
    assert done.returncode == 1
    assert "would both be written to stdout" in done.stderr
    assert sorted(done.stdout.split()) == ['"id"', "1", "2", "3"] or sorted(done.stdout.split()) == [
        "1",
        "2",
        "3",
        "id",
    ]


def test_a_failure_leaves_standard_output_alone(
    mainstem: Any, environment: Mapping[str, str], schema: str
) -> None:
    done = mainstem(
        "run", "--src-conn", "MY_POSTGRES", "--src-stream", f"{schema}.none", "--stdout", env=environment
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "none" in done.stderr


def test_a_reader_that_leaves_is_no_error_to_tell(program: str, environment: Mapping[str, str]) -> None:
    query = "select i from generate_series(1, 500000) as i"
    run = [program, "run", "--src-conn", "MY_POSTGRES", "--src-stream", query, "--stdout"]
    shell = f"{shlex.join(run)} | head -2"
    done = subprocess.run(
        ["bash", "-c", shell], check=False, capture_output=True, text=True, env=dict(environment)
    )
    assert len(done.stdout.splitlines()) == 2
    assert "failed" not in done.stderr
    assert "Traceback" not in done.stderr
