"""Postgres to DuckDB: Sling's replication YAML, run inside this process."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from mainstem.sling import DagsterSlingTranslator, SlingConnectionResource, SlingResource, sling_assets
from shop import settings

postgres = SlingConnectionResource(
    name="MY_POSTGRES",
    type="postgres",
    host=settings.POSTGRES_HOST,
    port=settings.POSTGRES_PORT,
    database=settings.POSTGRES_DATABASE,
    user=settings.POSTGRES_USER,
    password=settings.POSTGRES_PASSWORD,
)

duckdb = SlingConnectionResource(
    name="MY_DUCKDB",
    type="duckdb",
    connection_string=f"duckdb://{settings.DUCKDB}",
)

sling = SlingResource(connections=[postgres, duckdb])

REPLICATION = dg.file_relative_path(__file__, "replication.yaml")


class ReplicationTranslator(DagsterSlingTranslator):
    """What Sling's assets are called by default, in a group of their own."""

    def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
        """Return the default spec with its group."""
        return super().get_asset_spec(stream_definition).replace_attributes(group_name="replication")


@sling_assets(
    replication_config=REPLICATION,
    dagster_sling_translator=ReplicationTranslator(),
)
def postgres_sling_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
    """Replicate the shop's three tables."""
    yield from sling.replicate(context=context).fetch_column_metadata()
