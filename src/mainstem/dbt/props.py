"""What a dbt node says of itself, in Dagster's words. Each function takes the node as the manifest has it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

import dagster as dg

from mainstem.assets import table_metadata
from mainstem.dbt.manifest import Node, dagster_meta

__all__ = [
    "MATERIALIZED",
    "asset_key",
    "code_version",
    "default_group_from_dbt_resource_props",
    "default_metadata_from_dbt_resource_props",
    "description",
    "group_from_dbt_resource_props_fallback_to_directory",
    "owners",
    "policy",
    "relation",
    "relation_parts",
    "tags",
]

#: The metadata key that says how dbt builds an asset: the official one, which existing projects read.
MATERIALIZED = "dagster-dbt/materialization_type"

_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")


def asset_key(node: Node) -> dg.AssetKey:
    """Return the key: the configured one, else source and table, else configured schema, if any, and name."""
    configured = dagster_meta(node).get("asset_key")
    if configured:
        if isinstance(configured, str):
            return dg.AssetKey.from_user_string(configured)
        return dg.AssetKey(configured)
    if node["resource_type"] == "source":
        return dg.AssetKey([node["source_name"], node["name"]])
    if node.get("version"):
        return dg.AssetKey([node["alias"]])
    schema = (node.get("config") or {}).get("schema")
    return dg.AssetKey([schema, node["name"]] if schema else [node["name"]])


def description(node: Node) -> str:
    """Return what the project says of the node, and its SQL before dbt compiles it."""
    said = node.get("description") or f"dbt {node['resource_type']} {node['name']}"
    code = node.get("raw_code") or node.get("raw_sql")
    if not code:
        return said
    return f"{said}\n\n#### Raw SQL:\n```sql\n{indent(code, '    ')}\n```"


def relation(node: Node) -> str:
    """Return the name of the node's table, with its database and schema where the manifest knows them."""
    return ".".join(part for part in relation_parts(node) if part)


def relation_parts(node: Node) -> tuple[str | None, str | None, str]:
    """Return the database, the schema and the name of the node's table."""
    name = node.get("identifier") if node["resource_type"] == "source" else node.get("alias")
    return node.get("database"), node.get("schema"), name or node["name"]


def default_metadata_from_dbt_resource_props(dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata of a node: its table's name, its documented columns, and how dbt builds it.

    Args:
        dbt_resource_props: The node, as the manifest has it.

    Example:
        >>> node = {"resource_type": "model", "name": "orders", "schema": "shop"}
        >>> default_metadata_from_dbt_resource_props(node)
        {'dagster/table_name': 'shop.orders'}
    """
    materialized = (dbt_resource_props.get("config") or {}).get("materialized")
    columns = dbt_resource_props.get("columns")
    found: dict[str, Any] = {MATERIALIZED: materialized} if materialized else {}
    found.update(table_metadata(relation(dbt_resource_props), None))
    if columns:
        schema = dg.TableSchema(columns=[_column(name, column) for name, column in columns.items()])
        found["dagster/column_schema"] = schema
    return found


_NULLABLE = dg.TableColumnConstraints()
_NOT_NULLABLE = dg.TableColumnConstraints(nullable=False)


def _column(name: str, column: Mapping[str, Any]) -> dg.TableColumn:
    constraints = {constraint.get("type") for constraint in column.get("constraints") or ()}
    return dg.TableColumn(
        name=column.get("name") or name,
        type=column.get("data_type") or "?",
        description=column.get("description") or None,
        constraints=_NOT_NULLABLE if constraints & {"not_null", "primary_key"} else _NULLABLE,
        tags=dict.fromkeys(column.get("tags") or (), ""),
    )


def tags(node: Node) -> Mapping[str, str]:
    """Return dbt's tags as keys without a value. A tag that Dagster's rules forbid is left out."""
    return {tag: "" for tag in node.get("tags") or () if _TAG_KEY.fullmatch(tag)}


def default_group_from_dbt_resource_props(dbt_resource_props: Mapping[str, Any]) -> str | None:
    """Return the group of a node: ``meta.dagster.group``, else dbt's own group.

    Args:
        dbt_resource_props: The node, as the manifest has it.
    """
    dbt_group: str | None = (dbt_resource_props.get("config") or {}).get("group")
    return dagster_meta(dbt_resource_props).get("group") or dbt_group


def group_from_dbt_resource_props_fallback_to_directory(dbt_resource_props: Mapping[str, Any]) -> str | None:
    """Return the group of a node, or else the first folder under ``models`` that it is in.

    Args:
        dbt_resource_props: The node, as the manifest has it.

    Example:
        >>> group_from_dbt_resource_props_fallback_to_directory({"fqn": ["shop", "staging", "stg_orders"]})
        'staging'
    """
    group = default_group_from_dbt_resource_props(dbt_resource_props)
    if group is not None:
        return group
    folders: Sequence[str] = (dbt_resource_props.get("fqn") or ())[1:-1]
    return folders[0] if folders else None


def policy(node: Node) -> dg.AutoMaterializePolicy | None:
    """Return the policy from ``meta.dagster.auto_materialize_policy``, as older projects have it."""
    kind = (dagster_meta(node).get("auto_materialize_policy") or {}).get("type")
    if kind == "eager":
        return dg.AutoMaterializePolicy.eager()
    return dg.AutoMaterializePolicy.lazy() if kind == "lazy" else None


def owners(node: Node) -> Sequence[str] | None:
    """Return the owners from ``meta.dagster.owners``, else the address of the dbt group's owner.

    Args:
        node: The node, with its group's own properties under ``group``.
    """
    configured = dagster_meta(node).get("owners")
    if not configured:
        group = node.get("group")
        configured = (group.get("owner") or {}).get("email") if isinstance(group, Mapping) else None
    if not configured:
        return None
    return [configured] if isinstance(configured, str) else list(configured)


def code_version(node: Node) -> str | None:
    """Return a hash of the node's SQL, or dbt's checksum of the file where there is no SQL."""
    code = node.get("raw_code") or node.get("raw_sql")
    if code:
        return hashlib.sha256(code.encode()).hexdigest()
    checksum: str | None = (node.get("checksum") or {}).get("checksum")
    return checksum or None
