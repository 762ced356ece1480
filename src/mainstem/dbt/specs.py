"""From a manifest and a selection to asset specs and check specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from mainstem.assets import definition_of
from mainstem.dbt.manifest import Manifest, attached_node, is_asset, node_of, upstream_ids
from mainstem.dbt.project import DbtProject
from mainstem.dbt.selection import DbtSelection, selected_ids
from mainstem.dbt.translator import DagsterDbtTranslator, key_of
from mainstem.errors import ConfigError

__all__ = ["DbtDefinition", "build_specs", "definition_behind"]


@dataclass(frozen=True, eq=False)
class DbtDefinition:
    """What ``@dbt_assets`` leaves for the resource and for those who ask for keys.

    Attributes:
        manifest: dbt's manifest.
        translator: Says which asset a node is.
        project: The project, if the decorator was given one.
        selection: What the decorator selects.
        nodes: The unique ids that are assets here.
        tests: The unique ids that are checks here.
    """

    manifest: Manifest
    translator: DagsterDbtTranslator
    project: DbtProject | None
    selection: DbtSelection
    nodes: frozenset[str]
    tests: frozenset[str]

    def __repr__(self) -> str:
        return f"dbt: {len(self.nodes)} nodes and {len(self.tests)} tests of {self.selection}"

    def key(self, unique_id: str) -> dg.AssetKey:
        """Return the key of a node's asset."""
        return key_of(self.translator, self.manifest, unique_id, self.project)


def definition_behind(assets_def: dg.AssetsDefinition) -> DbtDefinition | None:
    """Return what ``@dbt_assets`` left, or ``None`` where the assets are not made by it."""
    return definition_of(assets_def, DbtDefinition)


def build_specs(
    manifest: Manifest, translator: DagsterDbtTranslator, project: DbtProject | None, selection: DbtSelection
) -> tuple[DbtDefinition, Sequence[dg.AssetSpec], Sequence[dg.AssetCheckSpec]]:
    """Return the assets and checks of the selected part of a manifest.

    Raises:
        ConfigError: Two nodes have one asset key, or nothing is selected.
    """
    ids = selected_ids(manifest, selection, project)
    nodes = [uid for uid, node in manifest["nodes"].items() if uid in ids and is_asset(node)]
    if not nodes:
        raise ConfigError(
            f"The dbt selection {selection} matches no model, seed or snapshot of the manifest.",
            hint="Check it with `dbt ls`.",
        )
    specs = {uid: translator.get_asset_spec(manifest, uid, project) for uid in nodes}
    keys = {uid: spec.key for uid, spec in specs.items()}
    for uid in nodes:
        for parent in upstream_ids(manifest, node_of(manifest, uid)):
            if parent not in keys:
                keys[parent] = key_of(translator, manifest, parent, project)
    _check_unique(manifest, keys, translator)
    checks = _check_specs(manifest, translator, project, ids=ids, specs=specs, keys=keys)
    definition = DbtDefinition(manifest, translator, project, selection, frozenset(nodes), frozenset(checks))
    return definition, list(specs.values()), list(checks.values())


def _check_specs(
    manifest: Manifest,
    translator: DagsterDbtTranslator,
    project: DbtProject | None,
    *,
    ids: frozenset[str],
    specs: Mapping[str, dg.AssetSpec],
    keys: Mapping[str, dg.AssetKey],
) -> dict[str, dg.AssetCheckSpec]:
    """Return the check of each selected test on one of the assets, or on a source that one of them reads."""
    if not translator.settings.enable_asset_checks:
        return {}
    found: dict[str, dg.AssetCheckSpec] = {}
    sources: dict[str, dg.AssetSpec] = {}
    for uid, node in manifest["nodes"].items():
        if node["resource_type"] != "test" or uid not in ids:
            continue
        attached = attached_node(manifest, node) or ""
        spec = specs.get(attached)
        if attached in keys and attached.startswith("source."):
            if not translator.settings.enable_source_tests_as_checks:
                continue
            if attached not in sources:
                sources[attached] = translator.get_asset_spec(manifest, attached, project)
            spec = sources[attached]
        check = translator.get_asset_check_spec(spec, manifest, uid, project) if spec else None
        if check is not None:
            found[uid] = check
    return found


def _check_unique(
    manifest: Manifest, keys: Mapping[str, dg.AssetKey], translator: DagsterDbtTranslator
) -> None:
    by_key: dict[dg.AssetKey, list[str]] = {}
    for unique_id, key in keys.items():
        by_key.setdefault(key, []).append(unique_id)
    lines = []
    for key, unique_ids in by_key.items():
        all_sources = all(uid.startswith("source.") for uid in unique_ids)
        if len(unique_ids) == 1 or (all_sources and translator.settings.enable_duplicate_source_asset_keys):
            continue
        named = [f"{uid} ({node_of(manifest, uid)['original_file_path']})" for uid in sorted(unique_ids)]
        lines.append(f"  {key.to_user_string()}: {', '.join(named)}")
    if lines:
        raise ConfigError(
            "\n".join(["Several dbt nodes have the same asset key.", *lines]),
            hint="\nSet meta.dagster.asset_key on one of them, or override get_asset_spec in a translator.",
        )
