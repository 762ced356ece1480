"""engine="cli": Sling's own program. There is none here, so these tests write one that talks as it does.

It is a real process, with real arguments, environment, pipe, signals and exit code. What it prints is after
spec §8.
"""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.errors import ConfigError, SlingRunError
from mainstem.sling import SlingConnectionResource, SlingEventIterator, SlingResource, sling_assets

PROGRAM = '''\
#!{python}
"""Talks as Sling does. It records how it was called, and fails streams whose name ends in `broken`."""
import json, os, pathlib, signal, sys

here = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
given = {{key: os.environ[key] for key in os.environ if key.startswith(("MY_", "SLING_", "MAINSTEM_"))}}
call = {{"pid": os.getpid(), "arguments": arguments, "environment": given}}
if arguments[0] == "run":
    path = pathlib.Path(arguments[arguments.index("-r") + 1])
    call["document"] = json.loads(path.read_text())
    call["mode"] = oct(path.parent.stat().st_mode & 0o777)
    call["path"] = str(path)
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")

def log(message, level="info"):
    print(json.dumps({{"lvl": level, "time": "9:04AM", "msg": message}}), flush=True)

def table(fields, *rows):
    print(json.dumps({{"fields": fields, "rows": rows}}))

if arguments[:2] == ["conns", "exec"]:
    if "secret_table" in arguments[3]:
        print("~ no such table for " + os.environ["MY_POSTGRES"], file=sys.stderr)
        sys.exit(1)
    table(["ct"], [3]) if "count(*)" in arguments[3] else table(["id", "name"], [1, "Zoë"], [2, None])
elif arguments[:2] == ["conns", "discover"]:
    table(["Column", "General Type"], ["id", "bigint"], ["name", "text"], ["_sling_loaded_at", "bigint"])
else:
    streams = call["document"]["streams"]
    failed = []
    for number, name in enumerate(streams, 1):
        log(f"[{{number}} / {{len(streams)}}] running stream {{name}}")
        log("connecting to source database (postgres)")
        log("writing to target database [mode: full-refresh]")
        if name.endswith("waits"):
            signal.pause()
        log("password is " + json.loads(os.environ["MY_POSTGRES"])["password"], "debug")
        if name.endswith("broken"):
            failed.append(name)
            log("execution failed")
            continue
        log(f"inserted 3 rows into \\"main\\".\\"{{name.split('.')[1]}}\\" in 1 secs [3 r/s] [27 B]")
        log("execution succeeded")
    if failed:
        print("fatal:", file=sys.stderr)
        for name in failed:
            print(f"----------- {{name}} -----------\\n~ no table {{name}}", file=sys.stderr)
        sys.exit(1)
'''
SECRET = "c4n4ry-hunter2"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "sling"
    path.parent.mkdir()
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SLING_BINARY", str(path))
    monkeypatch.setenv("SECRET_OF_TEST", SECRET)
    return path


def calls(program: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (program.parent / "calls.jsonl").read_text().splitlines()]


def resource() -> SlingResource:
    return SlingResource(
        engine="cli",
        connections=[
            SlingConnectionResource(
                name="MY_POSTGRES", type="postgres", host="db", password=dg.EnvVar("SECRET_OF_TEST")
            ),
            SlingConnectionResource(name="MY_DUCKDB", type="duckdb", connection_string="duckdb:///w.duckdb"),
        ],
    )


def replication(*streams: str, **more: Any) -> dict[str, Any]:
    return {
        "source": "MY_POSTGRES",
        "target": "MY_DUCKDB",
        "defaults": {"mode": "full-refresh", "object": "main.{stream_table}"},
        "streams": dict.fromkeys(streams),
        **more,
    }


