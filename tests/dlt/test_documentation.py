"""What docs/dlt.md shows, run."""

import re
import runpy
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml

from mainstem.dlt import DagsterDltResource, DltLoadCollectionComponent, DltRunConfig

DOCUMENT = (Path(__file__).parents[2] / "docs" / "dlt.md").read_text()


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's Python, as a module in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shown.py").write_text("\n".join(blocks("python")))
    return runpy.run_path(str(tmp_path / "shown.py"))


def test_the_assets_are_those_that_the_page_names(shown: dict[str, Any]) -> None:
    defs: dg.Definitions = shown["defs"]
    keys = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}

    assert keys == {"dlt_shop_orders", "dlt_shop_orders__lines", "shop_orders"}
    assert [key.name for key in shown["shop_assets"].check_keys] == ["schema_contract"]


def test_a_partition_of_them_is_loaded_and_its_keys_are_described(
    shown: dict[str, Any], tmp_path: Path
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [shown["shop_assets"]],
            partition_key="2026-01-02",
            resources={"dlt": DagsterDltResource()},
            instance=instance,
        )

    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        assert connection.execute("select id from raw.orders").fetchall() == [(2,)]
        assert connection.execute("select sku from raw.orders__lines").fetchall() == [("c",)]
    for event in result.get_asset_materialization_events():
        for key in event.step_materialization_data.materialization.metadata:
            described = key in {"stream_name", "dagster/storage_kind", "orders__lines"}
            assert described or f"`{key}`" in DOCUMENT, key


def test_the_runs_config_is_described_and_valid(shown: dict[str, Any]) -> None:
    assert all(f"`{name}`" in DOCUMENT for name in DltRunConfig.model_fields)
    config, _ = (yaml.safe_load(block) for block in blocks("yaml"))
    assert dg.validate_run_config(
        dg.define_asset_job("job", [shown["shop_assets"]]).resolve(
            asset_graph=shown["defs"].resolve_asset_graph()
        ),
        config,
    )


@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")
def test_the_component_is_valid(shown: dict[str, Any]) -> None:
    _, component = (yaml.safe_load(block) for block in blocks("yaml"))
    (load,) = component["attributes"]["loads"]
    load.update(source="{{ source }}", pipeline="{{ pipeline }}")

    made = DltLoadCollectionComponent.resolve_from_yaml(
        yaml.safe_dump(component["attributes"]),
        scope={"source": shown["source"], "pipeline": shown["pipeline"]},
    )

    keys = {spec.key.to_user_string() for spec in dg.build_defs_for_component(made).resolve_all_asset_specs()}
    assert keys == {"lake/orders", "lake/orders__lines", "shop_orders"}
    assert component["type"] == f"mainstem.dlt.{DltLoadCollectionComponent.__name__}"
