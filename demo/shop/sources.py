"""Where the data comes from: what the graph shows upstream of the first table that we write ourselves.

The tables of Postgres are looked at, so that nothing is made of what has not changed. What dlt reads gets a
group, a kind and a sentence: dlt's assets name it as their upstream by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from mainstem.sling import build_sling_source_observations
from shop.loading import api_dlt_assets, csv_dlt_assets, simple_dlt_assets
from shop.replication import REPLICATION, sling

postgres_sources = build_sling_source_observations(
    REPLICATION,
    connections=sling.connections,
    group_name="replication",
    automation_condition=dg.AutomationCondition.on_cron("*/10 * * * *"),
)


def _upstream(loaded: dg.AssetsDefinition, kind: str, description: str) -> Iterator[dg.AssetSpec]:
    for spec in loaded.specs:
        for dep in spec.deps:
            yield dg.AssetSpec(dep.asset_key, group_name="loading", kinds={kind}, description=description)


sources: list[dg.AssetsDefinition | dg.AssetSpec] = [
    postgres_sources,
    *_upstream(simple_dlt_assets, "python", "A list."),
    *_upstream(csv_dlt_assets, "csv", "A file."),
    *_upstream(api_dlt_assets, "api", "The payment provider."),
]
