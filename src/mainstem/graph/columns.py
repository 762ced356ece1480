"""The columns of a whole graph, and what each is made of, across tools."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import dagster as dg

from mainstem.assets import AssetColumns, stated_columns, wired_keys
from mainstem.errors import UnknownNameError

__all__ = ["ColumnGraph", "ColumnNode", "GraphColumn", "column_graph"]

_LINEAGE, _SCHEMA = "dagster/column_lineage", "dagster/column_schema"
_PARTS = re.compile(r"[./]")
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class GraphColumn:
    """A column of an asset.

    Attributes:
        asset: The asset.
        name: The column's name.
    """

    asset: dg.AssetKey
    name: str

    def __str__(self) -> str:
        return f"{'.'.join(self.asset.path)}.{self.name}"

    @property
    def same(self) -> tuple[dg.AssetKey, str]:
        """What two spellings of a column have in common: SQL hands names on in any case."""
        return self.asset, self.name.lower()


@dataclass(frozen=True)
class ColumnNode:
    """A column in a tree of its lineage.

    Attributes:
        column: The column.
        others: Those that it is made of, or that are made of it.
        seen: It stands elsewhere in the tree, with what follows from it.
    """

    column: GraphColumn
    others: Sequence[ColumnNode] = ()
    seen: bool = False

    def columns(self) -> Iterator[GraphColumn]:
        """All columns of the tree but this one."""
        for other in self.others:
            yield other.column
            yield from other.columns()


@dataclass
class ColumnGraph:
    """The columns of all assets, as far as they are known.

    Attributes:
        specs: The assets.
        checks: Which checks each asset has.
        opaque: The assets of whose columns nothing is known: they depend on all columns of what they read.
    """

    specs: Mapping[dg.AssetKey, dg.AssetSpec]
    checks: Mapping[dg.AssetKey, Sequence[str]]
    opaque: frozenset[dg.AssetKey] = frozenset()
    _up: dict[tuple[dg.AssetKey, str], dict[tuple[dg.AssetKey, str], None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _down: dict[tuple[dg.AssetKey, str], dict[tuple[dg.AssetKey, str], None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _named: dict[tuple[dg.AssetKey, str], GraphColumn] = field(default_factory=dict)

    def find(self, text: str) -> GraphColumn:
        """Return a column by its asset's key and its name: ``target.data.orders.amount``.

        Raises:
            UnknownNameError: There is no such asset or column. The closest name is in the message.
        """
        *path, name = _PARTS.split(text)
        wanted = (dg.AssetKey(path), name.lower()) if path else None
        if wanted in self._named:
            return self._named[wanted]
        near = get_close_matches(text, [str(column) for column in self._named.values()], n=1)
        if wanted is not None and wanted[0] in self.specs:
            own = [column.name for column in self._named.values() if column.asset == wanted[0]]
            told = (
                f"Its known columns are {', '.join(sorted(own))}." if own else "None of its columns is known."
            )
            said = f"Nothing is known of a column {name} of {'.'.join(path)}. {told}"
        else:
            assets = [".".join(key.path) for key in self.specs]
            near = near or get_close_matches(".".join(path), assets, n=1)
            said = f"There is no asset {'.'.join(path) or text}. A column is a key and a name: a.b.column."
        raise UnknownNameError(said, hint=f"Did you mean {near[0]}?" if near else None)

    def upstream(self, column: GraphColumn) -> ColumnNode:
        """What a column is made of, up to the sources."""
        return self._tree(column, self._up, set())

    def made_of(self, column: GraphColumn) -> Sequence[GraphColumn]:
        """The columns that a column is made of at once."""
        return [self._named[each] for each in self._up.get(column.same, ())]

    def downstream(self, column: GraphColumn) -> ColumnNode:
        """What is made of a column, down to the last."""
        return self._tree(column, self._down, set())

    def readers(self, column: GraphColumn) -> Sequence[dg.AssetKey]:
        """Assets that may depend on a column, which is not known by columns.

        Those that read it, or what is made of it, and do not tell in which of their columns; and all that is
        downstream of these.
        """
        touched = {column.asset, *(each.asset for each in self.downstream(column).columns())}
        found: set[dg.AssetKey] = set()
        waiting = [*touched]
        while waiting:
            key = waiting.pop()
            for reader in self._readers.get(key, ()):
                if reader not in found | touched and (key in found or reader in self.opaque):
                    found.add(reader)
                    waiting.append(reader)
        return sorted(found, key=lambda key: key.to_user_string())

    @cached_property
    def _readers(self) -> Mapping[dg.AssetKey, Sequence[dg.AssetKey]]:
        readers: dict[dg.AssetKey, list[dg.AssetKey]] = defaultdict(list)
        for spec in self.specs.values():
            for dep in spec.deps:
                readers[dep.asset_key].append(spec.key)
        return readers

    def columns_of(self, asset: dg.AssetKey) -> Sequence[GraphColumn]:
        """The known columns of an asset."""
        return [column for (key, _), column in self._named.items() if key == asset]

    def add(self, column: GraphColumn, origins: Sequence[GraphColumn] = ()) -> None:
        """Note a column, and what it is made of."""
        self._named.setdefault(column.same, column)
        for origin in origins:
            self._named.setdefault(origin.same, origin)
            self._up[column.same][origin.same] = None
            self._down[origin.same][column.same] = None

    @property
    def all(self) -> Sequence[GraphColumn]:
        """All columns that are known."""
        return list(self._named.values())

    def _tree(
        self,
        column: GraphColumn,
        edges: Mapping[tuple[dg.AssetKey, str], Mapping[tuple[dg.AssetKey, str], None]],
        seen: set[tuple[dg.AssetKey, str]],
    ) -> ColumnNode:
        others = [self._named[each] for each in edges.get(column.same, ())]
        if column.same in seen and others:
            return ColumnNode(column, seen=True)
        seen.add(column.same)
        others.sort(key=str)
        return ColumnNode(column, [self._tree(other, edges, seen) for other in others])


def column_graph(
    defs: dg.Definitions, latest: Callable[[dg.AssetKey], Metadata] | None = None
) -> ColumnGraph:
    """Put together what all tools know of their columns.

    Args:
        defs: The definitions, wired.
        latest: Gives the metadata of an asset's latest materialization: what a run has found out is better
            known than what was planned. ``None`` for no history.
    """
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    stated = stated_columns(list(specs.values()))
    checks: dict[dg.AssetKey, list[str]] = defaultdict(list)
    for check in sorted(defs.resolve_asset_graph().asset_check_keys):
        checks[check.asset_key].append(check.name)
    graph = ColumnGraph(specs, checks)
    copies: dict[dg.AssetKey, AssetColumns] = {}
    opaque = set()
    for key, spec in specs.items():
        history = latest(key) if latest else {}
        own = _wired(stated.get(key, AssetColumns()), spec)
        # What ran before the graph was wired has the keys of then.
        ran = _wired(AssetColumns(_lineage(history)), spec).lineage
        lineage = {**own.lineage, **_lineage(spec.metadata), **ran}
        for name, deps in lineage.items():
            graph.add(GraphColumn(key, name), [GraphColumn(dep.asset_key, dep.column_name) for dep in deps])
        for name in [*_columns(spec.metadata), *_columns(history)]:
            graph.add(GraphColumn(key, name))
        if own.copies is not None and not _lineage(history):
            copies[key] = own
        elif not lineage:
            opaque.add(key)
    _copy(graph, copies)
    graph.opaque = frozenset(opaque)
    return graph


def _wired(columns: AssetColumns, spec: dg.AssetSpec) -> AssetColumns:
    """The same, by the keys that the dependencies have since the graph was wired."""
    moved = wired_keys(spec.metadata)
    if not moved:
        return columns
    lineage = {
        name: [dg.TableColumnDep(moved.get(dep.asset_key, dep.asset_key), dep.column_name) for dep in deps]
        for name, deps in columns.lineage.items()
    }
    copies = moved.get(columns.copies, columns.copies) if columns.copies else None
    return AssetColumns(lineage, copies, columns.renamed, columns.added)


def _copy(graph: ColumnGraph, copies: Mapping[dg.AssetKey, AssetColumns]) -> None:
    """Follow columns through tables that are copied as they are, to and fro, until nothing new comes up."""
    copied_by: dict[dg.AssetKey, list[dg.AssetKey]] = defaultdict(list)
    for key, own in copies.items():
        if own.copies is not None:
            copied_by[own.copies].append(key)
    waiting = list(graph.all)
    done = set()
    while waiting:
        column = waiting.pop()
        if column.same in done:
            continue
        done.add(column.same)
        copied = copies.get(column.asset)
        name = copied.upstream(column.name) if copied is not None else None
        if copied is not None and copied.copies and name is not None and not graph.upstream(column).others:
            origin = GraphColumn(copied.copies, name)
            graph.add(column, [origin])
            waiting.append(origin)
        for key in copied_by.get(column.asset, ()):
            copy = GraphColumn(key, copies[key].downstream(column.name))
            if copies[key].upstream(copy.name) is not None:
                graph.add(copy, [column])
                waiting.append(copy)


def _lineage(metadata: Metadata) -> Mapping[str, Sequence[dg.TableColumnDep]]:
    found = metadata.get(_LINEAGE)
    found = found.value if isinstance(found, dg.MetadataValue) else found
    return found.deps_by_column if isinstance(found, dg.TableColumnLineage) else {}


def _columns(metadata: Metadata) -> Sequence[str]:
    found = metadata.get(_SCHEMA)
    found = found.value if isinstance(found, dg.MetadataValue) else found
    return [column.name for column in found.columns] if isinstance(found, dg.TableSchema) else []
