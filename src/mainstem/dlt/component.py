"""dlt loads as a Dagster component: pipelines and sources named in YAML."""

# No postponed annotations here: Dagster makes the YAML's schema of them.

import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import dagster as dg
from dlt import Pipeline
from dlt.extract.source import DltSource

from mainstem.assets import AssetEvent
from mainstem.assets.component import (
    BackfillModel,
    PartitionsModel,
    Translation,
    resolve_backfill_policy,
    resolve_partitions,
    resolve_translation,
)
from mainstem.dlt.decorator import build_dlt_source_specs, dlt_assets
from mainstem.dlt.resource import DagsterDltResource
from mainstem.dlt.scaffolder import DltLoadCollectionScaffolder
from mainstem.dlt.translator import DagsterDltTranslator, DltResourceTranslatorData
from mainstem.errors import ConfigError


def _python_object(context: dg.ResolutionContext, path: str) -> Any:
    """Import what a dotted path names. One that begins with a dot begins at the YAML's own folder."""
    full = path
    if path.startswith("."):
        here = dg.ComponentLoadContext.from_resolution_context(context)
        full = f"{here.defs_relative_module_name(here.path)}{path}"
    module, _, name = full.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError:
        raise ConfigError(
            f"{path} is not there: the module {module} has no {name}.", hint="Correct it in the YAML."
        ) from None


@dataclass
class DltLoadSpecModel(dg.Resolvable):
    """One load: a source, and the pipeline that loads it.

    Attributes:
        pipeline: The pipeline. In YAML, where it is in Python: ``.loads.my_pipeline``.
        source: The source, likewise.
        translation: What is different about its assets. Templates see ``spec``, ``resource``, ``pipeline``.
        partitions_def: The partitions of the assets.
        backfill_policy: How a backfill of many partitions is run.
        nested_tables: For a resource's name, its nested tables that are assets of their own.
        source_assets: Whether what the source reads is in the graph with its kind.
    """

    pipeline: Annotated[Pipeline, dg.Resolver(_python_object, model_field_type=str)]
    source: Annotated[DltSource, dg.Resolver(_python_object, model_field_type=str)]
    translation: Annotated[
        Translation | None,
        dg.Resolver(
            resolve_translation, model_field_type=str | dg.AssetAttributesModel, inject_before_resolve=False
        ),
    ] = None
    partitions_def: Annotated[
        dg.PartitionsDefinition[Any] | None,
        dg.Resolver(resolve_partitions, model_field_type=PartitionsModel),
    ] = None
    backfill_policy: Annotated[
        dg.BackfillPolicy | None, dg.Resolver(resolve_backfill_policy, model_field_type=BackfillModel)
    ] = None
    nested_tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source_assets: bool = False


@dg.scaffold_with(DltLoadCollectionScaffolder)
@dataclass
class DltLoadCollectionComponent(dg.Component, dg.Resolvable):
    """Load dlt sources as assets.

    Attributes:
        loads: The sources, each with its pipeline.

    Example::

        type: mainstem.dlt.DltLoadCollectionComponent
        attributes:
          loads:
            - source: .loads.github_source
              pipeline: .loads.github_pipeline
              translation:
                group_name: github
    """

    loads: Sequence[DltLoadSpecModel]

    @property
    def dlt_pipeline_resource(self) -> DagsterDltResource:
        """What runs the pipelines."""
        return DagsterDltResource()

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        """Return the asset that a resource is, before the YAML's translation: its key is dataset and table.

        Override it to have other assets.

        Args:
            data: The resource, and the pipeline that loads it.
        """
        spec = DagsterDltTranslator().get_asset_spec(data)
        table = data.resource.table_name
        dataset = data.pipeline.dataset_name if data.pipeline else None
        name = table if isinstance(table, str) else data.resource.name
        return spec.replace_attributes(key=[dataset, name] if dataset else [name])

    def execute(
        self, context: dg.AssetExecutionContext, dlt_pipeline_resource: DagsterDltResource
    ) -> Iterator[AssetEvent]:
        """Run a pipeline for the selected assets. Override it to do something before or after.

        Args:
            context: The context of the assets that run.
            dlt_pipeline_resource: What runs the pipeline.
        """
        yield from dlt_pipeline_resource.run(context=context)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's
        """Return the assets of all loads."""
        seen: Counter[str] = Counter()
        assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
        for load in self.loads:
            name = re.sub(r"\W", "_", f"dlt_assets_{load.source.name}_{load.pipeline.dataset_name}")
            seen[name] += 1
            translator = _ComponentTranslator(self, load)
            assets.append(self._assets(load, translator, name if seen[name] == 1 else f"{name}_{seen[name]}"))
            if load.source_assets:
                assets.extend(build_dlt_source_specs(load.source, load.pipeline, translator))
        return dg.Definitions(assets=assets)

    def _assets(
        self, load: DltLoadSpecModel, translator: DagsterDltTranslator, name: str
    ) -> dg.AssetsDefinition:
        @dlt_assets(
            dlt_source=load.source,
            dlt_pipeline=load.pipeline,
            name=name,
            dagster_dlt_translator=translator,
            partitions_def=load.partitions_def,
            backfill_policy=load.backfill_policy,
            nested_tables=load.nested_tables,
        )
        def run_load(context: dg.AssetExecutionContext) -> Iterator[AssetEvent]:
            yield from self.execute(context, self.dlt_pipeline_resource)

        return run_load


class _ComponentTranslator(DagsterDltTranslator):
    """What the component says, then what the YAML says."""

    def __init__(self, component: DltLoadCollectionComponent, load: DltLoadSpecModel) -> None:
        self._component = component
        self._translation = load.translation

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(data)
        if self._translation is None:
            return spec
        return self._translation(spec, {"resource": data.resource, "pipeline": data.pipeline})
