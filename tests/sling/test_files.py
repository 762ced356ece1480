"""Files as streams of a replication in Dagster."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets
from mainstem.testing.warehouse import Warehouse


def test_a_pattern_of_files_that_are_one_table_is_one_asset_and_needs_no_snapshot(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for day in (1, 2):
        (folder / f"{day}.csv").write_text(f"id,amount\n{day},{day}.50\n")
    replication = {
        "source": "MY_FILES",
        "target": "MY_DUCKDB",
        "streams": {"in/*.csv": {"object": "main.days", "meta": {"dagster": {"asset_key": "lake/days"}}}},
    }

    @sling_assets(replication_config=replication)
    def days(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    sling = SlingResource(
        connections=[
            SlingConnectionResource(name="MY_FILES", type="file", url=f"file://{tmp_path}"),
            SlingConnectionResource(name="MY_DUCKDB", type="duckdb", instance=str(warehouse.path)),
        ]
    )
    result = dg.materialize([days], resources={"sling": sling})
    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == dg.AssetKey(["lake", "days"])
    assert warehouse.query("select id, amount::varchar from days order by id") == [
        (1, "1.500000"),
        (2, "2.500000"),
    ]
