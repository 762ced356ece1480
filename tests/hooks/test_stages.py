"""When hooks run, what they know there, and what becomes of a run when one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.hooks.conftest import Hooking, Ran, Server, between

from mainstem.engine import run
from mainstem.errors import ReplicationError
from mainstem.events import Event, HookFinished, StreamPublished
from mainstem.hooks import Scope
from mainstem.settings import Settings
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.place import Place
from mainstem.testing.postgres import EmbeddedPostgres

FAILS: dict[str, Any] = {"type": "check", "check": "1 > 2", "id": "bad"}


def say(what: str) -> dict[str, Any]:
    return {"type": "log", "message": what}


def test_the_stages_come_in_their_order(hooking: Hooking) -> None:
    stages: dict[str, Any] = {stage: [say(stage)] for stage in ("post", "post_merge", "pre_merge", "pre")}
    ran = hooking.run([say("start")], [say("end")], **stages)
    assert ran.said == ["start", "pre", "pre_merge", "post_merge", "post", "end"]
    kinds = [type(event).__name__ for event in ran.events]
    assert kinds.index("StreamPublished") < len(kinds) - 1 - kinds[::-1].index("HookFinished")


def test_hooks_know_their_stream_and_run(hooking: Hooking) -> None:
    ran = hooking.run(
        pre=[say("{stream.schema}.{stream_table} {run.status} {env.WHO} {WHO}")],
        post=[
            say("{run.status} {run.total_rows} {object.full_name} {run.config.mode}"),
            say("{runs.main_orders.status}"),
        ],
        end=[
            say("{execution.status.success}/{execution.status.count} {execution.total_rows}"),
            {"check": "runs['main_orders'].total_rows == 3 && execution.error == null"},
        ],
        env={"WHO": "me"},
    )
    assert ran.failures == []
    assert ran.said == [
        "main.orders running me me",
        'success 3 "main"."orders" full-refresh',
        "success",
        "1/1 3",
    ]


def test_a_condition_decides_whether_a_hook_runs(hooking: Hooking) -> None:
    hooks = [
        {**say("yes"), "if": "run.total_rows > 1"},
        {**say("no"), "if": "run.total_rows > 5", "id": "not"},
        {**say("null"), "if": "state.nothing.status == 'success'"},
        {**say("braces"), "if": "{run.status} == 'success'"},
        {**say("after"), "if": "state.not.status == 'skipped'"},
    ]
    assert hooking.run(post=hooks).said == ["yes", "braces", "after"]


@pytest.mark.parametrize("wrong", [{"if": "1 +"}, {"if": "1 + 1"}, {"on_failure": "explode"}])
def test_a_condition_or_a_policy_that_is_none_is_refused(hooking: Hooking, wrong: dict[str, Any]) -> None:
    try:
        told = hooking.run(post=[{**say("x"), **wrong}]).failures
    except ReplicationError as error:
        told = [str(error)]
    assert any(
        part in told[0] for part in ("is missing", "neither true nor false", "`on_failure` is 'explode'")
    )


def test_start_that_fails_ends_the_run_before_its_first_stream(hooking: Hooking) -> None:
    ran = hooking.run([FAILS], [say("end")])
    assert ran.failures == [
        "The hooks at `start` failed: The hook bad (check) failed: The check does not hold: 1 > 2"
    ]
    assert (ran.published, len(ran.skipped), FAILS["id"] in ran.statuses) == ([], 1, True)


def test_end_that_fails_fails_the_run_but_not_its_streams(hooking: Hooking) -> None:
    ran = hooking.run(end=[FAILS])
    assert len(ran.published) == 1
    assert "The hooks at `end` failed" in ran.failures[0]


def test_pre_that_fails_fails_its_stream_alone(hooking: Hooking) -> None:
    bad = {**FAILS, "check": "stream.table != 'orders'"}
    ran = hooking.run(pre=[bad], post=[say("{stream.table}: {run.status}")], tables=("orders", "others"))
    assert ran.published == ['"main"."others"']
    assert "failed in phase pre" in ran.failures[0]
    assert ran.said[1:] == ["orders: error", "others: success"]


def test_post_runs_behind_a_stream_that_failed_and_knows_why(hooking: Hooking) -> None:
    ran = hooking.run(
        where="nonsense", post=[say("{run.status}: {run.error}")], end=[say("{execution.status.error}")]
    )
    assert ran.said[0].startswith('error: Stream "main"."orders" failed in phase read')
    assert ran.said[1] == "1"


def test_post_that_fails_says_that_the_rows_are_there(hooking: Hooking) -> None:
    ran = hooking.run(post=[FAILS])
    assert (len(ran.published), len(ran.failures)) == (1, 1)
    assert "failed in phase post" in ran.failures[0]


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mysql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "mysql":
        maria: EmbeddedMariaDB = request.getfixturevalue("mariadb")
        database = f"s{uuid4().hex[:12]}"
        maria.execute(f"create database {database}")
        return Place("mysql", maria.url, database)
    if request.param == "postgres":
        server: EmbeddedPostgres = request.getfixturevalue("postgres")
        return Place("postgres", server.url, request.getfixturevalue("schema"))
    return Place(request.param, f"{request.param}://{tmp_path / 'there'}.db", "main")


@pytest.fixture
def merging(tmp_path: Path, target: Place) -> Hooking:
    hooking = between(Place("duckdb", f"duckdb://{tmp_path / 'from'}.db", "main"), target)
    target.run(f"create table {target.schema}.audit (what varchar(50))")
    return hooking


@pytest.mark.parametrize("mode", [{}, {"mode": "incremental", "primary_key": "id"}], ids=["whole", "merge"])
def test_merge_hooks_are_part_of_the_publishing_transaction(merging: Hooking, mode: dict[str, Any]) -> None:
    schema = merging.target.schema
    if not mode and merging.target.name == "mysql":
        pytest.skip("MySQL has no transaction around a change of a table's definition")
    stages: dict[str, Any] = {
        stage: [{"type": "query", "query": f"insert into {schema}.audit values ('{stage}')"}]
        for stage in ("pre_merge", "post_merge")
    }
    count = {"type": "query", "id": "n", "query": "select count(*) as many from {object.full_name}"}
    ran = merging.run(
        **{**stages, "post_merge": [*stages["post_merge"], count]},
        post=[say("{state.n.result[0].many}")],
        **mode,
    )
    assert (ran.failures, ran.said) == ([], ["3"])
    assert merging.target.rows("audit") == [("post_merge",), ("pre_merge",)]
    merging.source.put("orders", merging.source.get("others").slice(0, 2))
    stages["post_merge"].append(FAILS)
    ran = merging.run(**stages, **mode)
    assert "failed in phase publish" in ran.failures[0]
    # Neither the rows nor what the hooks wrote.
    assert len(merging.target.rows("audit")) == 2
    assert len(merging.target.rows("orders")) == 3
    assert sorted(merging.target.tables()) == ["audit", "orders"]


class TestOnFailure:
    """What the failure of a hook means."""

    def after(self, hooking: Hooking, policy: str, **keys: Any) -> Any:
        return hooking.run(pre=[{**FAILS, "on_failure": policy, **keys}, say("next")], post=[say("post")])

    def test_abort_is_what_happens_unless_something_is_said(self, hooking: Hooking) -> None:
        for ran in (self.after(hooking, "abort"), hooking.run(pre=[FAILS, say("next")])):
            assert "next" not in ran.said
            assert ran.published == []

    def test_warn_tells_and_goes_on(self, hooking: Hooking) -> None:
        ran = self.after(hooking, "warn")
        assert ran.said == ["The check does not hold: 1 > 2", "next", "post"]
        assert ran.statuses["bad"] == "warning"

    def test_quiet_goes_on_and_tells_nobody(self, hooking: Hooking) -> None:
        ran = self.after(hooking, "quiet")
        assert [event.level for event in ran.hook("bad")] == ["debug"]
        assert len(ran.published) == 1

    def test_skip_skips_the_stream(self, hooking: Hooking) -> None:
        ran = self.after(hooking, "skip")
        assert (ran.published, ran.failures, ran.skipped) == ([], [], ['"main"."orders"'])

    def test_skip_at_the_start_skips_all_streams(self, hooking: Hooking) -> None:
        ran = hooking.run([{**FAILS, "on_failure": "skip"}], tables=("orders", "others"))
        assert (ran.published, ran.failures, len(ran.skipped)) == ([], [], 2)

    def test_break_leaves_the_other_hooks_of_the_stage_out(self, hooking: Hooking) -> None:
        ran = self.after(hooking, "break")
        assert "next" not in ran.said
        assert ran.said[-1] == "post"
        assert len(ran.published) == 1

    def test_break_ends_a_loop(self, hooking: Hooking) -> None:
        steps = [{"check": "loop.value < 3", "on_failure": "break"}, say("{loop.value}")]
        ran = hooking.run([{"type": "group", "loop": [1, 2, 3, 1], "steps": steps}, say("behind")])
        assert [said for said in ran.said if len(said) < 10] == ["1", "2", "behind"]

    def test_retry_tries_once_more(self, hooking: Hooking, server: Any) -> None:
        server.answers += [(500, "later")]
        hook = {"type": "http", "url": server.url, "on_failure": "retry", "id": "h"}
        ran = hooking.run([hook])
        assert [event.status for event in ran.hook("h")] == [
            "retried",
            "success",
        ]
        server.answers += [(500, "later")] * 2
        assert "answered 500" in hooking.run([hook]).failures[0]
        assert len(server.requests) == 4

    def test_defer_runs_the_others_first(self, hooking: Hooking) -> None:
        ran = self.after(hooking, "defer")
        assert "next" in ran.said
        assert "Hooks failed, and the others have run: bad" in ran.failures[0]


def name_of(event: Event) -> str | None:
    """The stream that an event is of."""
    if isinstance(event, StreamPublished):
        return event.report.stream
    return getattr(event, "stream", None)


def test_hooks_of_streams_that_run_side_by_side_keep_to_their_own(hooking: Hooking) -> None:
    source = hooking.source
    tables = tuple(f"t{number}" for number in range(6))
    for number, table in enumerate(tables):
        source.put(table, source.get("orders").slice(0, number % 3 + 1))
    ran = hooking.run(
        pre=[
            {"type": "store", "key": "last", "value": "{stream.table}"},
            {**say("{stream.table}"), "id": "me"},
        ],
        post=[say("{stream.table}={state.me.message}:{run.total_rows}")],
        end=[say("{execution.status.success} {execution.total_rows}")],
        tables=tables,
        settings={"threads": 4},
    )
    happened = [(event.stream, event.stage) for event in ran.of(HookFinished) if event.stream]
    published = [event.report.stream for event in ran.of(StreamPublished)]
    assert sorted(published) == sorted({stream for stream, _ in happened})
    for stream in published:
        # Each in its own order, whatever the others do: both of `pre`, then `post`.
        assert [stage for name, stage in happened if name == stream] == ["pre", "pre", "post"]
        kinds = [type(event) for event in ran.events if name_of(event) == stream]
        assert kinds.index(StreamPublished) == len(kinds) - 2
    told = sorted(said for said in ran.said if "=" in said)
    assert told == [f"t{number}=t{number}:{number % 3 + 1}" for number in range(6)]
    assert ran.said[-1] == "6 12"


def test_a_scope_below_has_its_own_names_and_leaves_state_above() -> None:
    above = Scope({"run": {"id": 1}})
    below = above.below({"run": {"id": 2}})
    below.left("h", {"n": 5})
    below.store("k", "v")
    assert below.filled("{run.id} {state.h.n} {store.k}") == "2 5 v"
    assert above.filled("{run.id} {state.h.n} {store.k}") == "1 5 v"
    assert above.filled('{"a": {"b": 1}}') == '{"a": {"b": 1}}'
    assert above.filled("{upper(store.k)}") == "V"


def test_files_have_no_transaction_so_merge_hooks_run_before_and_behind_them(
    hooking: Hooking, tmp_path: Path
) -> None:
    there = {"type": "inspect", "location": str(tmp_path / "orders.csv")}
    connections = {**hooking.connections, "TGT": f"file://{tmp_path}"}
    config: dict[str, Any] = {
        "source": "SRC",
        "target": "TGT",
        "streams": {
            "main.orders": {
                "object": "orders.csv",
                "hooks": {
                    "pre_merge": [{**there, "id": "before"}],
                    "post_merge": [{**there, "id": "behind"}],
                    "post": [say("{state.before.exists} {state.behind.exists}")],
                },
            }
        },
    }
    assert Ran(list(run(config, connections))).said == ["false true"]
    config["streams"]["main.orders"]["hooks"] = {"pre_merge": [FAILS]}
    (tmp_path / "orders.csv").unlink()
    assert "failed in phase publish" in Ran(list(run(config, connections))).failures[0]
    assert not (tmp_path / "orders.csv").exists()


def test_what_fails_behind_the_rows_of_a_file_is_no_reason_to_write_them_again(
    hooking: Hooking, server: Server, tmp_path: Path
) -> None:
    server.answers += [(503, "later")] * 3
    stream = {"mode": "snapshot", "object": "all/*.parquet"}
    hooks = {"post_merge": [{"type": "http", "url": server.url}]}
    config = {"source": "SRC", "target": "TGT", "streams": {"main.orders": {**stream, "hooks": hooks}}}
    connections = {**hooking.connections, "TGT": f"file://{tmp_path}"}
    ran = Ran(list(run(config, connections, settings=Settings(retries=2, retry_delay=0))))
    assert "answered 503" in ran.failures[0]
    assert len(server.requests) == 1
    assert len(list((tmp_path / "all").iterdir())) == 1
