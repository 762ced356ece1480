"""What the decorator leaves for the resource: a source, and which asset each of its resources is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dlt import Pipeline
from dlt.extract.source import DltSource

from mainstem.assets import AssetColumns, AssetTables
from mainstem.dlt.translator import DagsterDltTranslator, DltResourceTranslatorData
from mainstem.errors import ConfigError


@dataclass(frozen=True, eq=False)
class DltDefinition:
    """The source, the pipeline and the translator that the assets are made of.

    Attributes:
        source: The source. Shared by all runs of the process, so nobody may change it.
        pipeline: The pipeline that loads it.
        translator: What turns its resources into assets.
        nested: For a resource's name, its nested tables that are assets of their own.
        configurable: Whether the assets take the config of `DltRunConfig`.
    """

    source: DltSource
    pipeline: Pipeline
    translator: DagsterDltTranslator
    nested: Mapping[str, Sequence[str]] = field(default_factory=dict)
    configurable: bool = False

    def tables_of(
        self,
        specs: Sequence[dg.AssetSpec],
        resources: Mapping[str, object],  # noqa: ARG002 - the pipeline has its own destination
    ) -> Mapping[dg.AssetKey, AssetTables]:
        """Return the tables of the assets, and of what they read."""
        from mainstem.dlt.identity import tables_of_resources  # noqa: PLC0415 - only `wire` asks

        return tables_of_resources(self, specs)

    def columns_of(self, specs: Sequence[dg.AssetSpec]) -> Mapping[dg.AssetKey, AssetColumns]:
        """Return what the columns of the assets are made of, as far as it is known."""
        from mainstem.dlt.columns import columns_of_resources  # noqa: PLC0415 - only lineage asks

        return columns_of_resources(self, specs)


@dataclass(frozen=True)
class ResourceAssets:
    """The assets that one resource is.

    Attributes:
        resource: The resource's name.
        spec: The resource's own asset.
        nested: For a nested table's name, the asset that it is.
    """

    resource: str
    spec: dg.AssetSpec
    nested: Mapping[str, dg.AssetSpec]

    @property
    def specs(self) -> Sequence[dg.AssetSpec]:
        """All of them, parents before their children."""
        return [self.spec, *self.nested.values()]


def resource_assets(definition: DltDefinition) -> Sequence[ResourceAssets]:
    """Return the assets of a source, for each of its selected resources.

    Args:
        definition: The source, and how it becomes assets.

    Raises:
        ConfigError: Nested tables are asked for of a resource that is not one of them.
    """
    resources = definition.source.selected_resources
    strange = [name for name in definition.nested if name not in resources]
    if strange:
        raise ConfigError(
            f"nested_tables names {', '.join(strange)}, which the dlt source {definition.source.name} does "
            "not have, or has not selected.",
            hint=f"Its resources are {', '.join(resources)}.",
        )
    found = []
    for name, resource in resources.items():
        data = DltResourceTranslatorData(resource=resource, pipeline=definition.pipeline)
        spec = definition.translator.get_asset_spec(data)
        nested = {
            table: definition.translator.get_nested_asset_spec(data, spec, table)
            for table in definition.nested.get(name, ())
        }
        found.append(ResourceAssets(name, spec, nested))
    return found
