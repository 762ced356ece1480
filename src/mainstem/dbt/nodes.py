"""Which asset, or which check, a dbt node is in the run at hand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import dagster as dg

from mainstem.assets import ExecutionContext, runs_assets, wired_keys_of
from mainstem.dbt.manifest import Manifest, attached_node, is_asset
from mainstem.dbt.project import DbtProject
from mainstem.dbt.translator import UNIQUE_ID, DagsterDbtTranslator, check_name, key_of

__all__ = ["RunNodes", "assets_def_of"]


class RunNodes:
    """Finds the asset and the check of a node.

    The assets definition that runs is asked first, for its keys may have been changed since the translator
    gave them; the translator is asked for all that is not part of it.

    Args:
        manifest: dbt's manifest.
        translator: Says which asset a node is.
        project: The project, where ``@dbt_assets`` was given one.
        assets_def: The assets definition that runs. ``None`` in an op.
    """

    def __init__(
        self,
        manifest: Manifest,
        translator: DagsterDbtTranslator,
        project: DbtProject | None,
        assets_def: dg.AssetsDefinition | None,
    ) -> None:
        self.manifest = manifest
        self._translator = translator
        self._project = project
        self._assets_def = assets_def

    @cached_property
    def assets(self) -> dict[str, dg.AssetKey]:
        """The assets of the definition that runs, by unique id, selected or not."""
        if self._assets_def is None:
            return {}
        found = self._assets_def.metadata_by_key.items()
        return {metadata[UNIQUE_ID]: key for key, metadata in found if UNIQUE_ID in metadata}

    @cached_property
    def checks(self) -> dict[str, dg.AssetCheckKey]:
        """The selected checks of the definition that runs, by unique id."""
        specs = self._assets_def.check_specs if self._assets_def is not None else ()
        return {spec.metadata[UNIQUE_ID]: spec.key for spec in specs if UNIQUE_ID in spec.metadata}

    def asset(self, unique_id: str) -> dg.AssetKey | None:
        """Return the key of a node's asset, or ``None`` where the node is none."""
        if unique_id in self.assets:
            return self.assets[unique_id]
        node = self.manifest["nodes"].get(unique_id)
        return self.key(unique_id) if node is not None and is_asset(node) else None

    def check(self, unique_id: str) -> dg.AssetCheckKey | None:
        """Return the key of a test's check, or ``None`` where the test is none."""
        if unique_id in self.checks:
            return self.checks[unique_id]
        node = self.manifest["nodes"].get(unique_id)
        settings = self._translator.settings
        if node is None or node["resource_type"] != "test" or not settings.enable_asset_checks:
            return None
        attached = attached_node(self.manifest, node)
        if attached is None or (
            attached.startswith("source.") and not settings.enable_source_tests_as_checks
        ):
            return None
        on = self.assets.get(attached) or self.key(attached)
        return dg.AssetCheckKey(on, check_name(node))

    def key(self, unique_id: str) -> dg.AssetKey:
        """Return the key of a node's asset, or of a source's, without asking whether it is one."""
        if unique_id in self.assets:
            return self.assets[unique_id]
        key = key_of(self._translator, self.manifest, unique_id, self._project)
        return self._wired.get(key, key)

    @cached_property
    def _wired(self) -> Mapping[dg.AssetKey, dg.AssetKey]:
        """The sources that another tool's assets turned out to be."""
        return wired_keys_of(self._assets_def)


def assets_def_of(context: ExecutionContext | None) -> dg.AssetsDefinition | None:
    """Return the assets definition that runs, or ``None`` in an op and outside of Dagster."""
    if context is None or not runs_assets(context):
        return None
    return context.assets_def
