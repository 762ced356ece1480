"""From a manifest and a selection to asset specs and check specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from mainstem.assets import AssetColumns, AssetTables, attach_definition, definition_metadata, definition_of
from mainstem.dbt.manifest import Manifest, attached_node, is_asset_id, is_test_id, node_of, parents_of
from mainstem.dbt.project import DbtProject
from mainstem.dbt.selection import DbtSelection, selected_ids
from mainstem.dbt.translator import UNIQUE_ID, DagsterDbtTranslator, key_of, save_lineage, spec_of
from mainstem.errors import ConfigError

if TYPE_CHECKING:
    from mainstem.dbt.lineage import Origin

__all__ = ["DbtDefinition", "build_specs", "definition_behind"]


@dataclass(eq=False)
class DbtDefinition:
    """What ``@dbt_assets`` leaves for the resource and for those who ask for keys.

    Attributes:
        manifest: dbt's manifest.
        translator: Says which asset a node is.
        project: The project, if the decorator was given one.
        selection: What the decorator selects.
        nodes: The unique ids that are assets here.
        tests: The unique ids that are checks here, each with that of the node or source that it is about.
        other_tests: The unique ids of the tests that are selected as well, and are no checks.
    """

    manifest: Manifest
    translator: DagsterDbtTranslator
    project: DbtProject | None
    selection: DbtSelection
    nodes: frozenset[str] = frozenset()
    tests: Mapping[str, str] = field(default_factory=dict)
    other_tests: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"dbt: {len(self.nodes)} nodes and {len(self.tests)} tests of {self.selection}"

    def key(self, unique_id: str) -> dg.AssetKey:
        """Return the key of a node's asset."""
        return key_of(self.translator, self.manifest, unique_id, self.project)

    def tables_of(
        self, specs: Sequence[dg.AssetSpec], resources: Mapping[str, object]
    ) -> Mapping[dg.AssetKey, AssetTables]:
        """Return the tables of the assets, and of the sources that they read."""
        from mainstem.dbt.identity import tables_of_nodes  # noqa: PLC0415 - only `wire` asks

        return tables_of_nodes(self.manifest, self.translator, self.project, specs, resources)

    def columns_of(self, specs: Sequence[dg.AssetSpec]) -> Mapping[dg.AssetKey, AssetColumns]:
        """Return the column lineage of the assets, as far as the SQL in the manifest tells it."""
        from mainstem.dbt.planned_lineage import PlannedLineage  # noqa: PLC0415 - it takes a while to import

        planned = PlannedLineage(self.manifest, getattr(self.manifest, "folder", None))
        keys = {spec.metadata[UNIQUE_ID]: spec.key for spec in specs if UNIQUE_ID in spec.metadata}
        found = {}
        for uid, own in planned.of_all(keys).items():
            lineage = {column: self._deps(origins) for column, origins in own.columns.items()}
            why = "; ".join(own.problems) or None
            found[keys[uid]] = AssetColumns(lineage, rows=self._deps(own.rows), untraced=why)
        return found

    def _deps(self, origins: Iterable[Origin]) -> list[dg.TableColumnDep]:
        return [dg.TableColumnDep(self.key(origin.unique_id), origin.column) for origin in origins]


def definition_behind(assets_def: dg.AssetsDefinition) -> DbtDefinition | None:
    """Return what ``@dbt_assets`` left, or ``None`` where the assets are not made by it."""
    return definition_of(assets_def, DbtDefinition)


def build_specs(
    manifest: Manifest, translator: DagsterDbtTranslator, project: DbtProject | None, selection: DbtSelection
) -> tuple[list[dg.AssetSpec], list[dg.AssetCheckSpec]]:
    """Return the assets and checks of the selected part of a manifest, each asset with its definition.

    Raises:
        ConfigError: Two nodes have one asset key, or nothing is selected.
    """
    definition = DbtDefinition(manifest, translator, project, selection)
    note = definition_metadata(definition)
    ids = selected_ids(manifest, selection, project)
    specs: dict[str, dg.AssetSpec] = {}
    for uid in manifest["nodes"]:
        if uid not in ids or not is_asset_id(manifest, uid):
            continue
        if type(translator).get_asset_spec is DagsterDbtTranslator.get_asset_spec:
            specs[uid] = spec_of(translator, manifest, uid, project, note)
        else:
            specs[uid] = attach_definition(translator.get_asset_spec(manifest, uid, project), definition)
    if not specs:
        raise ConfigError(
            f"The dbt selection {selection} matches no model, seed or snapshot of the manifest.",
            hint="Check it with `dbt ls`.",
        )
    parents = {parent: definition.key(parent) for parent in parents_of(manifest, specs)}
    _check_unique(manifest, {**parents, **{uid: spec.key for uid, spec in specs.items()}}, translator)
    checks = _check_specs(definition, ids=ids, specs=specs, parents=parents)
    save_lineage(translator, manifest)
    definition.nodes = frozenset(specs)
    definition.tests = {uid: attached for uid, (attached, _) in checks.items()}
    definition.other_tests = frozenset(uid for uid in ids - checks.keys() if is_test_id(uid))
    return list(specs.values()), [check for _, check in checks.values()]


def _check_specs(
    definition: DbtDefinition,
    *,
    ids: frozenset[str],
    specs: Mapping[str, dg.AssetSpec],
    parents: Mapping[str, dg.AssetKey],
) -> dict[str, tuple[str, dg.AssetCheckSpec]]:
    """Return each selected test on one of the assets, or on a source that one of them reads.

    Each comes with the unique id of what it is about, and its check.
    """
    manifest, translator, project = definition.manifest, definition.translator, definition.project
    settings = translator.settings
    found: dict[str, tuple[str, dg.AssetCheckSpec]] = {}
    sources: dict[str, dg.AssetSpec] = {}
    for uid in manifest["nodes"] if settings.enable_asset_checks else ():
        if uid not in ids or not uid.startswith("test."):
            continue
        attached = attached_node(manifest, node_of(manifest, uid)) or ""
        spec = specs.get(attached)
        if attached.startswith("source.") and attached in parents and settings.enable_source_tests_as_checks:
            if attached not in sources:
                sources[attached] = translator.get_asset_spec(manifest, attached, project)
            spec = sources[attached]
        check = translator.get_asset_check_spec(spec, manifest, uid, project) if spec else None
        if check is not None:
            found[uid] = attached, check
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
