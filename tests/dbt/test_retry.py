"""Re-execution from failure does what dbt left undone, and no more."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from mainstem.dbt import DbtProject

DONE = {"customers", "history/customers_history", "seeds/raw_orders", "stg_customers", "stg_orders"} | {
    "stg_payments"
}
UNDONE = {"finance/orders", "order_days", "daily_orders"}
TRIED_AGAIN = {"orders", "order_days", "daily_orders", "no_negative_totals", "unique_orders_order_id"} | {
    *("totals_agree", "days_agree")
}

LOCATION = """
import dagster as dg
from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets

project = DbtProject({project!r})

@dbt_assets(manifest=project.manifest_path, name="shop", retry_policy={policy})
def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource):
    {body}

@dg.asset(deps=["customers"])
def chart(): ...

defs = dg.Definitions(
    [shop, chart],
    resources={{"dbt": DbtCliResource(project)}},
    jobs=[dg.define_asset_job("everything")],
    executor=dg.in_process_executor,
)

def everything():
    return defs.resolve_job_def("everything")
"""
BUILD = 'yield from dbt.cli(["build"], context=context).stream()'


@dataclass
class Executed:
    """A run of the job, as Dagster's event log and dbt's artifacts have it."""

    success: bool
    run_id: str
    events: list[dg.DagsterEvent]
    target: Path

    @property
    def statuses(self) -> dict[str, list[object]]:
        """How each asset was materialized, each time."""
        found: dict[str, list[object]] = {}
        for event in self.events:
            if event.is_step_materialization and event.asset_key:
                status = event.materialization.metadata.get("status")
                asset = event.asset_key.to_user_string()
                found.setdefault(asset, []).append(status.value if status else None)
        return found

    @property
    def commands(self) -> list[tuple[str, set[str]]]:
        """The dbt commands in their order: the command, and the names of the nodes that it ran."""
        found = []
        for file in self.target.glob(f"shop-{self.run_id[:8]}-*/run_results.json"):
            results = json.loads(file.read_text())
            names = {result["unique_id"].split(".")[2] for result in results["results"]}
            command = results["args"]["invocation_command"].split()[1]
            found.append((results["metadata"]["generated_at"], command, names))
        return [(command, names) for _, command, names in sorted(found)]


Execute = Callable[..., Executed]


@pytest.fixture
def project(fresh_project: Path, jaffle: DbtProject) -> DbtProject:
    """A project for one test, parsed."""
    (fresh_project / "target").mkdir()
    for name in ("manifest.json", "partial_parse.msgpack"):
        (fresh_project / "target" / name).write_bytes(jaffle.manifest_path.with_name(name).read_bytes())
    return DbtProject(fresh_project)


@pytest.fixture
def execute(project: DbtProject, tmp_path: Path) -> Iterator[Execute]:
    """Run the job, or re-execute a run of it from its failure, as the UI does."""
    with dg.instance_for_test() as instance:

        def execute(
            after: Executed | None = None, *, body: str = BUILD, policy: str = "None", tag: str = "true"
        ) -> Executed:
            module = f"shop_{uuid4().hex}"
            code = LOCATION.format(project=str(project.project_dir), body=body, policy=policy)
            (tmp_path / f"{module}.py").write_text(code)
            job = dg.build_reconstructable_job(
                module, "everything", reconstructor_working_directory=str(tmp_path)
            )
            options = dg.ReexecutionOptions.from_failure(after.run_id, instance) if after else None
            tags = {"dagster/is_resume_retry": tag} if after else {}
            with dg.execute_job(job, instance=instance, reexecution_options=options, tags=tags) as result:
                return Executed(
                    result.success, result.run_id, list(result.all_events), project.manifest_path.parent
                )

        yield execute


def test_another_run_does_what_the_failed_one_left(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAFFLE_BREAK", "yes")
    first = execute()
    assert not first.success
    assert set(first.statuses) == DONE
    second = execute(after=first)
    assert not second.success
    monkeypatch.delenv("JAFFLE_BREAK")
    third = execute(after=second)
    assert third.success
    # What was built two runs ago is there for those downstream, and says so.
    assert third.statuses == {
        **{asset: ["reused"] for asset in DONE},
        **{asset: ["success"] for asset in UNDONE},
        "chart": [None],
    }
    assert third.commands == [("retry", TRIED_AGAIN)]


def test_the_retry_of_a_step_does_what_its_first_attempt_left(execute: Execute, project: DbtProject) -> None:
    # The model fails where a file is not there, and whoever tries first puts it there.
    flag = project.project_dir / "seeds" / "ready.csv"
    orders = project.project_dir / "models" / "marts" / "orders.sql"
    orders.write_text(
        f"select order_id, customer_id, ordered_on, amount, true as paid from {{{{ ref('stg_orders') }}}} "
        f"where (select count(*) from read_csv('{flag}')) >= 0"
    )
    body = f"""
    yield from dbt.cli(["build"], context=context, raise_on_error=False).stream()
    if context.retry_number == 0:
        from pathlib import Path
        Path({str(flag)!r}).write_text("one\\n1\\n")
        raise Exception("once more")
"""
    result = execute(body=body, policy="dg.RetryPolicy(max_retries=1)")
    assert result.success
    assert [command for command, _ in result.commands] == ["build", "retry"]
    assert result.commands[1][1] == {"orders", "order_days", "unique_orders_order_id"} | {
        *("totals_agree", "days_agree")
    }
    # Each once: a retry within a run tells nothing again.
    assert result.statuses == {**{asset: ["success"] for asset in DONE | UNDONE}, "chart": [None]}


def test_of_several_commands_each_does_what_it_left(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
    yield from dbt.cli(["run"], context=context).stream()
    yield from dbt.cli(["test"], context=context).stream()
"""
    seeded = execute(body='yield from dbt.cli(["seed"], context=context).stream()')
    assert seeded.success
    # A test fails, and no model.
    monkeypatch.setenv("JAFFLE_BREAK_TEST", "yes")
    first = execute(body=body)
    assert not first.success
    assert [command for command, _ in first.commands] == ["run", "test"]
    monkeypatch.delenv("JAFFLE_BREAK_TEST")
    second = execute(after=first, body=body)
    assert second.success
    assert second.commands == [("retry", set()), ("retry", {"no_negative_totals"})]


def test_another_command_and_another_kind_of_re_execution_start_anew(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAFFLE_BREAK", "yes")
    first = execute()
    monkeypatch.delenv("JAFFLE_BREAK")
    fresh = 'yield from dbt.cli(["build", "--full-refresh"], context=context).stream()'
    assert [command for command, _ in execute(after=first, body=fresh).commands] == ["build"]
    assert [command for command, _ in execute(after=first, tag="false").commands] == ["build"]


def test_an_attempt_that_was_cut_short_is_made_again(
    execute: Execute, project: DbtProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # dbt is interrupted after its first result: what it had not started is in no result of its.
    body = """
    stream = dbt.cli(["build"], context=context).stream()
    yield next(stream)
    stream.close()
    raise Exception("cut short")
"""
    first = execute(body=body)
    assert not first.success
    second = execute(after=first)
    assert second.success
    assert [command for command, _ in second.commands] == ["build"]
