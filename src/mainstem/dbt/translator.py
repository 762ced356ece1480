"""From a dbt node to an asset: the one place to override what an asset is called and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from mainstem.assets import condition_of_policy, table_metadata
from mainstem.dbt import props
from mainstem.dbt.code_version import with_what_it_is_made_of
from mainstem.dbt.manifest import (
    Manifest,
    Node,
    attached_node,
    dagster_meta,
    node_of,
    upstream_ids,
)
from mainstem.dbt.project import DbtProject
from mainstem.dbt.settings import DagsterDbtTranslatorSettings
from mainstem.errors import ConfigError

if TYPE_CHECKING:
    from mainstem.dbt.planned_lineage import PlannedLineage

__all__ = [
    "UNIQUE_ID",
    "DagsterDbtTranslator",
    "check_name",
    "key_of",
    "save_lineage",
    "spec_of",
]

#: The metadata key under which an asset, and a check, has the unique id of its dbt node: the official one.
UNIQUE_ID = "dagster_dbt/unique_id"


class DagsterDbtTranslator:
    """Says which asset a dbt node is. Subclass it to say it differently.

    Override ``get_asset_spec`` to change anything about an asset, with ``super().get_asset_spec(...)`` as the
    start; a changed key is followed by whatever depends on it. The other ``get_...`` methods each give one
    attribute, from the node as it stands in dbt's manifest.

    Args:
        settings: What of the project becomes part of the graph.

    Example:
        >>> class InGroups(DagsterDbtTranslator):
        ...     def get_asset_spec(self, manifest, unique_id, project):
        ...         spec = super().get_asset_spec(manifest, unique_id, project)
        ...         return spec.replace_attributes(key=spec.key.with_prefix("warehouse"))
        >>> node = {"unique_id": "model.shop.orders", "name": "orders", "resource_type": "model"}
        >>> manifest = {"nodes": {node["unique_id"]: node}}
        >>> InGroups().get_asset_spec(manifest, "model.shop.orders", None).key.to_user_string()
        'warehouse/orders'
    """

    def __init__(self, settings: DagsterDbtTranslatorSettings | None = None) -> None:
        self._settings = settings

    @property
    def settings(self) -> DagsterDbtTranslatorSettings:
        """The settings. The defaults, also where a subclass does not call ``super().__init__()``."""
        return getattr(self, "_settings", None) or DagsterDbtTranslatorSettings()

    def get_resource_props(self, manifest: Manifest, unique_id: str) -> Mapping[str, Any]:
        """Return the node as it stands in the manifest.

        Raises:
            ConfigError: The manifest has no such node.
        """
        return node_of(manifest, unique_id)

    def get_asset_spec(self, manifest: Manifest, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Return the asset that a model, seed, snapshot or source is.

        Args:
            manifest: dbt's manifest.
            unique_id: The node.
            project: The project, where ``@dbt_assets`` was given one.

        Raises:
            ConfigError: The manifest has no such node, or code references are asked for without a project.
        """
        return spec_of(self, manifest, unique_id, project)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Manifest, unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """Return the asset check that a data test is.

        A test with severity ``error`` on a node that dbt builds is blocking. One on a source is not: the
        source is built elsewhere, and its other readers do not wait for dbt.

        Args:
            asset_spec: The asset that the test is about.
            manifest: dbt's manifest.
            unique_id: The test.
            project: The project, where ``@dbt_assets`` was given one.

        Returns:
            ``None`` where the settings have no checks.
        """
        if not self.settings.enable_asset_checks:
            return None
        test = self.get_resource_props(manifest, unique_id)
        attached = attached_node(manifest, test)
        severity = ((test.get("config") or {}).get("severity") or "error").lower()
        others = [parent for parent in upstream_ids(manifest, test) if parent != attached]
        return dg.AssetCheckSpec(
            name=check_name(test),
            asset=asset_spec.key,
            description=test.get("description") or None,
            additional_deps={key_of(self, manifest, other, project) for other in others} - {asset_spec.key},
            blocking=severity == "error" and not str(attached).startswith("source."),
            metadata={UNIQUE_ID: unique_id},
        )

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return the asset's key.

        By default ``meta.dagster.asset_key``; else ``[source, table]`` for a source and ``[schema, name]``
        for any other node, without the schema where the project configures none for it.
        """
        return props.asset_key(dbt_resource_props)

    def get_partition_mapping(
        self,
        dbt_resource_props: Mapping[str, Any],  # noqa: ARG002 - for those who override it
        dbt_parent_resource_props: Mapping[str, Any],  # noqa: ARG002 - for those who override it
    ) -> dg.PartitionMapping | None:
        """Return how the node's partitions follow from its parent's. Dagster decides by default."""
        return None

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the description: by default the project's, and the SQL before dbt compiles it."""
        return props.description(dbt_resource_props)

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the metadata: by default the table's name, its documented columns, how dbt builds it."""
        return props.default_metadata_from_dbt_resource_props(dbt_resource_props)

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the tags: by default dbt's, each as a key without a value."""
        return props.tags(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the group: by default ``meta.dagster.group``, else dbt's."""
        return props.default_group_from_dbt_resource_props(dbt_resource_props)

    def get_code_version(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the code version: by default a hash of the node's SQL.

        Unless this is overridden, the asset's code version also changes with the project's macros and the
        ephemeral models that the node is made of.
        """
        return props.code_version(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the owners: by default ``meta.dagster.owners``, else the address of the dbt group's owner.

        Here, and only here, ``group`` in the properties is the group's own properties, not its name.
        """
        return props.owners(dbt_resource_props)

    def get_auto_materialize_policy(
        self, dbt_resource_props: Mapping[str, Any]
    ) -> dg.AutoMaterializePolicy | None:
        """Return the older kind of automation: by default ``meta.dagster.auto_materialize_policy``."""
        return props.policy(dbt_resource_props)

    def get_automation_condition(
        self,
        dbt_resource_props: Mapping[str, Any],
    ) -> dg.AutomationCondition[Any] | None:
        """Return when Dagster builds the asset by itself: by default, as the older policy says."""
        return condition_of_policy(self, dbt_resource_props)

    def get_partitions_def(
        self,
        dbt_resource_props: Mapping[str, Any],  # noqa: ARG002 - for those who override it
    ) -> dg.PartitionsDefinition[Any] | None:
        """Return the asset's own partitions. By default it has those of its ``@dbt_assets``."""
        return None


@dataclass
class _Memory:
    """What a translator remembers of one manifest: a node is another's parent many times."""

    manifest: Manifest | None = None
    keys: dict[str, dg.AssetKey] = field(default_factory=dict)
    lineage: PlannedLineage | None = None


def _memory(translator: DagsterDbtTranslator, manifest: Manifest) -> _Memory:
    memory: _Memory | None = getattr(translator, "_memory", None)
    if memory is None or memory.manifest is not manifest:
        memory = _Memory(manifest)
        translator._memory = memory  # type: ignore[attr-defined]  # a subclass may not call __init__
    return memory


def _overrides(translator: DagsterDbtTranslator, method: str) -> bool:
    return getattr(type(translator), method) is not getattr(DagsterDbtTranslator, method)


def key_of(
    translator: DagsterDbtTranslator, manifest: Manifest, unique_id: str, project: DbtProject | None
) -> dg.AssetKey:
    """Return the key of a node's asset, also where only ``get_asset_spec`` is overridden."""
    keys = _memory(translator, manifest).keys
    if unique_id not in keys:
        if _overrides(translator, "get_asset_spec"):
            keys[unique_id] = translator.get_asset_spec(manifest, unique_id, project).key
        else:
            keys[unique_id] = translator.get_asset_key(translator.get_resource_props(manifest, unique_id))
    return keys[unique_id]


def spec_of(
    translator: DagsterDbtTranslator,
    manifest: Manifest,
    unique_id: str,
    project: DbtProject | None,
    more: Mapping[str, Any] | None = None,
) -> dg.AssetSpec:
    """Return the asset of a node, with each attribute from the translator's method for it.

    Args:
        translator: Says which asset a node is.
        manifest: dbt's manifest.
        unique_id: The node.
        project: The project, where ``@dbt_assets`` was given one.
        more: More metadata.

    Raises:
        ConfigError: The manifest has no such node, or code references are asked for without a project.
    """
    node = translator.get_resource_props(manifest, unique_id)
    adapter = (manifest.get("metadata") or {}).get("adapter_type")
    materialized = (node.get("config") or {}).get("materialized")
    kinds = {"dbt", *([adapter] if adapter else [])}
    virtual: dict[str, Any] = {}
    if translator.settings.enable_dbt_views_as_virtual_assets and materialized == "view":
        kinds.add("view")
        virtual = {"is_virtual": True}
    return dg.AssetSpec(
        key=translator.get_asset_key(node),
        deps=_deps(translator, manifest, node, project),
        description=translator.get_description(node),
        metadata={
            **table_metadata(None, adapter),
            **translator.get_metadata(node),
            **_code_references(translator, node, project),
            **_column_lineage(translator, manifest, unique_id, project),
            UNIQUE_ID: unique_id,
            **(more or {}),
        },
        skippable=True,
        group_name=translator.get_group_name(node),
        code_version=_code_version(translator, manifest, node),
        automation_condition=translator.get_automation_condition(node),
        owners=translator.get_owners(_with_group(manifest, node)),
        tags=translator.get_tags(node),
        kinds=kinds,
        partitions_def=translator.get_partitions_def(node),
        **virtual,
    )


def _deps(
    translator: DagsterDbtTranslator, manifest: Manifest, node: Node, project: DbtProject | None
) -> list[dg.AssetDep]:
    mapped = _overrides(translator, "get_partition_mapping")
    deps: dict[dg.AssetKey, dg.AssetDep] = {}
    for parent_id in upstream_ids(manifest, node):
        key = key_of(translator, manifest, parent_id, project)
        mapping = metadata = None
        if mapped:
            parent = translator.get_resource_props(manifest, parent_id)
            mapping = translator.get_partition_mapping(node, parent)
        if parent_id.startswith("source."):
            metadata = _source_metadata(translator, manifest, parent_id)
        deps[key] = dg.AssetDep(key, partition_mapping=mapping, metadata=metadata)
    if mapped and dagster_meta(node).get("has_self_dependency"):
        mapping = translator.get_partition_mapping(node, node)
        if mapping is not None:
            key = translator.get_asset_key(node)
            deps[key] = dg.AssetDep(key, partition_mapping=mapping)
    return list(deps.values())


def _source_metadata(
    translator: DagsterDbtTranslator, manifest: Manifest, source_id: str
) -> Mapping[str, Any] | None:
    settings = translator.settings
    # Two sources under one key would contradict each other.
    if not settings.enable_source_metadata or settings.enable_duplicate_source_asset_keys:
        return None
    adapter = (manifest.get("metadata") or {}).get("adapter_type")
    source = translator.get_resource_props(manifest, source_id)
    return {**table_metadata(None, adapter), **translator.get_metadata(source)}


def _code_references(
    translator: DagsterDbtTranslator, node: Node, project: DbtProject | None
) -> dict[str, Any]:
    if not translator.settings.enable_code_references:
        return {}
    if project is None:
        raise ConfigError(
            "Code references need to know where the dbt project is.",
            hint="Give @dbt_assets a DbtProject as `project`, or leave enable_code_references off.",
        )
    file = Path(project.project_dir, node["original_file_path"]).absolute()
    reference = dg.LocalFileCodeReference(file_path=str(file))
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def _column_lineage(
    translator: DagsterDbtTranslator, manifest: Manifest, unique_id: str, project: DbtProject | None
) -> dict[str, Any]:
    if not translator.settings.enable_column_lineage:
        return {}
    # It takes a while to import, and only those who ask for lineage wait for it.
    from mainstem.dbt.planned_lineage import PlannedLineage  # noqa: PLC0415

    memory = _memory(translator, manifest)
    if memory.lineage is None:
        memory.lineage = PlannedLineage(manifest, getattr(manifest, "folder", None))
    deps = {
        column: [
            dg.TableColumnDep(key_of(translator, manifest, each.unique_id, project), each.column)
            for each in origins
        ]
        for column, origins in memory.lineage.of(unique_id).columns.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)} if deps else {}


def save_lineage(translator: DagsterDbtTranslator, manifest: Manifest) -> None:
    """Keep the lineage that was worked out for the assets of a manifest, for the next time."""
    lineage = _memory(translator, manifest).lineage
    if lineage is not None:
        lineage.save()


def _code_version(translator: DagsterDbtTranslator, manifest: Manifest, node: Node) -> str | None:
    own = translator.get_code_version(node)
    if own is None or _overrides(translator, "get_code_version"):
        return own
    return with_what_it_is_made_of(own, manifest, node)


def check_name(test: Mapping[str, Any]) -> str:
    """Return the name of a test's check: the test's own, in the letters that Dagster allows."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", test["name"])


def _with_group(manifest: Manifest, node: Mapping[str, Any]) -> Mapping[str, Any]:
    name = node.get("group") or (node.get("config") or {}).get("group")
    groups = (manifest.get("groups") or {}).values() if name else ()
    group = next((group for group in groups if group["name"] == name), None)
    return {**node, "group": group} if group else node
