"""Freshness checks, as a dbt project configures them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from mainstem.dbt.lookup import the_definition
from mainstem.dbt.manifest import dagster_meta, node_of
from mainstem.dbt.translator import UNIQUE_ID
from mainstem.errors import ConfigError

__all__ = ["build_freshness_checks_from_dbt_assets"]


def build_freshness_checks_from_dbt_assets(
    *, dbt_assets: Sequence[dg.AssetsDefinition]
) -> Sequence[dg.AssetChecksDefinition]:
    """Return a freshness check for each dbt asset whose ``meta.dagster.freshness_check`` asks for one.

    There, ``lower_bound_delta_seconds`` is the age at which the asset is stale, ``deadline_cron`` is when it
    has to be fresh, and ``severity`` is ``WARN``, the default, or ``ERROR``. Of an asset with time
    partitions, the last one that ended before ``deadline_cron`` has to be there, and there is no age.

    dbt's own ``source freshness`` is another thing: ``dbt.cli(["source", "freshness"], context=context)``
    streams an observation of each source.

    Args:
        dbt_assets: What ``@dbt_assets`` made, of one project or of several.

    Raises:
        ConfigError: The assets are not made by ``@dbt_assets``, an asset is given twice, or a check is
            configured wrong.

    Example:
        ::

            checks = build_freshness_checks_from_dbt_assets(dbt_assets=[jaffle_shop])
            defs = dg.Definitions(assets=[jaffle_shop], asset_checks=checks)
    """
    seen: set[dg.AssetKey] = set()
    found: list[dg.AssetChecksDefinition] = []
    for assets_def in dbt_assets:
        twice = seen & assets_def.keys
        if twice:
            names = ", ".join(sorted(key.to_user_string() for key in twice))
            raise ConfigError(f"These dbt assets are given twice: {names}.", hint="Give each once.")
        seen |= assets_def.keys
        found += _checks(assets_def)
    return found


def _checks(assets_def: dg.AssetsDefinition) -> Iterator[dg.AssetChecksDefinition]:
    definition = the_definition([assets_def])
    by_time = isinstance(assets_def.partitions_def, dg.TimeWindowPartitionsDefinition)
    for spec in assets_def.specs:
        node = node_of(definition.manifest, spec.metadata[UNIQUE_ID])
        config = dagster_meta(node).get("freshness_check")
        if not config:
            continue
        options = {"deadline_cron": config.get("deadline_cron"), "severity": _severity(node, config)}
        if by_time:
            yield from dg.build_time_partition_freshness_checks(assets=[spec.key], **options)
        else:
            age = _age(node, config)
            yield from dg.build_last_update_freshness_checks(
                assets=[spec.key], lower_bound_delta=age, **options
            )


def _severity(node: Mapping[str, Any], config: Mapping[str, Any]) -> dg.AssetCheckSeverity:
    said = str(config.get("severity") or "WARN")
    try:
        return dg.AssetCheckSeverity(said.upper())
    except ValueError as error:
        raise _wrong(node, f"its severity is {said}") from error


def _age(node: Mapping[str, Any], config: Mapping[str, Any]) -> timedelta:
    said = config.get("lower_bound_delta_seconds")
    try:
        return timedelta(seconds=int(said))  # type: ignore[arg-type]  # whatever the project has there
    except (TypeError, ValueError) as error:
        raise _wrong(node, f"its lower_bound_delta_seconds is {said}") from error


def _wrong(node: Mapping[str, Any], what: str) -> ConfigError:
    return ConfigError(
        f"The freshness check of {node['name']} ({node['original_file_path']}) cannot be made: {what}.",
        hint="Give a whole number of seconds as lower_bound_delta_seconds, and WARN or ERROR as severity.",
    )
