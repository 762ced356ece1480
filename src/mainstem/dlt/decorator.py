"""From a dlt source to assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import dagster as dg
from dlt import Pipeline
from dlt.extract.source import DltSource

from mainstem.assets import attach_definition
from mainstem.dlt.definition import DltDefinition
from mainstem.dlt.translator import DagsterDltTranslator, DltResourceTranslatorData
from mainstem.errors import ConfigError


def build_dlt_asset_specs(
    dlt_source: DltSource,
    dlt_pipeline: Pipeline,
    dagster_dlt_translator: DagsterDltTranslator | None = None,
) -> Sequence[dg.AssetSpec]:
    """Return the assets of a source, one for each of its selected resources.

    A multi-asset of these specs may be run by `DagsterDltResource.run` with the context alone.

    Args:
        dlt_source: The source.
        dlt_pipeline: The pipeline that loads it.
        dagster_dlt_translator: What turns its resources into assets. ``None`` takes the default.
    """
    translator = dagster_dlt_translator or DagsterDltTranslator()
    definition = DltDefinition(source=dlt_source, pipeline=dlt_pipeline, translator=translator)
    return [
        attach_definition(
            translator.get_asset_spec(DltResourceTranslatorData(resource=resource, pipeline=dlt_pipeline)),
            definition,
        )
        for resource in dlt_source.selected_resources.values()
    ]


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
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make a function that runs a dlt pipeline into assets, one for each resource of the source.

    Any of the assets may be run without the others.

    Args:
        dlt_source: The source.
        dlt_pipeline: The pipeline that loads it.
        name: The op's name. ``None`` takes the function's.
        group_name: The group of all the assets.
        dagster_dlt_translator: What turns resources into assets. ``None`` takes the default.
        partitions_def: The partitions of the assets. In the function, give `DagsterDltResource.run` a source
            that is made for ``context.partition_key``.
        backfill_policy: How a backfill of many partitions is run. ``None`` takes a single run where the
            partitions are windows of time.
        hooks: Hooks of the op.
        op_tags: Tags of the op.
        pool: The pool that limits how many run at once. dlt wants one run of a pipeline at a time.

    Raises:
        ConfigError: ``group_name`` is given and the translator sets a group as well, or the source has no
            selected resource.

    Example::

        @dlt_assets(dlt_source=github(), dlt_pipeline=dlt.pipeline("github", destination="duckdb"))
        def github_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource):
            yield from dlt.run(context=context)
    """
    specs = build_dlt_asset_specs(dlt_source, dlt_pipeline, dagster_dlt_translator)
    if not specs:
        raise ConfigError(
            f"The dlt source {dlt_source.name} has no selected resource.",
            hint="Select some with `source.with_resources(...)`.",
        )
    grouped = [spec.key.to_user_string() for spec in specs if spec.group_name]
    if group_name and grouped:
        raise ConfigError(
            f"group_name={group_name!r} is given for the dlt source {dlt_source.name}, and the translator "
            f"sets the group of {', '.join(grouped)}.",
            hint="Say it in one of the two places.",
        )
    if backfill_policy is None and isinstance(partitions_def, dg.TimeWindowPartitionsDefinition):
        backfill_policy = dg.BackfillPolicy.single_run()
    return dg.multi_asset(
        name=name,
        group_name=group_name,
        can_subset=True,
        partitions_def=partitions_def,
        backfill_policy=backfill_policy,
        op_tags=op_tags,
        hooks=hooks,
        specs=specs,
        pool=pool,
    )
