from mainstem.dbt import build_schedule_from_dbt_selection

from .assets import jaffle_shop_dbt_assets

schedules = [
    build_schedule_from_dbt_selection(
        [jaffle_shop_dbt_assets],
        job_name="materialize_dbt_models",
        cron_schedule="0 0 * * *",
        dbt_select="fqn:*",
    ),
]
