"""Which code a model is made of, besides its own file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from mainstem.dbt.manifest import Manifest, Node, is_asset_id, node_of

__all__ = ["with_what_it_is_made_of"]


def with_what_it_is_made_of(own: str, manifest: Manifest, node: Node) -> str:
    """Return a code version that also changes with the macros and the ephemeral models of a node.

    dbt's own macros are left out: its next version is no new version of the project.

    Args:
        own: The code version of the node's own file. Returned as it is where the node is made of that alone.
        manifest: dbt's manifest.
        node: The node.
    """
    parts = sorted(set(_parts(manifest, node, set())))
    return hashlib.sha256("".join([own, *parts]).encode()).hexdigest() if parts else own


def _parts(manifest: Manifest, node: Node, seen: set[str]) -> Iterator[str]:
    depends_on = node.get("depends_on") or {}
    adapter = (manifest.get("metadata") or {}).get("adapter_type")
    for macro_id in depends_on.get("macros") or ():
        if macro_id not in seen and macro_id.split(".")[1] not in ("dbt", f"dbt_{adapter}"):
            seen.add(macro_id)
            macro = (manifest.get("macros") or {}).get(macro_id) or {}
            yield macro.get("macro_sql") or ""
            yield from _parts(manifest, macro, seen)
    for parent_id in depends_on.get("nodes") or ():
        is_code = parent_id.startswith("model.") and not is_asset_id(manifest, parent_id)
        if is_code and parent_id not in seen:
            seen.add(parent_id)
            parent = node_of(manifest, parent_id)
            yield parent.get("raw_code") or ""
            yield from _parts(manifest, parent, seen)
