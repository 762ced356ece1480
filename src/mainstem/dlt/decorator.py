"""From a dlt source to assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import dagster as dg
from dlt import Pipeline
from dlt.extract.source import DltSource

from mainstem.assets import attach_definition
from mainstem.dlt.config import DltRunConfig, takes_run_config
from mainstem.dlt.contracts import contract_checks
from mainstem.dlt.definition import DltDefinition, ResourceAssets, resource_assets
from mainstem.dlt.translator import DagsterDltTranslator, DltResourceTranslatorData
from mainstem.errors import ConfigError


def build_dlt_asset_specs(
    dlt_source: DltSource,
    dlt_pipeline: Pipeline,
    dagster_dlt_translator: DagsterDltTranslator | None = None,
    *,
    nested_tables: Mapping[str, Sequence[str]] | None = None,
) -> Sequence[dg.AssetSpec]:
    """Return the assets of a source, one for each of its selected resources.

    A multi-asset of these specs may be run by `DagsterDltResource.run` with the context alone.

    Args:
        dlt_source: The source.
        dlt_pipeline: The pipeline that loads it.
        dagster_dlt_translator: What turns its resources into assets. ``None`` takes the default.
        nested_tables: For a resource's name, its nested tables that are assets of their own.

    Raises:
        ConfigError: ``nested_tables`` names a resource that the source does not have.
    """
    definition = _definition(dlt_source, dlt_pipeline, dagster_dlt_translator, nested_tables)
    return _attached(resource_assets(definition), definition)


def build_dlt_source_specs(
    dlt_source: DltSource,
    dlt_pipeline: Pipeline | None = None,
    dagster_dlt_translator: DagsterDltTranslator | None = None,
) -> Sequence[dg.AssetSpec]:
    """Return the assets that a source reads: what its assets depend on, with the kind of the source.

    Nobody materializes them. Put them into the definitions beside the assets, and the graph shows where the
    data comes from.

    Args:
        dlt_source: The source.
        dlt_pipeline: The pipeline that loads it, for a translator that asks for it.
        dagster_dlt_translator: The translator of the assets. ``None`` takes the default.

    Example::

        dg.Definitions(assets=[github_assets, *build_dlt_source_specs(github())])
    """
    translator = dagster_dlt_translator or DagsterDltTranslator()
    found: dict[dg.AssetKey, dg.AssetSpec] = {}
    # A transformer has its root's origin, so those that are no transformers come first.
    for resource in sorted(dlt_source.selected_resources.values(), key=lambda each: each.is_transformer):
        data = DltResourceTranslatorData(resource=resource, pipeline=dlt_pipeline)
        for dep in translator.get_asset_spec(data).deps:
            found.setdefault(dep.asset_key, translator.get_source_asset_spec(data, dep.asset_key))
    return list(found.values())


def dlt_assets(
    *,
    dlt_source: DltSource,
    dlt_pipeline: Pipeline,
    name: str | None = None,
    group_name: str | None = None,
    dagster_dlt_translator: DagsterDltTranslator | None = None,
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    hooks: Set[dg.HookDefinition] | None = None,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
    nested_tables: Mapping[str, Sequence[str]] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make a function that runs a dlt pipeline into assets, one for each resource of the source.

    Any of the assets may be run without the others. A resource with a schema contract has a check as well,
    ``schema_contract``. A function without a config of its own takes that of `DltRunConfig`.

    Args:
        dlt_source: The source.
        dlt_pipeline: The pipeline that loads it.
        name: The op's name. ``None`` takes the function's.
        group_name: The group of all the assets.
        dagster_dlt_translator: What turns resources into assets. ``None`` takes the default.
        partitions_def: The partitions of the assets. Where they are windows of time, a run of the decorated
            source is limited to them by the resources' `dlt.sources.incremental`. Otherwise, give
            `DagsterDltResource.run` a source that is made for ``context.partition_key``.
        backfill_policy: How a backfill of many partitions is run. ``None`` takes a single run where the
            partitions are windows of time.
        hooks: Hooks of the op.
        op_tags: Tags of the op.
        pool: The pool that limits how many run at once. dlt wants one run of a pipeline at a time.
        nested_tables: For a resource's name, its nested tables that are assets of their own, downstream of
            the resource's: ``{"users": ["users__tags"]}``.

    Raises:
        ConfigError: ``group_name`` is given and the translator sets a group as well, the source has no
            selected resource, or ``nested_tables`` names a resource that it does not have.

    Example::

        @dlt_assets(dlt_source=github(), dlt_pipeline=dlt.pipeline("github", destination="duckdb"))
        def github_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource):
            yield from dlt.run(context=context)
    """
    definition = _definition(dlt_source, dlt_pipeline, dagster_dlt_translator, nested_tables)
    assets = resource_assets(definition)
    _verify(assets, group_name, dlt_source)
    checks = list(contract_checks(dlt_source, assets))
    if backfill_policy is None and isinstance(partitions_def, dg.TimeWindowPartitionsDefinition):
        backfill_policy = dg.BackfillPolicy.single_run()

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        has_config, of_ours = takes_run_config(function)
        noted = replace(definition, configurable=of_ours or not has_config)
        return dg.multi_asset(
            name=name,
            group_name=group_name,
            can_subset=True,
            partitions_def=partitions_def,
            backfill_policy=backfill_policy,
            op_tags=op_tags,
            hooks=hooks,
            specs=_attached(assets, noted),
            check_specs=checks,
            pool=pool,
            config_schema=None if has_config else DltRunConfig.to_fields_dict(),
        )(function)

    return decorate


def _definition(
    source: DltSource,
    pipeline: Pipeline,
    translator: DagsterDltTranslator | None,
    nested: Mapping[str, Sequence[str]] | None,
) -> DltDefinition:
    return DltDefinition(source, pipeline, translator or DagsterDltTranslator(), nested or {})


def _attached(assets: Sequence[ResourceAssets], definition: DltDefinition) -> list[dg.AssetSpec]:
    return [attach_definition(spec, definition) for one in assets for spec in one.specs]


def _verify(assets: Sequence[ResourceAssets], group: str | None, source: DltSource) -> None:
    if not assets:
        raise ConfigError(
            f"The dlt source {source.name} has no selected resource.",
            hint="Select some with `source.with_resources(...)`.",
        )
    grouped = [one.spec.key.to_user_string() for one in assets if one.spec.group_name]
    if group and grouped:
        raise ConfigError(
            f"group_name={group!r} is given for the dlt source {source.name}, and the translator "
            f"sets the group of {', '.join(grouped)}.",
            hint="Say it in one of the two places.",
        )
