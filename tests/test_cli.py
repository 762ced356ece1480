"""The command line, as a person and a script meet it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mainstem._version import __version__
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

MAINSTEM = str(Path(sys.executable).parent / "mainstem")


@pytest.fixture
def environment(postgres: EmbeddedPostgres, warehouse: Warehouse) -> Mapping[str, str]:
    return {**os.environ, "MY_POSTGRES": postgres.url, "MY_DUCKDB": warehouse.url, "COLUMNS": "120"}


@pytest.fixture
def replication(tmp_path: Path, postgres: EmbeddedPostgres, schema: str) -> Path:
    postgres.execute(
        f"create table {schema}.a as select generate_series(1, 3) as id",
        f"create table {schema}.b as select generate_series(1, 4) as id, null::inet as address",
    )
    path = tmp_path / "replication.yaml"
    path.write_text(
        "source: MY_POSTGRES\ntarget: MY_DUCKDB\n"
        "defaults:\n  mode: full-refresh\n  object: '{stream_table}'\n"
        f"streams:\n  {schema}.a:\n  {schema}.b:\n"
    )
    return path


def mainstem(
    *arguments: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [MAINSTEM, *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("spelling", [[], ["-r"], ["--replication"]])
def test_a_run_says_what_it_did_on_standard_error_and_exits_with_0(
    environment: Mapping[str, str], replication: Path, warehouse: Warehouse, schema: str, spelling: list[str]
) -> None:
    done = mainstem("run", *spelling, replication, env=environment)
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "MY_POSTGRES → MY_DUCKDB: 2 streams"
    assert any(line.startswith(f"{schema}.a: 3 rows in ") for line in lines)
    assert f"{schema}.b: Column address: inet is carried as text" in lines
    assert lines[-1].startswith("2 streams published, 0 failed, in ")
    assert "\x1b" not in done.stderr
    assert warehouse.query("select (select count(*) from a), (select count(*) from b)") == [(3, 4)]


def test_only_the_named_streams_run(
    environment: Mapping[str, str], replication: Path, warehouse: Warehouse, schema: str
) -> None:
    assert mainstem("run", replication, "--streams", f"{schema}.b", env=environment).returncode == 0
    assert warehouse.tables() == ["main.b"]


def test_a_failed_stream_is_told_and_the_exit_code_is_1(
    environment: Mapping[str, str], replication: Path, postgres: EmbeddedPostgres, schema: str
) -> None:
    postgres.execute(f"drop table {schema}.a")
    done = mainstem("run", replication, env=environment)
    assert done.returncode == 1
    assert f"Stream {schema}.a failed in phase plan: There is no table a in schema" in done.stderr
    assert "1 stream published, 1 failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_file_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("source: A\ntarget: B\nstreams: 7\n")
    done = mainstem("run", path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{path}:3:1: 'streams' must be a mapping, not 7",
        "    streams: 7",
        "    ^",
    ]


def test_an_unknown_connection_tells_where_it_was_looked_for(replication: Path) -> None:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("MY_")}
    done = mainstem("run", replication, env=bare)
    assert done.returncode == 1
    assert "There is no connection named MY_POSTGRES. Looked at:" in done.stderr


def test_wrong_usage_is_told_and_the_exit_code_is_2() -> None:
    done = mainstem("run")
    assert (done.returncode, done.stderr.strip()) == (
        2,
        "Give one replication file: mainstem run replication.yaml",
    )


def test_version_and_help_answer() -> None:
    assert mainstem("--version").stdout.strip() == f"mainstem {__version__}"
    told = mainstem("run", "--help").stdout
    assert "Example:" in told
    assert "--streams" in told


def test_a_terminal_shows_a_bar_with_rows_and_bytes(
    environment: Mapping[str, str], replication: Path, schema: str
) -> None:
    parent, child = pty.openpty()
    with subprocess.Popen(
        [MAINSTEM, "run", str(replication)], env={**environment, "TERM": "xterm"}, stdout=child, stderr=child
    ) as process:
        os.close(child)
        shown = b""
        try:
            while chunk := os.read(parent, 65536):
                shown += chunk
        except OSError:
            # Linux says so when the last writer has closed the terminal.
            pass
        finally:
            os.close(parent)
    text = shown.decode()
    assert process.returncode == 0
    assert f"{schema}.a" in text
    assert "3 rows" in text
    assert "rows/s" in text
    assert "\x1b[" in text
