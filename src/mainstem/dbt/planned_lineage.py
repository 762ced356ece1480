"""Column lineage before the first run: from the SQL that the manifest has.

A manifest that dbt compiled has it. One that dbt only parsed has it before Jinja: where that is nothing but
``ref``, ``source`` and ``config``, we know what dbt will make of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mainstem.dbt.fastjson import loads
from mainstem.dbt.lineage import Table, column_lineage, dialect_of
from mainstem.dbt.manifest import Manifest, Node, is_asset_id, node_of, upstream_ids
from mainstem.dbt.props import relation_parts

__all__ = ["PlannedLineage"]

_CACHE = "mainstem_column_lineage.json"
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_CONFIG = re.compile(r"\{\{-?\s*config\s*\((?:[^{}]|\{[^{}]*\})*\)\s*-?\}\}")
_REFERENCE = re.compile(
    r"""\{\{-?\s*(ref|source)\s*\(\s*['"](\w+)['"]\s*(?:,\s*['"](\w+)['"]\s*)?\)\s*-?\}\}"""
)
_JINJA = re.compile(r"\{[{%#]")

Lineage = Mapping[str, Sequence[tuple[str, str]]]


class PlannedLineage:
    """Tells the lineage of the nodes of one manifest.

    What it has worked out is kept in a file beside the manifest, by the content that it follows from.

    Args:
        manifest: dbt's manifest.
        folder: Where to keep it. ``None`` keeps nothing.
    """

    def __init__(self, manifest: Manifest, folder: Path | None) -> None:
        self._manifest = manifest
        self._dialect = dialect_of((manifest.get("metadata") or {}).get("adapter_type"))
        self._file = folder / _CACHE if folder else None
        self._kept: dict[str, Any] = self._load()
        self._used: dict[str, Any] = {}
        self._of: dict[str, Lineage] = {}

    def of(self, unique_id: str) -> Lineage:
        """Return the upstream columns of each column of a node, as unique ids and names, as far as known."""
        if unique_id not in self._of:
            self._of[unique_id] = {}  # whoever is upstream of itself
            self._of[unique_id] = self._find(unique_id)
        return self._of[unique_id]

    def save(self) -> None:
        """Keep what was worked out. Where the folder cannot be written, it is worked out again next time."""
        if self._file is None or self._used.keys() == self._kept.keys():
            return
        own = self._file.with_name(f"{_CACHE}-{uuid.uuid4().hex[:8]}")
        with suppress(OSError):
            own.write_text(json.dumps(self._used), encoding="utf-8")
            own.replace(self._file)

    def _load(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            kept = loads(self._file.read_bytes()) if self._file else {}
            return kept if isinstance(kept, dict) else {}
        return {}

    def _find(self, unique_id: str) -> Lineage:
        node = node_of(self._manifest, unique_id)
        sql = self._sql(node)
        if sql is None:
            return {}
        parents = upstream_ids(self._manifest, node)
        tables = [self._table(parent) for parent in parents]
        queries = dict(self._queries(node))
        said = json.dumps([sql, queries, [vars(table) for table in tables], self._dialect])
        digest = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
        found = self._kept.get(digest)
        if found is None:
            traced = column_lineage(sql, dialect=self._dialect, tables=tables, queries=queries)
            found = {
                column: [[origin.unique_id, origin.column] for origin in origins]
                for column, origins in traced.items()
            }
        self._used[digest] = found
        return {column: [(uid, name) for uid, name in origins] for column, origins in found.items()}

    def _table(self, unique_id: str) -> Table:
        node = node_of(self._manifest, unique_id)
        database, schema, name = relation_parts(node)
        # Of a table that no query makes, the project tells the columns, if it does.
        columns = list(self.of(unique_id)) or [str(column) for column in node.get("columns") or ()]
        return Table(unique_id, name, schema, database, columns or None)

    def _queries(self, node: Node) -> Iterator[tuple[str, str]]:
        """Yield the queries of the ephemeral models that a node reads, by the name that they have in it."""
        for parent_id in (node.get("depends_on") or {}).get("nodes") or ():
            if parent_id.startswith("model.") and not is_asset_id(self._manifest, parent_id):
                parent = node_of(self._manifest, parent_id)
                yield _inner_name(parent), self._sql(parent) or ""
                yield from self._queries(parent)

    def _sql(self, node: Node) -> str | None:
        """Return the SQL of a node, or ``None`` where the manifest does not have it."""
        compiled: str | None = node.get("compiled_code")
        if compiled or node.get("language", "sql") != "sql":
            return compiled
        code = _CONFIG.sub("", _COMMENT.sub("", node.get("raw_code") or ""))
        ids = (node.get("depends_on") or {}).get("nodes") or ()
        parents = [node_of(self._manifest, parent_id) for parent_id in ids]
        rendered = _REFERENCE.sub(lambda match: _relation(match, parents) or match[0], code)
        return None if _JINJA.search(rendered) or not rendered.strip() else rendered


def _relation(match: re.Match[str], parents: Sequence[Node]) -> str | None:
    """Return what dbt writes for a ``ref`` or a ``source``, or ``None`` where it is not clear."""
    kind, first, second = match.groups()
    if kind == "source":
        found = [node for node in parents if (node.get("source_name"), node["name"]) == (first, second)]
    else:
        package, name = (first, second) if second else (None, first)
        named = [node for node in parents if node["name"] == name and node["resource_type"] != "source"]
        found = [node for node in named if package in (None, node["package_name"])]
    if len(found) != 1:
        return None
    return found[0].get("relation_name") or _inner_name(found[0])


def _inner_name(node: Node) -> str:
    return f"__dbt__cte__{node['name']}"
