"""dlt's schema contracts are asset checks."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
import pyarrow as pa
import pytest
from dlt.extract.resource import DltResource
from dlt.extract.source import DltSource
from pydantic import BaseModel
from tests.dlt.conftest import Project, assets_of

from mainstem.dlt import DagsterDltResource

Rows = list[dict[str, Any]]


def source(rows: Rows, **options: Any) -> DltSource:
    """A source of two resources, of which ``people`` has the contract."""

    @dlt.source(name="crm")
    def crm() -> list[DltResource]:
        @dlt.resource(**options)
        def people() -> Iterator[Any]:
            yield list(rows)

        @dlt.resource
        def deals() -> Iterator[Any]:
            yield {"id": 1}

        return [people, deals]

    return crm()


Outcome = dict[str, tuple[bool, dict[str, Any]]]


def materialize(assets: dg.AssetsDefinition, **options: Any) -> tuple[bool, Outcome]:
    """Run the assets. Returns whether they succeeded, and what the checks say."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [assets],
            resources={"dlt": DagsterDltResource()},
            instance=instance,
            raise_on_error=False,
            **options,
        )
    checks = {
        check.asset_key.to_user_string(): (
            check.passed,
            {key: value.value for key, value in check.metadata.items()},
        )
        for check in result.get_asset_check_evaluations()
    }
    return result.success, checks


def test_a_resource_with_a_contract_has_a_check_and_others_have_none(project: Project) -> None:
    assets = assets_of(source([{"id": 1}], schema_contract="freeze"), project.pipeline())

    (key,) = assets.check_keys
    assert key == dg.AssetCheckKey(dg.AssetKey("dlt_crm_people"), "schema_contract")
    assert "tables: freeze, columns: freeze" in str(assets.get_spec_for_check_key(key).description)


def test_a_contract_of_the_source_is_its_resources(project: Project) -> None:
    crm = source([{"id": 1}])
    crm.schema_contract = {"columns": "freeze"}

    assert len(list(assets_of(crm, project.pipeline()).check_keys)) == 2


def test_a_contract_that_is_kept_passes(project: Project) -> None:
    contract = {"columns": "freeze"}
    rows: Rows = [{"id": 1}]
    assets = assets_of(source(rows, schema_contract=contract), project.pipeline())

    for _ in range(2):
        success, checks = materialize(assets)
        assert success
        assert checks == {
            "dlt_crm_people": (True, {"tables": "evolve", "columns": "freeze", "data_type": "evolve"})
        }


def test_a_contract_that_is_broken_fails_the_run_and_its_check_says_where(project: Project) -> None:
    rows: Rows = [{"id": 1}]
    assets = assets_of(source(rows, schema_contract={"columns": "freeze"}), project.pipeline())
    materialize(assets)
    rows.append({"id": 2, "email": "z@example.com"})

    success, checks = materialize(assets)

    assert not success
    passed, told = checks["dlt_crm_people"]
    assert not passed
    assert (told["table"], told["column"], told["broken"]) == ("people", "email", "columns")


def test_a_frozen_table_that_is_new_is_a_broken_contract(project: Project) -> None:
    rows: Rows = [{"id": 1}]
    assets = assets_of(source(rows, schema_contract={"tables": "freeze"}), project.pipeline())

    success, checks = materialize(assets)

    assert not success
    assert checks["dlt_crm_people"][1]["table"] == "people"


def test_a_frozen_nested_table_is_its_own_resources_broken_contract(project: Project) -> None:
    @dlt.source(name="crm", schema_contract={"tables": "freeze"})
    def crm() -> list[DltResource]:
        @dlt.resource
        def users() -> Iterator[Any]:
            yield {"id": 1}

        @dlt.resource
        def users__archive() -> Iterator[Any]:
            yield dict(archived)

        return [users, users__archive]

    archived: dict[str, Any] = {"id": 9}
    pipeline = project.pipeline()
    free = crm()
    free.schema_contract = "evolve"
    materialize(assets_of(free, pipeline))
    archived["tags"] = [{"tag": "old"}]

    success, checks = materialize(assets_of(crm(), pipeline))

    assert not success
    assert set(checks) == {"dlt_crm_users__archive"}
    assert checks["dlt_crm_users__archive"][1]["table"] == "users__archive__tags"


@pytest.mark.parametrize("kind", ["objects", "arrow"])
def test_rows_that_are_discarded_are_counted_and_fail_the_check_but_not_the_run(
    project: Project, kind: str
) -> None:
    rows: Rows = [{"id": 1}]

    @dlt.source(name="crm")
    def crm() -> DltResource:
        @dlt.resource(schema_contract={"columns": "discard_row"})
        def people() -> Iterator[Any]:
            yield list(rows) if kind == "objects" else pa.Table.from_pylist(rows)

        return people

    assets = assets_of(crm(), project.pipeline())
    assert materialize(assets)[1]["dlt_crm_people"][0]
    rows[:] = [{"id": 2, "email": None}, {"id": 3, "email": "z@example.com"}, {"id": 4, "email": "y@x.com"}]

    success, checks = materialize(assets)

    assert success
    passed, told = checks["dlt_crm_people"]
    assert not passed
    assert told["rows_discarded"] == 2
    assert project.query("select id from raw.people order by 1") == [(1,), (2,)]


def test_rows_that_a_model_refuses_are_counted_too(project: Project) -> None:
    class Person(BaseModel):
        id: int

    rows: Rows = [{"id": 1}, {"id": "none"}]
    contract = {"data_type": "discard_row"}
    assets = assets_of(source(rows, columns=Person, schema_contract=contract), project.pipeline())

    success, checks = materialize(assets)

    assert success
    assert checks["dlt_crm_people"][1]["rows_discarded"] == 1


def test_an_incremental_filter_discards_nothing(project: Project) -> None:
    rows: Rows = [{"id": 1}, {"id": 2}]
    cursor: Any = dlt.sources.incremental("id", primary_key=())
    contract = {"columns": "discard_row"}
    assets = assets_of(source(rows, schema_contract=contract, incremental=cursor), project.pipeline())
    materialize(assets)
    rows.append({"id": 3})

    assert materialize(assets)[1]["dlt_crm_people"][0]


def test_without_its_asset_a_contract_cannot_be_checked(project: Project) -> None:
    assets = assets_of(source([{"id": 1}], schema_contract="freeze"), project.pipeline())
    key = next(iter(assets.check_keys))

    with pytest.raises(Exception, match=r"no asset is selected\. Materialize the asset"):
        dg.materialize(
            [assets],
            selection=dg.AssetSelection.checks(key),
            resources={"dlt": DagsterDltResource()},
        )


def test_an_asset_without_its_check_is_loaded_all_the_same(project: Project) -> None:
    assets = assets_of(source([{"id": 1}], schema_contract={"columns": "freeze"}), project.pipeline())

    success, checks = materialize(assets, selection=dg.AssetSelection.all().without_checks())

    assert success
    assert not checks


def test_assets_with_a_contract_may_be_called_as_a_function(project: Project) -> None:
    assets = assets_of(source([{"id": 1}], schema_contract={"columns": "freeze"}), project.pipeline())

    results: Any = assets(dg.build_asset_context(), dlt=DagsterDltResource())

    assert {result.asset_key.to_user_string() for result in results if hasattr(result, "asset_key")} == {
        "dlt_crm_people",
        "dlt_crm_deals",
    }
