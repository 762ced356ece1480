"""The asset keys of dbt's models and sources, for the assets around them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import dagster as dg

from mainstem.dbt.manifest import Manifest, did_you_mean, is_asset
from mainstem.dbt.specs import DbtDefinition, definition_behind
from mainstem.errors import ConfigError, UnknownNameError

__all__ = [
    "get_asset_key_for_model",
    "get_asset_key_for_source",
    "get_asset_keys_by_output_name_for_source",
    "model_id",
    "the_definition",
]


def get_asset_key_for_model(dbt_assets: Sequence[dg.AssetsDefinition], model_name: str) -> dg.AssetKey:
    """Return the asset key of a dbt model, seed or snapshot.

    Args:
        dbt_assets: What ``@dbt_assets`` made.
        model_name: dbt's name for the node.

    Raises:
        UnknownNameError: There is no such node. The closest name is in the message.

    Example:
        ::

            @dg.asset(deps=[get_asset_key_for_model([jaffle_shop], "customers")])
            def order_count_chart(): ...
    """
    definition = the_definition(dbt_assets)
    return definition.key(model_id(definition.manifest, model_name))


def model_id(manifest: Manifest, model_name: str) -> str:
    """Return the unique id of a model, seed or snapshot.

    Raises:
        UnknownNameError: There is no such node. The closest name is in the message.
    """
    named = {node["name"]: unique_id for unique_id, node in manifest["nodes"].items() if is_asset(node)}
    if model_name not in named:
        raise UnknownNameError(
            f"The dbt project has no model, seed or snapshot {model_name}.",
            hint=did_you_mean(model_name, list(named)),
        )
    return str(named[model_name])


def get_asset_key_for_source(dbt_assets: Sequence[dg.AssetsDefinition], source_name: str) -> dg.AssetKey:
    """Return the asset key of a dbt source that has one table.

    Args:
        dbt_assets: What ``@dbt_assets`` made.
        source_name: dbt's name for the source.

    Raises:
        UnknownNameError: There is no such source, or it has several tables.

    Example:
        ::

            @dg.asset(key=get_asset_key_for_source([jaffle_shop], "payments"))
            def payments(): ...
    """
    keys = get_asset_keys_by_output_name_for_source(dbt_assets, source_name)
    if len(keys) > 1:
        tables = ", ".join(sorted(key.to_user_string() for key in keys.values()))
        raise UnknownNameError(
            f"The dbt source {source_name} has {len(keys)} tables: {tables}.",
            hint="Use get_asset_keys_by_output_name_for_source.",
        )
    return next(iter(keys.values()))


def get_asset_keys_by_output_name_for_source(
    dbt_assets: Sequence[dg.AssetsDefinition], source_name: str
) -> Mapping[str, dg.AssetKey]:
    """Return the asset keys of all tables of a dbt source, by names to use as outputs of a multi-asset.

    Args:
        dbt_assets: What ``@dbt_assets`` made.
        source_name: dbt's name for the source.

    Raises:
        UnknownNameError: There is no such source. The closest name is in the message.

    Example:
        ::

            keys = get_asset_keys_by_output_name_for_source([jaffle_shop], "raw")

            @dg.multi_asset(outs={name: dg.AssetOut(key=key) for name, key in keys.items()})
            def raw_tables(): ...
    """
    definition = the_definition(dbt_assets)
    sources = definition.manifest.get("sources") or {}
    found = [uid for uid, source in sources.items() if source["source_name"] == source_name]
    if not found:
        known = sorted({source["source_name"] for source in sources.values()})
        raise UnknownNameError(
            f"The dbt project has no source {source_name}.", hint=did_you_mean(source_name, known)
        )
    return {re.sub(r"[^A-Za-z0-9_]", "_", uid): definition.key(uid) for uid in found}


def the_definition(dbt_assets: Sequence[dg.AssetsDefinition]) -> DbtDefinition:
    """Return what ``@dbt_assets`` left in the one assets definition.

    Raises:
        ConfigError: It is not one, or not made by ``@dbt_assets``.
    """
    if len(dbt_assets) != 1:
        raise ConfigError(
            f"One assets definition is needed, and {len(dbt_assets)} were given.",
            hint="Pass what @dbt_assets made, in a list.",
        )
    definition = definition_behind(dbt_assets[0])
    if definition is None:
        raise ConfigError(
            "The assets definition was not made by @dbt_assets.",
            hint="Pass the decorated function, in a list.",
        )
    return definition