def run(
    config: Mapping[str, Any],
    *,
    fetch: Any = lambda events: events,
    selection: Any = None,
    sling: SlingResource | None = None,
) -> dg.ExecuteInProcessResult:
    @sling_assets(replication_config=config)
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from fetch(sling.replicate(context=context))

    return dg.materialize(
        [my_assets], resources={"sling": sling or resource()}, raise_on_error=False, selection=selection
    )


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    return {
        event.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def test_a_stream_is_materialized_with_what_sling_says_of_it(program: Path) -> None:
    metadata = metadata_of(run(replication("public.users", "public.orders")))
    assert list(metadata) == ["users", "orders"]
    users = metadata["users"]
    assert (users["rows"], users["bytes"], users["mode"]) == (3, 27, "full-refresh")
    assert (users["dagster/table_name"], users["dagster/storage_kind"]) == ("main.users", "duckdb")
    assert users["stream_name"] == "public.users"


def test_a_failing_stream_leaves_the_others_materialized(program: Path) -> None:
    result = run(replication("public.a_broken", "public.a", "public.b_broken"))
    assert not result.success
    assert list(metadata_of(result)) == ["a"]
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    description = failure.step_failure_data.user_failure_data.description or ""
    assert description.startswith("2 of 3 streams failed; 1 published.")
    assert "no table public.a_broken" in description
    assert "no table public.b_broken" in description


def test_sling_is_handed_the_selected_streams_alone(program: Path) -> None:
    both = replication("public.users", "public.orders")
    result = run(both, selection=[dg.AssetKey(["target", "public", "users"])])
    assert result.success
    (call,) = calls(program)
    assert call["document"] == {**both, "streams": {"public.users": None}}


def test_connections_and_variables_reach_sling_by_its_own_environment_alone(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Official fault 6: there, they stay in the process, and the replication in the temporary folder."""
    left_here = tmp_path / "temporary"
    left_here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(left_here))
    before = dict(os.environ)
    env = {"API_TOKEN": "tok-4711", "SCHEMA": "main", "FROM": "$SECRET_OF_TEST"}
    result = run(replication("public.users", env=env))
    assert result.success
    assert dict(os.environ) == before
    assert list(left_here.iterdir()) == []
    (call,) = calls(program)
    assert json.loads(call["environment"]["MY_POSTGRES"]) == {
        "name": "MY_POSTGRES",
        "type": "postgres",
        "host": "db",
        "password": SECRET,
    }
    assert json.loads(call["environment"]["MY_DUCKDB"])["url"] == "duckdb:///w.duckdb"
    assert call["mode"] == "0o700"
    handed = json.dumps(call["document"]) + str(call["arguments"])
    assert SECRET not in handed
    assert "tok-4711" not in handed
    assert call["document"]["env"]["SCHEMA"] == "main"


def test_a_url_in_the_replication_is_handed_over_as_a_variable(program: Path) -> None:
    url = f"postgresql://me:{SECRET}@db/x"
    config = {**replication("public.users"), "source": url}
    run(config)
    (call,) = calls(program)
    assert call["document"]["source"] == "MAINSTEM_SOURCE"
    assert call["environment"]["MAINSTEM_SOURCE"] == url


def test_slings_lines_are_logged_once_at_their_level_without_secrets(
    program: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sling = resource()
    lines: list[str] = []

    @sling_assets(replication_config=replication("public.users"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)
        lines.extend(sling.stream_raw_logs())

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([my_assets], resources={"sling": sling}, instance=instance)
        logged = [
            (record.level, record.user_message)
            for record in instance.all_logs(result.run_id)
            if not record.is_dagster_event
        ]
    assert lines == [text for _, text in logged]
    assert lines[0] == "[1 / 1] running stream public.users"
    assert len(lines) == len(set(lines)) == 6
    (password,) = [level for level, text in logged if text == "password is ***"]
    assert password == 10
    assert SECRET not in str(logged) + caplog.text


def test_columns_and_row_counts_are_fetched_where_they_are_asked_for(program: Path) -> None:
    def fetch(events: SlingEventIterator) -> SlingEventIterator:
        return events.fetch_column_metadata().fetch_row_count().fetch_preview(rows=2)

    users = metadata_of(run(replication("public.users"), fetch=fetch))["users"]
    assert users["dagster/row_count"] == 3
    columns = {column.name: column.type for column in users["dagster/column_schema"].columns}
    assert columns == {"id": "bigint", "name": "text", "_sling_loaded_at": "bigint"}
    upstream = dg.AssetKey(["public", "users"])
    assert users["dagster/column_lineage"].deps_by_column == {
        name: [dg.TableColumnDep(upstream, name)] for name in ("id", "name")
    }
    assert [call["arguments"][3] for call in calls(program) if call["arguments"][1] == "exec"] == [
        'select count(*) as ct from "main"."users"',
        'select * from "main"."users" limit 2',
    ]


def test_what_cannot_be_fetched_fails_nothing(program: Path) -> None:
    def fetch(events: SlingEventIterator) -> SlingEventIterator:
        return events.fetch_row_count()

    result = run(replication("public.secret_table"), fetch=fetch)
    assert result.success
    assert "dagster/row_count" not in metadata_of(result)["secret_table"]


def test_the_resource_asks_sling_about_tables(program: Path) -> None:
    sling = resource()
    assert sling.get_row_count_for_table("MY_DUCKDB", "main.users") == 3
    assert sling.get_column_info_for_table("MY_DUCKDB", "main.users")[0] == {
        "Column": "id",
        "General Type": "bigint",
    }
    assert json.loads(sling.run_sling_cli(["conns", "exec", "MY_DUCKDB", "select 1"], force_json=True))
    assert calls(program)[-1]["environment"]["SLING_OUTPUT"] == "json"
    with pytest.raises(SlingRunError, match="exit code 1") as raised:
        sling.run_sling_cli(["conns", "exec", "MY_DUCKDB", "select * from secret_table"])
    assert "no such table" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_program_that_is_not_there_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sling = SlingResource(engine="cli")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLING_BINARY", raising=False)
    with pytest.raises(
        ConfigError, match=r"no `sling` on the path.*engine='embedded', which needs no program"
    ):
        sling.run_sling_cli(["--version"])
    monkeypatch.setenv("SLING_BINARY", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="nowhere', which is no program that can be run"):
        sling.run_sling_cli(["--version"])


def test_parallel_streams_are_left_out_because_their_lines_would_mix(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLING_THREADS", "4")
    run(replication("public.users", env={"SLING_THREADS": 4}))
    (call,) = calls(program)
    assert "SLING_THREADS" not in call["environment"]
    assert "env" not in call["document"]


def test_a_run_that_is_broken_off_takes_sling_with_it(program: Path) -> None:
    @sling_assets(replication_config=replication("public.users", "public.waits"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        events = sling.replicate(context=context)
        yield next(events)
        # What a `yield from` does where the step is cancelled.
        events.close()

    assert list(metadata_of(materialize(my_assets))) == ["users"]
    (call,) = calls(program)
    with pytest.raises(ProcessLookupError):
        os.kill(call["pid"], 0)
    assert not Path(call["path"]).exists()


def materialize(assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    return dg.materialize([assets], resources={"sling": resource()})
