"""From a dbt node to an asset: the one place to override what an asset is called and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from mainstem.assets import condition_of_policy, table_metadata
from mainstem.dbt import props
from mainstem.dbt.manifest import Manifest, attached_node, node_of, upstream_ids
from mainstem.dbt.project import DbtProject
from mainstem.errors import ConfigError

__all__ = ["UNIQUE_ID", "DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "check_name", "key_of"]

#: The metadata key under which an asset, and a check, carries the unique id of its dbt node.
UNIQUE_ID = "dbt/unique_id"


@dataclass(frozen=True)
class DagsterDbtTranslatorSettings:
    """What of a dbt project becomes part of the asset graph.

    Attributes:
        enable_asset_checks: dbt's data tests are asset checks.
        enable_duplicate_source_asset_keys: Several dbt sources may have the same asset key.
        enable_code_references: Assets point at their file. Needs a ``DbtProject`` in ``@dbt_assets``.
        enable_dbt_selection_by_name: Where only some nodes are selected, name them to dbt by their short
            name instead of the fully qualified one.
        enable_source_tests_as_checks: dbt's data tests on sources are asset checks too. (In dagster-dbt this
            is off unless asked for.)
        enable_source_metadata: The dependency on a dbt source says which table it is.
        enable_dbt_views_as_virtual_assets: Models that dbt builds as views are virtual assets.
    """

    enable_asset_checks: bool = True
    enable_duplicate_source_asset_keys: bool = False
    enable_code_references: bool = False
    enable_dbt_selection_by_name: bool = False
    enable_source_tests_as_checks: bool = True
    enable_source_metadata: bool = True
    enable_dbt_views_as_virtual_assets: bool = False


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
        node = self.get_resource_props(manifest, unique_id)
        adapter = (manifest.get("metadata") or {}).get("adapter_type")
        materialized = (node.get("config") or {}).get("materialized")
        kinds = {"dbt", *([adapter] if adapter else [])}
        virtual: dict[str, Any] = {}
        if self.settings.enable_dbt_views_as_virtual_assets and materialized == "view":
            kinds.add("view")
            virtual = {"is_virtual": True}
        return dg.AssetSpec(
            key=self.get_asset_key(node),
            deps=self._deps(manifest, node, project),
            description=self.get_description(node),
            metadata={
                **table_metadata(None, adapter),
                **self.get_metadata(node),
                **self._code_references(node, project),
                UNIQUE_ID: unique_id,
            },
            skippable=True,
            group_name=self.get_group_name(node),
            code_version=self.get_code_version(node),
            automation_condition=self.get_automation_condition(node),
            owners=self.get_owners(_with_group(manifest, node)),
            tags=self.get_tags(node),
            kinds=kinds,
            partitions_def=self.get_partitions_def(node),
            **virtual,
        )

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
        return props.metadata(dbt_resource_props)

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the tags: by default dbt's, each as a key without a value."""
        return props.tags(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the group: by default ``meta.dagster.group``, else dbt's."""
        return props.group_name(dbt_resource_props)

    def get_code_version(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the code version: by default a hash of the node's SQL."""
        return props.code_version(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the owners: by default ``meta.dagster.owners``, else the address of the dbt group's owner.

        Here, and only here, ``group`` in the properties is the group's own properties, not its name.
        """
        return props.owners(dbt_resource_props)

    def get_automation_condition(
        self,
        dbt_resource_props: Mapping[str, Any],
    ) -> dg.AutomationCondition[Any] | None:
        """Return when Dagster builds the asset by itself: never, unless an older project's policy says so."""
        return condition_of_policy(self, dbt_resource_props)

    def get_partitions_def(
        self,
        dbt_resource_props: Mapping[str, Any],  # noqa: ARG002 - for those who override it
    ) -> dg.PartitionsDefinition[Any] | None:
        """Return the asset's own partitions. By default it has those of its ``@dbt_assets``."""
        return None

    def _deps(
        self, manifest: Manifest, node: Mapping[str, Any], project: DbtProject | None
    ) -> list[dg.AssetDep]:
        deps: dict[dg.AssetKey, dg.AssetDep] = {}
        for parent_id in upstream_ids(manifest, node):
            parent = self.get_resource_props(manifest, parent_id)
            key = key_of(self, manifest, parent_id, project)
            deps[key] = dg.AssetDep(
                key,
                partition_mapping=self.get_partition_mapping(node, parent),
                metadata=self._source_metadata(manifest, parent),
            )
        return list(deps.values())

    def _source_metadata(self, manifest: Manifest, parent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        # Two sources under one key would contradict each other.
        if (
            parent["resource_type"] != "source"
            or not self.settings.enable_source_metadata
            or self.settings.enable_duplicate_source_asset_keys
        ):
            return None
        adapter = (manifest.get("metadata") or {}).get("adapter_type")
        return {**table_metadata(None, adapter), **self.get_metadata(parent)}

    def _code_references(self, node: Mapping[str, Any], project: DbtProject | None) -> dict[str, Any]:
        if not self.settings.enable_code_references:
            return {}
        if project is None:
            raise ConfigError(
                "Code references need to know where the dbt project is.",
                hint="Give @dbt_assets a DbtProject as `project`, or leave enable_code_references off.",
            )
        file = Path(project.project_dir, node["original_file_path"]).absolute()
        reference = dg.LocalFileCodeReference(file_path=str(file))
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def key_of(
    translator: DagsterDbtTranslator, manifest: Manifest, unique_id: str, project: DbtProject | None
) -> dg.AssetKey:
    """Return the key of a node's asset, also where only ``get_asset_spec`` is overridden.

    Such a spec brings the keys of all that is above it, so they are remembered, for one manifest at a time.
    """
    if type(translator).get_asset_spec is DagsterDbtTranslator.get_asset_spec:
        return translator.get_asset_key(translator.get_resource_props(manifest, unique_id))
    nothing: tuple[Manifest | None, dict[str, dg.AssetKey]] = (None, {})
    remembered, keys = getattr(translator, "_keys", nothing)
    if remembered is not manifest:
        keys = {}
        translator._keys = (manifest, keys)  # type: ignore[attr-defined]  # a subclass may not call __init__
    if unique_id not in keys:
        keys[unique_id] = translator.get_asset_spec(manifest, unique_id, project).key
    return keys[unique_id]


def check_name(test: Mapping[str, Any]) -> str:
    """Return the name of a test's check: the test's own, in the letters that Dagster allows."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", test["name"])


def _with_group(manifest: Manifest, node: Mapping[str, Any]) -> Mapping[str, Any]:
    name = node.get("group") or (node.get("config") or {}).get("group")
    groups = (manifest.get("groups") or {}).values() if name else ()
    group = next((group for group in groups if group["name"] == name), None)
    return {**node, "group": group} if group else node
