"""Which resources a run is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mainstem.assets import ExecutionContext, runs_assets
from mainstem.dlt.definition import DltDefinition, ResourceAssets, resource_assets
from mainstem.errors import ConfigError


@dataclass(frozen=True)
class Selection:
    """The resources of a source, each with the assets that it is.

    Attributes:
        chosen: Those to load.
        others: Those that are not selected.
    """

    chosen: Sequence[ResourceAssets]
    others: Sequence[ResourceAssets]


def select_resources(context: ExecutionContext, definition: DltDefinition) -> Selection:
    """Tell which resources of a source are to be loaded: those with a selected asset.

    Args:
        context: The context of the asset or op that runs. In an op, all of the source's resources are meant.
        definition: The source and its translator.

    Raises:
        ConfigError: A resource is none of the assets, or none of the resources is selected.
    """
    mapped = resource_assets(definition)
    if not runs_assets(context):
        return Selection(chosen=mapped, others=())
    # Unlike `assets_def.keys`, it has the assets that are not selected as well.
    known = context.assets_def.metadata_by_key
    strange = [
        f"{assets.resource} ({spec.key.to_user_string()})"
        for assets in mapped
        for spec in assets.specs
        if spec.key not in known
    ]
    if strange:
        raise _mismatch(definition, f"has resources that are none of the assets: {', '.join(strange)}")
    selected = context.selected_asset_keys
    chosen = [assets for assets in mapped if any(spec.key in selected for spec in assets.specs)]
    if not chosen and context.selected_asset_check_keys:
        raise ConfigError(
            "A schema contract is checked while its asset is loaded, and no asset is selected.",
            hint="Materialize the asset.",
        )
    if not chosen:
        raise _mismatch(definition, "has no resource that is one of the selected assets")
    return Selection(chosen, others=[assets for assets in mapped if assets not in chosen])


def _mismatch(definition: DltDefinition, problem: str) -> ConfigError:
    return ConfigError(
        f"The dlt source {definition.source.name} {problem}.",
        hint="Run the source that the assets are made of, or a part of it by `source.with_resources(...)`, "
        "with the same translator.",
    )
