"""What the columns of a dlt table are made of, where its resource is a table of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import dagster as dg
from dlt.extract.items_transform import MapItem, YieldMapItem
from dlt.extract.resource import DltResource

from mainstem.assets import AssetColumns, ExecutionContext, runs_assets, wired_keys_of
from mainstem.dlt.definition import DltDefinition, ResourceAssets, resource_assets
from mainstem.dlt.report import DltAssetReport

__all__ = ["columns_of_resources", "database_table", "with_lineage"]

_OWN = "_dlt_"


def database_table(resource: DltResource) -> Mapping[str, Any] | None:
    """The arguments of a resource that is a table of a database; ``None`` for any other resource."""
    arguments: Mapping[str, Any] = {}
    with suppress(TypeError):  # it has none
        arguments = resource.explicit_args or {}
    return arguments if isinstance(arguments.get("table"), str) else None


def columns_of_resources(
    definition: DltDefinition, specs: Sequence[dg.AssetSpec]
) -> Mapping[dg.AssetKey, AssetColumns]:
    """Return what the columns of assets are made of, as far as it is known without connecting to anything.

    Args:
        definition: The source and the pipeline.
        specs: The assets.
    """
    wanted = {spec.key for spec in specs}
    return {
        assets.spec.key: _columns(definition, assets)
        for assets in resource_assets(definition)
        if assets.spec.key in wanted
    }


def with_lineage(
    definition: DltDefinition, assets: ResourceAssets, report: DltAssetReport, context: ExecutionContext
) -> DltAssetReport:
    """Return the report of an asset with its column lineage, where its resource is a database's table.

    Args:
        definition: The source and the pipeline.
        assets: The assets that the resource is.
        report: The report of one of them.
        context: The context of the asset or op that runs.
    """
    found = _columns(definition, assets)
    if report.key != assets.spec.key or not found.lineage:
        return report
    wired = wired_keys_of(context.assets_def) if runs_assets(context) else {}
    lineage = {
        name: [dg.TableColumnDep(wired.get(dep.asset_key, dep.asset_key), dep.column_name) for dep in deps]
        for name, deps in found.lineage.items()
    }
    names = [column.name for column in report.report.columns]
    known = {name: lineage[name] for name in names if name in lineage}
    return replace(report, lineage={**known, **{name: [] for name in names if name.startswith(_OWN)}})


def _columns(definition: DltDefinition, assets: ResourceAssets) -> AssetColumns:
    resource = definition.source.resources[assets.resource]
    arguments = database_table(resource)
    keys = [dep.asset_key for dep in assets.spec.deps]
    if arguments is None or len(keys) != 1:
        return AssetColumns()
    pipe: Any = resource._pipe
    if any(isinstance(step, (MapItem, YieldMapItem)) for step in pipe.steps):
        return AssetColumns(untraced="a function of the resource makes its rows")
    naming = definition.source.schema.naming
    lineage: dict[str, list[dg.TableColumnDep]] = {}
    for name in _source_columns(resource, arguments):
        lineage.setdefault(naming.normalize_path(name), [dg.TableColumnDep(keys[0], name)])
    return AssetColumns(lineage, untraced=None if lineage else "its columns are reflected when it runs")


def _source_columns(resource: DltResource, arguments: Mapping[str, Any]) -> Sequence[str]:
    """The columns of the table, in the database's own words, as far as it was looked at by now."""
    name, schema = str(arguments["table"]), arguments.get("schema")
    tables: Mapping[str, Any] = getattr(arguments.get("metadata"), "tables", None) or {}
    reflected = tables.get(f"{schema}.{name}" if schema else name)
    if reflected is not None:
        return [str(column.name) for column in reflected.columns]
    if arguments.get("defer_table_reflect"):
        return []
    hints: Any = resource.columns
    return list(hints) if isinstance(hints, Mapping) else []
