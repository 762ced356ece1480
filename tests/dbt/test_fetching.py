"""What is fetched of an asset once dbt has built it, and what is known of its columns before."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from mainstem.dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    build_dbt_asset_specs,
    dbt_assets,
)

if TYPE_CHECKING:
    from tests.dbt.conftest import Run

Lineage = Mapping[str, list[str]]


def lineage_of(metadata: Mapping[str, Any]) -> Lineage:
    """The column lineage of an asset, each origin as ``asset.column``."""
    found: dg.TableColumnLineage = metadata["dagster/column_lineage"]
    return {
        column: [f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps]
        for column, deps in found.deps_by_column.items()
    }


def columns_of(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in metadata["dagster/column_schema"].columns]


@pytest.fixture(scope="module")
def fetched(jaffle: DbtProject, dbt: DbtCliResource) -> "Run":
    """A run of everything that fetches everything, after another tool has reported one of the sources."""
    from tests.dbt.conftest import Run  # noqa: PLC0415

    invocations: list[DbtCliInvocation] = []

    @dg.asset(key=["bank", "payments"])
    def payments() -> dg.MaterializeResult[None]:
        columns = [dg.TableColumn("order_id", "int"), dg.TableColumn("PAID", "bool")]
        return dg.MaterializeResult(metadata={"dagster/column_schema": dg.TableSchema(columns)})

    @dbt_assets(manifest=jaffle.manifest_path, name="shop")
    def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        invocations.append(dbt.cli(["build"], context=context))
        yield from invocations[0].stream().fetch_row_counts().fetch_column_metadata()

    return Run(dg.materialize([payments, shop], resources={"dbt": dbt}), invocations)


def test_rows_are_counted_but_not_those_of_a_view(fetched: "Run") -> None:
    assert fetched.metadata("seeds/raw_orders")["dagster/row_count"] == 4
    assert fetched.metadata("customers")["dagster/row_count"] == 4
    assert fetched.metadata("order_days")["dagster/row_count"] == 3
    assert fetched.metadata("history/customers_history")["dagster/row_count"] == 4
    assert "dagster/row_count" not in fetched.metadata("stg_customers")


def test_columns_are_those_of_the_warehouse(fetched: "Run") -> None:
    metadata = fetched.metadata("customers")
    assert columns_of(metadata) == [
        ("customer_id", "INTEGER"),
        ("customer_name", "character varying(256)"),
        ("orders", "BIGINT"),
        ("total", "DOUBLE"),
    ]
    assert metadata["dagster/column_schema"].columns[0].description == "The customer."


def test_columns_are_traced_through_ephemeral_models(fetched: "Run") -> None:
    assert lineage_of(fetched.metadata("customers")) == {
        "customer_id": ["stg_customers.customer_id"],
        "customer_name": ["stg_customers.customer_name"],
        "orders": [],
        "total": ["stg_orders.amount"],
    }


def test_the_columns_of_a_snapshot_and_of_a_microbatch_model_are_traced(fetched: "Run") -> None:
    assert lineage_of(fetched.metadata("history/customers_history")) == {
        "customer_id": ["stg_customers.customer_id"],
        "customer_name": ["stg_customers.customer_name"],
    }
    assert lineage_of(fetched.metadata("daily_orders")) == {"day": [], "order_id": ["stg_orders.order_id"]}


def test_a_source_has_the_columns_that_its_own_tool_has_reported(fetched: "Run") -> None:
    assert lineage_of(fetched.metadata("stg_payments"))["paid"] == ["bank/payments.PAID"]
    # Nobody has reported the other source; the warehouse knows it.
    assert lineage_of(fetched.metadata("stg_customers"))["customer_name"] == ["shop/customers.name"]


def test_a_view_over_all_columns_of_a_source_is_traced(fresh_project: Path) -> None:
    (fresh_project / "models" / "staging" / "all_customers.sql").write_text(
        "select *, id * 2 as twice from {{ source('shop', 'customers') }}"
    )
    dbt = DbtCliResource(fresh_project)
    invocation = dbt.cli(["run", "--select", "all_customers"])
    [event] = list(invocation.stream().fetch_column_metadata())
    assert isinstance(event, dg.AssetMaterialization)
    assert lineage_of({name: value.value for name, value in event.metadata.items()}) == {
        "id": ["shop/customers.id"],
        "name": ["shop/customers.name"],
        "twice": ["shop/customers.id"],
    }


def test_lineage_can_be_left_out(dbt: DbtCliResource, fetched: "Run") -> None:
    invocation = dbt.cli(["run", "--select", "order_days"])
    [event] = list(invocation.stream().fetch_column_metadata(with_column_lineage=False))
    assert isinstance(event, dg.AssetMaterialization)
    assert "dagster/column_schema" in event.metadata
    assert "dagster/column_lineage" not in event.metadata


def test_what_cannot_be_fetched_is_a_note_and_no_failure(fresh_project: Path) -> None:
    # A post-hook drops what was built: whoever looks later finds nothing.
    (fresh_project / "models" / "staging" / "gone.sql").write_text(
        "{{ config(materialized='table', post_hook='drop table {{ this }}') }} select 1 as one"
    )
    invocation = DbtCliResource(fresh_project).cli(["run", "--select", "gone"])
    [event] = list(invocation.stream().fetch_row_counts())
    assert isinstance(event, dg.AssetMaterialization)
    assert "dagster/row_count" not in event.metadata
    assert "gone does not exist" in str(event.metadata["notes"].value)
    assert invocation.is_successful()


def test_a_dbt_that_is_not_a_script_of_python_runs_and_fetches_nothing(
    jaffle: DbtProject, tmp_path: Path, caplog: pytest.LogCaptureFixture, fetched: "Run"
) -> None:
    wrapper = tmp_path / "my-dbt"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -m dbt.cli.main "$@"\n')
    wrapper.chmod(0o755)
    dbt = DbtCliResource(jaffle, dbt_executable=wrapper)
    invocation = dbt.cli(["build", "--select", "daily_orders", "customers"])
    events = list(invocation.stream().fetch_row_counts())
    built = [
        event.asset_key.to_user_string() for event in events if isinstance(event, dg.AssetMaterialization)
    ]
    assert sorted(built) == ["customers", "daily_orders"]
    assert not any("dagster/row_count" in event.metadata for event in events if event.metadata)
    assert "my-dbt is not dbt's own script" in caplog.text


def planned(manifest: Path | Mapping[str, Any]) -> dict[str, Lineage]:
    """The lineage that assets have before they are built."""
    translator = DagsterDbtTranslator(DagsterDbtTranslatorSettings(enable_column_lineage=True))
    specs = build_dbt_asset_specs(manifest=manifest, dagster_dbt_translator=translator)
    return {
        spec.key.to_user_string(): lineage_of(spec.metadata)
        for spec in specs
        if "dagster/column_lineage" in spec.metadata
    }


def test_lineage_is_known_before_the_first_run_where_the_manifest_tells(jaffle: DbtProject) -> None:
    found = planned(jaffle.manifest_path)
    assert found["stg_customers"] == {
        "customer_id": ["shop/customers.id"],
        "customer_name": ["shop/customers.name"],
    }
    # Through an ephemeral model.
    assert found["customers"]["total"] == ["stg_orders.amount"]
    # A star, of a model whose own columns are known from its SQL.
    assert found["history/customers_history"]["customer_name"] == ["stg_customers.customer_name"]
    # Whatever else Jinja makes of it, we do not guess.
    assert "finance/orders" not in found
    assert "seeds/raw_orders" not in found


def test_a_compiled_manifest_tells_it_all(jaffle: DbtProject, dbt: DbtCliResource, fetched: "Run") -> None:
    compiled = dbt.cli(["compile"]).wait().get_artifact("manifest.json")
    assert planned(compiled)["finance/orders"]["paid"] == ["stg_payments.paid"]


def test_lineage_is_not_known_unless_asked_for(jaffle: DbtProject) -> None:
    specs = build_dbt_asset_specs(manifest=jaffle.manifest_path)
    assert not any("dagster/column_lineage" in spec.metadata for spec in specs)


def test_lineage_that_was_worked_out_is_kept_by_what_it_follows_from(
    jaffle: DbtProject, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.json"
    content = jaffle.manifest_path.read_text()
    file.write_text(content)
    before = planned(file)
    kept = tmp_path / "mainstem_column_lineage.json"
    first = json.loads(kept.read_text())
    # What is kept is believed, so it can be told from what is worked out.
    marked = {
        digest: {**found, "columns": {**found["columns"], "marked": []}}
        for digest, found in first["found"].items()
    }
    kept.write_text(json.dumps({**first, "found": marked}))
    file.write_text(content.replace("name as customer_name", "upper(name) as customer_name"))
    after = planned(file)
    assert "marked" in after["order_days"]
    assert "marked" not in after["stg_customers"]
    assert {asset: {**found, "marked": []} for asset, found in before.items()}.keys() == after.keys()


def test_lineage_is_worked_out_again_where_nothing_can_be_kept(jaffle: DbtProject, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(jaffle.manifest_path.read_bytes())
    kept = tmp_path / "mainstem_column_lineage.json"
    kept.write_text("{ broken")
    assert planned(file) == planned(jaffle.manifest_path)
    # What other rules made of it, and what we never wrote, is worked out again as well.
    first = json.loads(kept.read_text())
    odd = {digest: {"columns": {"odd": [["x"]]}, "rows": []} for digest in first["found"]}
    old = {digest: {**found, "columns": {"old": []}} for digest, found in first["found"].items()}
    for told in ({**first, "found": odd}, {"rules": "of another version", "found": old}, ["no", "mapping"]):
        kept.write_text(json.dumps(told))
        assert planned(file) == planned(jaffle.manifest_path)
    (tmp_path / "mainstem_column_lineage.json").unlink()
    (tmp_path / "mainstem_column_lineage.json").mkdir()
    assert planned(file) == planned(jaffle.manifest_path)
