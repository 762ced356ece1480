from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from mainstem.sling import DagsterSlingTranslator, SlingResource, sling_assets

from .resources import duckdb_path, local

# Nobody's asset here: the application that writes the source tables. Dagster only knows of it.
billing_system = dg.AssetSpec(
    "billing_system", description="Writes the source tables; Dagster does not run it."
)


class BillingTranslator(DagsterSlingTranslator):
    """Everything as by default, except that each stream depends on the billing system as a whole."""

    def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
        default = super().get_asset_spec(stream_definition)
        return default.replace_attributes(deps=[billing_system])


@sling_assets(
    replication_config=dg.file_relative_path(__file__, "replication.yaml"),
    dagster_sling_translator=BillingTranslator(),
)
def billing_sling_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
    yield from sling.replicate(context=context)


accounts_key = DagsterSlingTranslator().get_asset_spec({"name": "public.accounts", "config": {}}).key


@dg.asset(deps=[accounts_key])
def balances(context: dg.AssetExecutionContext) -> None:
    """The accounts' balances by currency, as a CSV file."""
    with duckdb.connect(str(duckdb_path), read_only=True) as connection:
        accounts = connection.table("public_accounts")
        by_currency = accounts.aggregate("currency, count(*) as accounts, sum(balance) as balance").order(
            "currency"
        )
        by_currency.write_csv(str(local / "balances.csv"), header=True)
        context.add_output_metadata({"num_rows": len(by_currency)})
