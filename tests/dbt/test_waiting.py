"""A DuckDB file that another process has open is waited for: DuckDB lets one process in."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from mainstem.dbt import DbtCliInvocation, DbtCliResource, DbtProject

HOLD = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process has the file open, until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.communicate()


def said(capsys: pytest.CaptureFixture[str], invocation: DbtCliInvocation, word: str) -> str:
    """Wait until dbt says something, and return what it said up to then."""
    text = ""
    while word not in text:
        assert invocation.process.poll() is None, text
        text += capsys.readouterr().out
        time.sleep(0.05)
    return text


def test_dbt_waits_and_says_for_whom(
    jaffle: DbtProject, dbt: DbtCliResource, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(jaffle.project_dir / "jaffle.duckdb") as holder:
        invocation = dbt.cli(["run", "--select", "stg_customers"], manifest=jaffle.manifest_path)
        reading = threading.Thread(target=invocation.wait)
        reading.start()
        assert f"(PID {holder.pid})" in said(capsys, invocation, "Waiting, up to 600 s")
        holder.communicate()
        reading.join()
    assert invocation.is_successful()
    with duckdb.connect(str(jaffle.project_dir / "jaffle.duckdb")) as connection:
        assert connection.execute("select count(*) from stg_customers").fetchall() == [(4,)]


def test_a_cancelled_run_does_not_go_on_waiting(
    jaffle: DbtProject, dbt: DbtCliResource, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(jaffle.project_dir / "jaffle.duckdb"):
        invocation = dbt.cli(
            ["run", "--select", "stg_customers"], manifest=jaffle.manifest_path, raise_on_error=False
        )
        reading = threading.Thread(target=invocation.wait)
        reading.start()
        said(capsys, invocation, "Waiting")
        invocation.process.send_signal(signal.SIGINT)
        reading.join()
    assert invocation.process.returncode not in (0, -signal.SIGKILL)
