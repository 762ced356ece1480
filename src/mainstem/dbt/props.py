"""What a dbt node says of itself, in Dagster's words. Each function takes the node as the manifest has it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

import dagster as dg

from mainstem.assets import column_metadata, table_metadata
from mainstem.dbt.manifest import Node, dagster_meta
from mainstem.report import ReportedColumn

__all__ = ["asset_key", "code_version", "description", "group_name", "metadata", "owners", "relation", "tags"]

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
    code = node.get("raw_code")
    if not code:
        return said
    return f"{said}\n\n#### Raw SQL:\n```sql\n{indent(code, '    ')}\n```"


def relation(node: Node) -> str | None:
    """Return the name of the node's table, with its database and schema where the manifest knows them."""
    name = node.get("identifier") if node["resource_type"] == "source" else node.get("alias")
    parts = [node.get("database"), node.get("schema"), name or node["name"]]
    return ".".join(part for part in parts if part)


def metadata(node: Node) -> Mapping[str, Any]:
    """Return the table's name, its columns as far as the project documents them, and how dbt builds it."""
    columns = [_column(name, column) for name, column in (node.get("columns") or {}).items()]
    materialized = (node.get("config") or {}).get("materialized")
    return {
        **({"dbt/materialized": materialized} if materialized else {}),
        **table_metadata(relation(node), None),
        **column_metadata(columns),
    }


def _column(name: str, column: Mapping[str, Any]) -> ReportedColumn:
    constraints = {constraint.get("type") for constraint in column.get("constraints") or ()}
    return ReportedColumn(
        name=column.get("name") or name,
        type=column.get("data_type") or "?",
        nullable=not constraints & {"not_null", "primary_key"},
        description=column.get("description") or None,
    )


def tags(node: Node) -> Mapping[str, str]:
    """Return dbt's tags as keys without a value. A tag that Dagster's rules forbid is left out."""
    return {tag: "" for tag in node.get("tags") or () if _TAG_KEY.fullmatch(tag)}


def group_name(node: Node) -> str | None:
    """Return the group from ``meta.dagster.group``, else dbt's own."""
    group: str | None = dagster_meta(node).get("group") or (node.get("config") or {}).get("group")
    return group


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
    code = node.get("raw_code")
    if code:
        return hashlib.sha256(code.encode()).hexdigest()
    checksum: str | None = (node.get("checksum") or {}).get("checksum")
    return checksum or None
