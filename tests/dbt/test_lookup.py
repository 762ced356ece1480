"""The keys of dbt's models and sources, for the assets around them."""

import dagster as dg
import pytest

from mainstem.dbt import (
    get_asset_key_for_model,
    get_asset_key_for_source,
    get_asset_keys_by_output_name_for_source,
)
from mainstem.errors import ConfigError


def test_a_model_a_seed_and_a_snapshot_have_a_key(shop: dg.AssetsDefinition) -> None:
    assert get_asset_key_for_model([shop], "customers") == dg.AssetKey("customers")
    assert get_asset_key_for_model([shop], "orders") == dg.AssetKey(["finance", "orders"])
    assert get_asset_key_for_model([shop], "raw_orders") == dg.AssetKey(["seeds", "raw_orders"])
    assert get_asset_key_for_model([shop], "customers_history") == dg.AssetKey(
        ["history", "customers_history"]
    )


def test_a_source_of_one_table_has_a_key(shop: dg.AssetsDefinition) -> None:
    assert get_asset_key_for_source([shop], "payments") == dg.AssetKey(["bank", "payments"])


def test_a_source_of_several_tables_has_keys_by_output_name(shop: dg.AssetsDefinition) -> None:
    keys = get_asset_keys_by_output_name_for_source([shop], "shop")
    assert keys == {
        "source_jaffle_shop_customers": dg.AssetKey(["shop", "customers"]),
        "source_jaffle_shop_products": dg.AssetKey(["shop", "products"]),
    }

    @dg.multi_asset(outs={name: dg.AssetOut(key=key) for name, key in keys.items()})
    def raw_tables() -> tuple[None, None]:
        return None, None

    assert raw_tables.keys == set(keys.values())


def test_an_unknown_name_brings_the_closest_one(shop: dg.AssetsDefinition) -> None:
    with pytest.raises(ConfigError, match=r"no model, seed or snapshot customer\. Did you mean customers"):
        get_asset_key_for_model([shop], "customer")
    with pytest.raises(KeyError, match=r"no source shops\. Did you mean shop"):
        get_asset_key_for_source([shop], "shops")
    with pytest.raises(ConfigError, match=r"no source zzz\. There are: payments, shop\."):
        get_asset_key_for_source([shop], "zzz")


def test_an_ephemeral_model_has_no_key(shop: dg.AssetsDefinition) -> None:
    with pytest.raises(ConfigError, match="no model, seed or snapshot order_totals"):
        get_asset_key_for_model([shop], "order_totals")


def test_a_source_of_several_tables_has_not_one_key(shop: dg.AssetsDefinition) -> None:
    with pytest.raises(
        ConfigError, match=r"shop has 2 tables: shop/customers, shop/products\. Use get_asset_keys_by"
    ):
        get_asset_key_for_source([shop], "shop")


def test_only_what_dbt_assets_made_is_asked(shop: dg.AssetsDefinition) -> None:
    @dg.asset
    def other() -> None: ...

    with pytest.raises(ConfigError, match="not made by @dbt_assets"):
        get_asset_key_for_model([other], "customers")
    with pytest.raises(ConfigError, match="2 were given"):
        get_asset_key_for_model([shop, shop], "customers")
