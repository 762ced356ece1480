"""A large project: 200 models with their tests, or 5,000 where MAINSTEM_ALL is set."""

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.dbt import DbtCliInvocation, DbtCliResource, DbtProject, dbt_assets

MODELS = 5000 if os.environ.get("MAINSTEM_ALL") else 200
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "dbt_definitions.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    """The project that the benchmark generates, in folders of 100 models, parsed."""
    folder = tmp_path_factory.mktemp("large") / "generated"
    runpy.run_path(str(BENCHMARK))["generate"](folder, MODELS)
    (folder / "tests").mkdir()
    for name, other in {"evens": "m_00_002", "even_and_odd": "m_00_001"}.items():
        sql = f"select * from {{{{ ref('m_00_000') }}}} join {{{{ ref('{other}') }}}} using (id) where false"
        (folder / "tests" / f"{name}.sql").write_text(sql)
    project = DbtProject(folder)
    project.prepare()
    return project


def run(project: DbtProject, command: str, selection: dg.AssetSelection) -> DbtCliInvocation:
    """Run a command for what is selected. Returns it once it has ended."""
    invocations: list[DbtCliInvocation] = []

    @dbt_assets(manifest=project.manifest_path, project=project)
    def large(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        invocations.append(dbt.cli([command], context=context))
        yield from invocations[0].stream()
        if command == "compile":  # it builds nothing
            # The names are in the order of the layers.
            names = sorted(context.op_execution_context.selected_output_names)
            yield from (dg.Output(None, name) for name in names)

    assert (len(large.keys), len(list(large.check_specs))) == (MODELS, 2 * MODELS)
    dg.materialize([large], selection=selection, resources={"dbt": DbtCliResource(project)})
    return invocations[0]


def done(invocation: DbtCliInvocation) -> set[str]:
    results = invocation.get_artifact("run_results.json")["results"]
    return {result["unique_id"].split(".")[2] for result in results}


def test_one_model_of_it_is_built_with_its_tests(project: DbtProject) -> None:
    invocation = run(project, "build", dg.AssetSelection.assets("m_00_007"))
    assert done(invocation) == {"m_00_007", "unique_m_00_007_id", "not_null_m_00_007_id"}
    assert invocation.project_dir == project.project_dir


def test_all_but_one_model_of_it_are_named_by_their_folders(project: DbtProject) -> None:
    every = dg.AssetSelection.all().without_checks()
    invocation = run(project, "compile", every - dg.AssetSelection.assets("m_00_007"))
    names = {f"m_{layer:02}_{number:03}" for layer in range(MODELS // 100) for number in range(100)}
    assert done(invocation) == names - {"m_00_007"}


def test_a_folder_of_it_is_named_in_the_place_of_what_is_in_it(project: DbtProject) -> None:
    layer = [f"m_01_{number:03}" for number in range(100)]
    invocation = run(project, "compile", dg.AssetSelection.assets(*layer))
    assert "--select fqn:generated.layer_01" in invocation.dbt_command
    assert "m_01" not in invocation.dbt_command
    assert {name for name in done(invocation) if name.startswith("m_")} == set(layer)


EVEN = [f"m_{layer:02}_{number:03}" for layer in range(MODELS // 100) for number in range(0, 100, 2)]


def test_where_many_of_it_are_selected_dbt_adds_their_tests(project: DbtProject) -> None:
    invocation = run(project, "compile", dg.AssetSelection.assets(*EVEN))
    tests = {f"{test}_{model}_id" for test in ("unique", "not_null") for model in EVEN}
    assert done(invocation) == {*EVEN, *tests, "evens"}
    assert "not_null" not in invocation.dbt_command


def test_where_dbt_would_add_a_check_that_is_not_selected_each_is_named(project: DbtProject) -> None:
    left_out = dg.AssetCheckKey(dg.AssetKey("m_00_000"), "unique_m_00_000_id")
    selection = dg.AssetSelection.assets(*EVEN) - dg.AssetSelection.checks(left_out)
    invocation = run(project, "compile", selection)
    tests = {f"{test}_{model}_id" for test in ("unique", "not_null") for model in EVEN}
    assert done(invocation) == {*EVEN, *tests} - {"unique_m_00_000_id"}
