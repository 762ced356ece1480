"""The columns of many assets, and what each is made of, across tools."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import dagster as dg

from mainstem.assets.columns import AssetColumns, reported_columns, stated_columns
from mainstem.assets.tables import wired_keys
from mainstem.errors import UnknownNameError

__all__ = ["ColumnGraph", "ColumnNode", "GraphColumn", "Impact", "columns_of_specs"]

_SCHEMA = "dagster/column_schema"
_UNTOLD = "nothing tells what its columns are made of"
_PARTS = re.compile(r"[./]")
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class GraphColumn:
    """A column of an asset.

    Attributes:
        asset: The asset.
        name: The column's name; empty for any column of the asset, where more is not known.
    """

    asset: dg.AssetKey
    name: str

    def __str__(self) -> str:
        return f"{'.'.join(self.asset.path)}.{self.name or '*'}"

    @property
    def same(self) -> tuple[dg.AssetKey, str]:
        """What two spellings of a column have in common: SQL hands names on in any case."""
        return self.asset, self.name.lower()


@dataclass(frozen=True)
class Impact:
    """What depends on a column.

    Attributes:
        column: The column.
        columns: Those that are made of it.
        assets: Those that have such columns, whose rows it chooses, or of which no more is known than that
            they read it; and all that is downstream of those.
        checks: The checks on these assets, as ``asset:check``.
    """

    column: GraphColumn
    columns: Sequence[GraphColumn]
    assets: Sequence[dg.AssetKey]
    checks: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.assets)

    def beyond(self, asset: dg.AssetKey) -> Impact:
        """The same without what is of this asset."""
        own = f"{asset.to_user_string()}:"
        return Impact(
            self.column,
            [column for column in self.columns if column.asset != asset],
            [key for key in self.assets if key != asset],
            [check for check in self.checks if not check.startswith(own)],
        )

    def __str__(self) -> str:
        told = [
            f"{len(found)} {kind}{'' if len(found) == 1 else 's'} ({', '.join(map(_named, found))})"
            for kind, found in (("asset", self.assets), ("column", self.columns), ("check", self.checks))
            if found
        ]
        return "; ".join(told) or "nothing"


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
        opaque: The assets of whose columns not all is known, and why: they depend on all columns of what they
            read.
    """

    specs: Mapping[dg.AssetKey, dg.AssetSpec]
    checks: Mapping[dg.AssetKey, Sequence[str]]
    opaque: Mapping[dg.AssetKey, str] = field(default_factory=dict)
    _up: dict[tuple[dg.AssetKey, str], dict[tuple[dg.AssetKey, str], None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _down: dict[tuple[dg.AssetKey, str], dict[tuple[dg.AssetKey, str], None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _named: dict[tuple[dg.AssetKey, str], GraphColumn] = field(default_factory=dict)
    _chosen: dict[tuple[dg.AssetKey, str], dict[dg.AssetKey, None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _traced: set[tuple[dg.AssetKey, str]] = field(default_factory=set)

    def find(self, text: str) -> GraphColumn:
        """Return a column by its asset's key and its name: ``target.data.orders.amount``.

        Raises:
            UnknownNameError: There is no such asset or column. The closest name is in the message.
        """
        *path, name = _PARTS.split(text)
        wanted = (dg.AssetKey(path), name.lower()) if path else None
        if wanted in self._named:
            return self._named[wanted]
        if wanted is not None and wanted[0] in self.opaque and not self.columns_of(wanted[0]):
            return GraphColumn(wanted[0], name)
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
        """Assets that depend on a column, though none of their columns is known to be made of it.

        Those whose rows it chooses, or what is made of it; those that read either and do not tell in which of
        their columns; and all that is downstream of these.
        """
        columns = [column, *self.downstream(column).columns()]
        touched = {each.asset for each in columns}
        found = {key for each in columns for key in self._chosen.get(each.same, ())}
        found |= {reader for key in touched for reader in self._readers.get(key, ()) if reader in self.opaque}
        waiting = [*found]
        while waiting:
            new = [reader for reader in self._readers.get(waiting.pop(), ()) if reader not in found]
            found.update(new)
            waiting += new
        return sorted(found - touched, key=lambda key: key.to_user_string())

    def impact(self, column: GraphColumn) -> Impact:
        """What depends on a column."""
        columns = {each.same: each for each in self.downstream(column).columns()}
        assets = {each.asset for each in columns.values()} | set(self.readers(column))
        checks = [f"{key.to_user_string()}:{check}" for key in assets for check in self.checks.get(key, ())]
        by_name = sorted(assets, key=lambda key: key.to_user_string())
        return Impact(column, sorted(columns.values(), key=str), by_name, sorted(checks))

    def untraced(self, assets: Iterable[dg.AssetKey]) -> Mapping[dg.AssetKey, str]:
        """Those of the assets which read others, and do not tell of all columns of what they are made."""
        found = sorted({key for key in assets if key in self.opaque and self.specs[key].deps})
        return {key: self.opaque[key] for key in found}

    @cached_property
    def _readers(self) -> Mapping[dg.AssetKey, Sequence[dg.AssetKey]]:
        readers: dict[dg.AssetKey, list[dg.AssetKey]] = defaultdict(list)
        for spec in self.specs.values():
            for dep in spec.deps:
                readers[dep.asset_key].append(spec.key)
        return readers

    def knows(self, column: GraphColumn) -> bool:
        """Whether it is known what a column is made of."""
        return column.same in self._traced

    def choose(self, asset: dg.AssetKey, rows: Sequence[GraphColumn]) -> None:
        """Note the columns that choose the rows of an asset."""
        for column in rows:
            self._named.setdefault(column.same, column)
            self._chosen[column.same][asset] = None

    def columns_of(self, asset: dg.AssetKey) -> Sequence[GraphColumn]:
        """The known columns of an asset."""
        return [column for (key, _), column in self._named.items() if key == asset]

    def add(self, column: GraphColumn, origins: Sequence[GraphColumn] | None = None) -> None:
        """Note a column, and what it is made of; ``None`` where that is not known."""
        self._named.setdefault(column.same, column)
        if origins is not None:
            self._traced.add(column.same)
        for origin in origins or ():
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
        if edges is self._up and column.asset in self.opaque and column.same not in self._traced:
            # As no more is known, it is made of all that its table reads.
            others = [GraphColumn(dep.asset_key, "") for dep in self.specs[column.asset].deps]
        if column.same in seen and others:
            return ColumnNode(column, seen=True)
        seen.add(column.same)
        others.sort(key=str)
        return ColumnNode(column, [self._tree(other, edges, seen) for other in others])


def columns_of_specs(
    specs: Iterable[dg.AssetSpec],
    checks: Iterable[dg.AssetCheckKey] = (),
    latest: Callable[[dg.AssetKey], Metadata] | None = None,
) -> ColumnGraph:
    """Put together what all tools know of their columns.

    Args:
        specs: The assets.
        checks: The checks on them.
        latest: Gives the metadata of an asset's latest materialization: what a run has found out is better
            known than what was planned. ``None`` for no history.
    """
    by_key = {spec.key: spec for spec in specs}
    stated = stated_columns(list(by_key.values()))
    named: dict[dg.AssetKey, list[str]] = defaultdict(list)
    for check in sorted(checks):
        named[check.asset_key].append(check.name)
    graph = ColumnGraph(by_key, named)
    copies: dict[dg.AssetKey, AssetColumns] = {}
    opaque = {}
    for key, spec in by_key.items():
        history = latest(key) if latest else {}
        own = _of_asset(spec, stated.get(key, AssetColumns()), history)
        for name, deps in own.lineage.items():
            graph.add(GraphColumn(key, name), _columns_of(deps))
        graph.choose(key, _columns_of(own.rows))
        for name in [*_columns(spec.metadata), *_columns(history)]:
            graph.add(GraphColumn(key, name))
        if own.copies is not None:
            copies[key] = own
        elif own.untraced or not own.lineage:
            opaque[key] = own.untraced or _UNTOLD
    _copy(graph, copies)
    graph.opaque = opaque
    return graph


def _of_asset(spec: dg.AssetSpec, stated: AssetColumns, history: Metadata) -> AssetColumns:
    """What is known of an asset: what a run has told rather than what its tool says or its spec declares."""
    # What ran before the graph was wired has the keys of then.
    ran = _wired(reported_columns(history), spec)
    own = _wired(stated, spec)
    lineage = {**own.lineage, **reported_columns(spec.metadata).lineage, **ran.lineage}
    if ran.lineage:
        return replace(own, lineage=lineage, copies=None, rows=ran.rows or own.rows, untraced=ran.untraced)
    return replace(own, lineage=lineage)


def _columns_of(deps: Iterable[dg.TableColumnDep]) -> list[GraphColumn]:
    return [GraphColumn(dep.asset_key, dep.column_name) for dep in deps]


def _wired(columns: AssetColumns, spec: dg.AssetSpec) -> AssetColumns:
    """The same, by the keys that the dependencies have since the graph was wired."""
    moved = wired_keys(spec.metadata)
    if not moved:
        return columns

    def deps(given: Iterable[dg.TableColumnDep]) -> list[dg.TableColumnDep]:
        return [dg.TableColumnDep(moved.get(dep.asset_key, dep.asset_key), dep.column_name) for dep in given]

    lineage = {name: deps(given) for name, given in columns.lineage.items()}
    copies = moved.get(columns.copies, columns.copies) if columns.copies else None
    return replace(columns, lineage=lineage, copies=copies, rows=deps(columns.rows))


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
        if copied is not None and copied.copies and name is not None and not graph.knows(column):
            origin = GraphColumn(copied.copies, name)
            graph.add(column, [origin])
            waiting.append(origin)
        for key in copied_by.get(column.asset, ()):
            copy = GraphColumn(key, copies[key].downstream(column.name))
            if copies[key].upstream(copy.name) is not None and not graph.knows(copy):
                graph.add(copy, [column])
                waiting.append(copy)


def _columns(metadata: Metadata) -> Sequence[str]:
    found = metadata.get(_SCHEMA)
    found = found.value if isinstance(found, dg.MetadataValue) else found
    return [column.name for column in found.columns] if isinstance(found, dg.TableSchema) else []


def _named(found: object) -> str:
    return found.to_user_string() if isinstance(found, dg.AssetKey) else str(found)
