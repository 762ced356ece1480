"""`mainstem conns`: list, test, discover, exec."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.testing.postgres import EmbeddedPostgres


@pytest.fixture
def as_json(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {**environment, "SLING_OUTPUT": "json"}


def test_list_names_each_connection_with_its_type_and_source(
    mainstem: Any, environment: Mapping[str, str], as_json: Mapping[str, str]
) -> None:
    listed = json.loads(mainstem("conns", "list", env=as_json).stdout)
    assert listed["fields"] == ["Conn Name", "Conn Type", "Source"]
    assert ["MY_POSTGRES", "postgres", "env variable"] in listed["rows"]
    text = mainstem("conns", "list", env=environment).stdout
    assert "CONN NAME" in text
    assert "test_pass" not in text


def test_test_says_whether_a_connection_opens(
    mainstem: Any, environment: Mapping[str, str], as_json: Mapping[str, str], postgres: EmbeddedPostgres
) -> None:
    done = mainstem("conns", "test", "my_postgres", env=environment)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (0, "", "success!")
    done = mainstem("conns", "test", "MY_POSTGRES", env=as_json)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"error": "", "success": True})
    wrong = {**as_json, "MY_POSTGRES": postgres.url.replace(postgres.password, "canary-7")}
    done = mainstem("conns", "test", "MY_POSTGRES", env=wrong)
    said = json.loads(done.stdout)
    assert (done.returncode, said["success"]) == (1, False)
    assert "password authentication failed" in said["error"]
    assert "canary-7" not in done.stdout + done.stderr


def test_an_unknown_connection_tells_where_it_was_looked_for(mainstem: Any) -> None:
    done = mainstem("conns", "test", "NOBODY")
    assert done.returncode == 1
    assert done.stderr.startswith("There is no connection named NOBODY. Looked at:")


def test_discover_lists_tables_views_and_columns_by_pattern(
    mainstem: Any, as_json: Mapping[str, str], replication: Path, postgres: EmbeddedPostgres, schema: str
) -> None:
    postgres.execute(f"create view {schema}.a_view as select 1 as one")
    done = mainstem("conns", "discover", "MY_POSTGRES", "--pattern", f"{schema}.A*", env=as_json)
    assert json.loads(done.stdout) == {
        "fields": ["Schema", "Name", "Type"],
        "rows": [[schema, "a", "table"], [schema, "a_view", "view"]],
    }
    done = mainstem("conns", "discover", "MY_POSTGRES", "--pattern", f"{schema}.b", "--columns", env=as_json)
    assert json.loads(done.stdout)["rows"] == [
        [schema, "b", 1, "id", "integer", "int32"],
        [schema, "b", 2, "address", "inet", "string"],
    ]


def test_exec_writes_rows_to_standard_output_in_each_form(
    mainstem: Any, environment: Mapping[str, str], as_json: Mapping[str, str]
) -> None:
    query = "select i as id, 'a' || chr(10) as line, null as nothing from generate_series(1, 3) i"
    run = ("conns", "exec", "MY_POSTGRES", query, "--limit", "2")
    done = mainstem(*run, env=environment)
    assert done.stdout.splitlines()[1:4:2] == ["| ID | LINE | NOTHING |", "| 1  | a\\n  |         |"]
    assert done.stderr.strip() == "2 rows; --limit 2 is reached"
    assert json.loads(mainstem(*run, env=as_json).stdout) == {
        "fields": ["id", "line", "nothing"],
        "rows": [[1, "a\n", None], [2, "a\n", None]],
    }
    assert mainstem(*run, "-o", "csv", env=environment).stdout == 'id,line,nothing\n1,"a\n",\n2,"a\n",\n'


def test_exec_as_arrow_loses_nothing(program: str, environment: Mapping[str, str], tmp_path: Path) -> None:
    query = "select date '2024-02-29' as day"
    command = [program, "conns", "exec", "MY_POSTGRES", query, "-o", "arrow"]
    done = subprocess.run(command, check=True, capture_output=True, env=environment, cwd=tmp_path)
    assert pa.ipc.open_stream(done.stdout).read_all().schema == pa.schema([("day", pa.date32())])


def test_exec_runs_files_and_stops_at_the_first_error(
    mainstem: Any,
    environment: Mapping[str, str],
    tmp_path: Path,
    postgres: EmbeddedPostgres,
    schema: str,
) -> None:
    (tmp_path / "make.sql").write_text(f"create table {schema}.made (i int)")
    done = mainstem(
        "conns", "exec", "MY_POSTGRES", "make.sql", "selec", f"drop table {schema}.made", env=environment
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "done"
    assert "syntax error" in done.stderr
    assert postgres.fetch(f"select count(*) from {schema}.made") == [(0,)]


def test_files_are_connections_too(
    mainstem: Any, bare_environment: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,at\n1,2024-01-02\n")
    env = {**bare_environment, "SLING_OUTPUT": "json", "MY_FILES": f"file://{tmp_path}"}
    assert ["LOCAL", "file", "built-in"] in json.loads(mainstem("conns", "list", env=env).stdout)["rows"]
    assert json.loads(mainstem("conns", "test", "MY_FILES", env=env).stdout)["success"] is True
    found = json.loads(mainstem("conns", "discover", "MY_FILES", "--pattern", "in/*.csv", env=env).stdout)
    assert found["rows"] == [[None, "in/a.csv", "table"]]
    done = mainstem("conns", "discover", "MY_FILES", "--pattern", "in/*.csv", "--columns", env=env)
    assert json.loads(done.stdout)["rows"] == [
        [None, "in/a.csv", 1, "id", "BIGINT", "int64"],
        [None, "in/a.csv", 2, "at", "DATE", "date32[day]"],
    ]
