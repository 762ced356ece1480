"""When things run by themselves: the ingestion at four, the dbt project at five."""

from __future__ import annotations

import dagster as dg

from mainstem.dbt import build_schedule_from_dbt_selection
from shop.sources import postgres_sources
from shop.transform import shop_dbt_assets

# A load records which version of its source was seen last: so both look first.
_looked_at = dg.AssetSelection.assets(postgres_sources)

everything = dg.define_asset_job("everything", selection=dg.AssetSelection.all() | _looked_at)

ingestion_schedule = dg.ScheduleDefinition(
    name="daily_ingestion_schedule",
    job=dg.define_asset_job(
        "daily_ingestion", selection=dg.AssetSelection.groups("replication", "loading") | _looked_at
    ),
    cron_schedule="0 4 * * *",
)

dbt_schedule = build_schedule_from_dbt_selection(
    [shop_dbt_assets],
    job_name="daily_dbt_models",
    cron_schedule="0 5 * * *",
    dbt_select="fqn:*",
)
