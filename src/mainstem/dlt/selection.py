"""Which resources a run is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from mainstem.assets import ExecutionContext, runs_assets
from mainstem.dlt.definition import DltDefinition
from mainstem.dlt.translator import DltResourceTranslatorData
from mainstem.errors import ConfigError


@dataclass(frozen=True)
class Selection:
    """The resources of a source, each with the asset that it is.

    Attributes:
        chosen: Those to load.
        others: Those that are not selected.
    """

    chosen: Sequence[tuple[dg.AssetKey, str]]
    others: Sequence[tuple[dg.AssetKey, str]]


def select_resources(context: ExecutionContext, definition: DltDefinition) -> Selection:
    """Tell which resources of a source are to be loaded.

    Args:
        context: The context of the asset or op that runs. In an op, all of the source's resources are meant.
        definition: The source and its translator.

    Raises:
        ConfigError: A resource is none of the assets, or none of the resources is selected.
    """
    mapped = list(_assets(definition))
    if not runs_assets(context):
        return Selection(chosen=mapped, others=())
    # Unlike `assets_def.keys`, it has the assets that are not selected as well.
    known = context.assets_def.metadata_by_key
    strange = [f"{name} ({key.to_user_string()})" for key, name in mapped if key not in known]
    if strange:
        raise _mismatch(definition, f"has resources that are none of the assets: {', '.join(strange)}")
    selected = context.selected_asset_keys
    chosen = [(key, name) for key, name in mapped if key in selected]
    if not chosen:
        raise _mismatch(definition, "has no resource that is one of the selected assets")
    return Selection(chosen, others=[(key, name) for key, name in mapped if key not in selected])


def _assets(definition: DltDefinition) -> Iterator[tuple[dg.AssetKey, str]]:
    for name, resource in definition.source.selected_resources.items():
        data = DltResourceTranslatorData(resource=resource, pipeline=definition.pipeline)
        yield definition.translator.get_asset_spec(data).key, name


def _mismatch(definition: DltDefinition, problem: str) -> ConfigError:
    return ConfigError(
        f"The dlt source {definition.source.name} {problem}.",
        hint="Run the source that the assets are made of, or a part of it by `source.with_resources(...)`, "
        "with the same translator.",
    )
