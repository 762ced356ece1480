"""Column lineage before the first run: from the SQL that the manifest has.

A manifest that dbt compiled has it. One that dbt only parsed has it before Jinja: where that is nothing but
``ref``, ``source`` and ``config``, we know what dbt will make of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mainstem._version import __version__
from mainstem.dbt.collector import collector_paused
from mainstem.dbt.fastjson import loads
from mainstem.dbt.lineage import Origin, QueryLineage, Table, dialect_of, trace_query
from mainstem.dbt.manifest import Manifest, Node, is_asset_id, node_of, upstream_ids
from mainstem.dbt.props import relation_parts

__all__ = ["PlannedLineage"]

_CACHE = "mainstem_column_lineage.json"
# What was worked out by other rules is worked out again. The last number counts changes of ours.
_RULES = f"mainstem {__version__}, sqlglot {version('sqlglot')}, 2"
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_CONFIG = re.compile(r"\{\{-?\s*config\s*\((?:[^{}]|\{[^{}]*\})*\)\s*-?\}\}")
_REFERENCE = re.compile(
    r"""\{\{-?\s*(ref|source)\s*\(\s*['"](\w+)['"]\s*(?:,\s*['"](\w+)['"]\s*)?\)\s*-?\}\}"""
)
_JINJA = re.compile(r"\{[{%#]")
# What has more columns than its query, or may have kept some of an older one.
_ADDS_COLUMNS = frozenset({"snapshot", "incremental"})


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
        self._kept: Mapping[str, Any] = self._load()
        self._used: dict[str, Any] = {}
        self._of: dict[str, QueryLineage] = {}
        # Each with what it says, as text.
        self._tables: dict[str, tuple[Table, str]] = {}

    def of(self, unique_id: str) -> QueryLineage:
        """Return the lineage of a node, as far as it is known. That of a source has no columns."""
        waiting, entered = [unique_id], set()
        while waiting:
            top = waiting[-1]
            above = self._parents(top) if top not in self._of and top not in entered else []
            entered.add(top)
            missing = [parent for parent in above if parent not in self._of and parent not in entered]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if top not in self._of:
                self._of[top] = self._find(top)
        return self._of[unique_id]

    def of_all(self, unique_ids: Iterable[str]) -> Mapping[str, QueryLineage]:
        """Return the lineage of several nodes, and keep it for the next time."""
        with collector_paused():
            found = {unique_id: self.of(unique_id) for unique_id in unique_ids}
            self.save()
        return found

    def save(self) -> None:
        """Keep what was worked out. Where the folder cannot be written, it is worked out again next time."""
        if self._file is None or self._used.keys() == self._kept.keys():
            return
        own = self._file.with_name(f"{_CACHE}-{uuid.uuid4().hex[:8]}")
        with suppress(OSError):
            own.write_text(json.dumps({"rules": _RULES, "found": self._used}), encoding="utf-8")
            own.replace(self._file)

    def _load(self) -> Mapping[str, Any]:
        with suppress(OSError, ValueError):
            kept = loads(self._file.read_bytes()) if self._file else None
            if isinstance(kept, dict) and kept.get("rules") == _RULES and isinstance(kept.get("found"), dict):
                found: Mapping[str, Any] = kept["found"]
                return found
        return {}

    def _parents(self, unique_id: str) -> Sequence[str]:
        return upstream_ids(self._manifest, node_of(self._manifest, unique_id))

    def _find(self, unique_id: str) -> QueryLineage:
        node = node_of(self._manifest, unique_id)
        if node["resource_type"] in {"source", "seed"}:
            return QueryLineage(complete=False)
        sql = self._sql(node)
        if sql is None:
            why = "is in Jinja" if node.get("language", "sql") == "sql" else "is not SQL"
            return QueryLineage(complete=False, problems=[f"what it is made by {why} before it has run"])
        parents = self._parents(unique_id)
        read = [self._table(parent) for parent in parents]
        tables = [table for table, _ in read]
        if unique_id not in parents:
            tables.append(self._own(node))
        queries = dict(self._queries(node))
        said = [unique_id, sql, *(text for _, text in read), json.dumps(queries), str(self._dialect)]
        digest = hashlib.blake2b("\0".join(said).encode(), digest_size=16).hexdigest()
        kept = self._kept.get(digest)
        found = _decoded(kept)
        if found is None:
            found = trace_query(sql, dialect=self._dialect, tables=tables, queries=queries, own=unique_id)
            kept = _encoded(found)
        self._used[digest] = kept
        return found

    def _table(self, unique_id: str) -> tuple[Table, str]:
        if unique_id not in self._tables:
            table = self._table_of(unique_id)
            self._tables[unique_id] = table, json.dumps(vars(table))
        return self._tables[unique_id]

    def _table_of(self, unique_id: str) -> Table:
        node = node_of(self._manifest, unique_id)
        found = self._of.get(unique_id, QueryLineage(complete=False))
        kind = (node.get("config") or {}).get("materialized")
        complete = found.complete and not found.problems and not {kind, node["resource_type"]} & _ADDS_COLUMNS
        # Of a table that no query makes, the project tells some of the columns, if it does.
        columns = list(found.columns) or [str(column) for column in node.get("columns") or ()]
        database, schema, name = relation_parts(node)
        return Table(unique_id, name, schema, database, columns or None, complete)

    def _own(self, node: Node) -> Table:
        database, schema, name = relation_parts(node)
        return Table(node["unique_id"], name, schema, database)

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


def _encoded(found: QueryLineage) -> Mapping[str, Any]:
    columns = {name: [[each.unique_id, each.column] for each in own] for name, own in found.columns.items()}
    rows = [[each.unique_id, each.column] for each in found.rows]
    return {
        "columns": columns,
        "rows": rows,
        "complete": found.complete,
        "problems": list(found.problems),
    }


def _decoded(kept: Any) -> QueryLineage | None:
    """What was kept; ``None`` where it is not what we write."""
    with suppress(TypeError, ValueError, KeyError, AttributeError):
        columns = {str(name): _origins(own) for name, own in kept["columns"].items()}
        problems = [str(each) for each in kept["problems"]]
        return QueryLineage(columns, _origins(kept["rows"]), kept["complete"] is True, problems)
    return None


def _origins(kept: Any) -> Sequence[Origin]:
    return [Origin(str(unique_id), str(column)) for unique_id, column in kept]
