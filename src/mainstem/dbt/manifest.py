"""A dbt manifest: read once, and walked the way an asset graph needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mainstem.dbt.manifest_file import ManifestFile
from mainstem.errors import ConfigError

__all__ = [
    "DbtManifestParam",
    "Manifest",
    "Node",
    "attached_node",
    "dagster_meta",
    "did_you_mean",
    "fqns_of",
    "is_asset",
    "is_asset_id",
    "is_test_id",
    "node_of",
    "parents_of",
    "read_manifest",
    "upstream_ids",
]

Manifest = Mapping[str, Any]
Node = Mapping[str, Any]
DbtManifestParam = Mapping[str, Any] | str | Path

_ASSET_TYPES = frozenset({"model", "seed", "snapshot"})
# Where a manifest keeps the nodes of its graph.
_COLLECTIONS = (
    "nodes",
    "sources",
    "exposures",
    "metrics",
    "semantic_models",
    "saved_queries",
    "unit_tests",
    "functions",
)
# Those of them that dbt's commands do something about.
_BUILT = ("nodes", "unit_tests", "functions")

# One manifest a path: the one whose content was there when it was last asked for.
_read: dict[Path, tuple[bytes, Manifest]] = {}


def read_manifest(manifest: DbtManifestParam) -> Manifest:
    """Return the manifest. A file is gone through once for each content that it has.

    Args:
        manifest: The path of a ``manifest.json``, or its content.

    Raises:
        ConfigError: There is no such file, or it is no manifest.
    """
    if isinstance(manifest, Mapping):
        return _checked(manifest, "The manifest")
    path = Path(manifest).absolute()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The dbt manifest {path} cannot be read: {error.strerror or error}.",
            hint="Run `dbt parse` in the project, or call DbtProject.prepare_if_dev() before @dbt_assets.",
        ) from error
    digest = hashlib.blake2b(content).digest()
    known = _read.get(path)
    if known is None or known[0] != digest:
        try:
            parsed = ManifestFile(content, path.parent)
        except ValueError as error:
            raise ConfigError(
                f"The dbt manifest {path} is not JSON: {error}.", hint="Run `dbt parse` to write it anew."
            ) from error
        known = _read[path] = (digest, _checked(parsed, str(path)))
    return known[1]


def _checked(manifest: object, name: str) -> Manifest:
    if isinstance(manifest, Mapping) and isinstance(manifest.get("nodes"), Mapping):
        return manifest
    raise ConfigError(f"{name} is no dbt manifest: it has no nodes.", hint="Pass dbt's manifest.json.")


def node_of(manifest: Manifest, unique_id: str) -> Node:
    """Return the node with this unique id, of whatever type it is.

    Raises:
        ConfigError: The manifest has none.
    """
    for collection in _COLLECTIONS:
        node: Node | None = (manifest.get(collection) or {}).get(unique_id)
        if node is not None:
            return node
    raise ConfigError(
        f"The dbt manifest has no node {unique_id}.",
        hint="Run `dbt parse` in the project to write the manifest anew.",
    )


def fqns_of(manifest: Manifest) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the unique id of whatever dbt builds or tests, with its path of names from the package on."""
    for collection in _BUILT:
        nodes = manifest.get(collection) or {}
        if nodes and isinstance(manifest, ManifestFile):
            yield from manifest.fqns(collection)
        else:
            yield from ((unique_id, node["fqn"]) for unique_id, node in nodes.items())


def is_asset(node: Node) -> bool:
    """Whether the node is a table, a view or the like: a model that is not ephemeral, a seed, a snapshot."""
    if node["resource_type"] not in _ASSET_TYPES:
        return False
    return (node.get("config") or {}).get("materialized") != "ephemeral"


def is_asset_id(manifest: Manifest, unique_id: str) -> bool:
    """Whether the node with this unique id is an asset, as ``is_asset`` says.

    Raises:
        ConfigError: The manifest has no such node.
    """
    if not isinstance(manifest, ManifestFile) or unique_id not in manifest["nodes"]:
        return is_asset(node_of(manifest, unique_id))
    # A unique id starts with the resource type.
    return unique_id.split(".", 1)[0] in _ASSET_TYPES and unique_id not in manifest.ephemeral


def is_test_id(unique_id: str) -> bool:
    """Whether the node with this unique id is a data test or a unit test."""
    return unique_id.startswith(("test.", "unit_test."))


def upstream_ids(manifest: Manifest, node: Node) -> list[str]:
    """Return the assets and sources that the node reads, in dbt's order.

    What is no asset itself, such as an ephemeral model, is looked through.
    """
    return list(dict.fromkeys(_upstream(manifest, node, set())))


def parents_of(manifest: Manifest, unique_ids: Iterable[str]) -> set[str]:
    """Return the assets and sources that any of these nodes reads."""
    return {parent for uid in unique_ids for parent in upstream_ids(manifest, node_of(manifest, uid))}


def _upstream(manifest: Manifest, node: Node, seen: set[str]) -> Iterator[str]:
    for parent_id in (node.get("depends_on") or {}).get("nodes") or ():
        if parent_id in seen:
            continue
        seen.add(parent_id)
        if parent_id.startswith("source.") or is_asset_id(manifest, parent_id):
            yield parent_id
        else:
            yield from _upstream(manifest, node_of(manifest, parent_id), seen)


def dagster_meta(node: Node) -> Mapping[str, Any]:
    """Return what ``meta.dagster`` says, where dbt lets it stand: on the node or in its config."""
    on_node = (node.get("meta") or {}).get("dagster") or {}
    in_config = ((node.get("config") or {}).get("meta") or {}).get("dagster") or {}
    return {**on_node, **in_config}


def attached_node(manifest: Manifest, test: Node) -> str | None:
    """Return the unique id of the node that a data test is about.

    A generic test knows it. A singular test is about the one node that it reads, or about the one that its
    ``meta.dagster.ref`` names.

    Returns:
        ``None`` for a singular test over several nodes that names none.
    """
    reference = dagster_meta(test).get("ref")
    if reference:
        return _referenced(manifest, reference)
    attached: str | None = test.get("attached_node")
    if attached is not None:
        return attached
    parents = (test.get("depends_on") or {}).get("nodes") or []
    if str(test.get("file_key_name") or "").startswith("sources."):
        # dbt leaves attached_node empty where a generic test stands on a source.
        parents = [parent for parent in parents if parent.startswith("source.")]
    return parents[0] if len(parents) == 1 else None


def _referenced(manifest: Manifest, reference: Mapping[str, Any]) -> str | None:
    package = reference.get("package") or (manifest.get("metadata") or {}).get("project_name")
    wanted = (reference.get("name"), package, reference.get("version"))
    for unique_id, node in manifest["nodes"].items():
        if (node["name"], node["package_name"], node.get("version")) == wanted:
            return str(unique_id)
    return None


def did_you_mean(name: str, known: list[str]) -> str:
    """Return a hint that names what comes close, or what there is."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    shown = ", ".join(sorted(known)[:10]) or "none"
    return f"There are: {shown}{', ...' if len(known) > 10 else '.'}"  # noqa: PLR2004 - what fits a line
