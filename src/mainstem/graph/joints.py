"""Which dependency is physically which asset's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from mainstem.assets import ReadTable, WrittenTable
from mainstem.errors import ConfigError
from mainstem.graph.nodes import Node
from mainstem.identity import PhysicalTable

__all__ = ["Joint", "Wiring", "find_joints"]


@dataclass(frozen=True)
class Joint:
    """A dependency that is another asset's table.

    Attributes:
        consumer: The asset whose dependency it is.
        dependency: The key that the dependency had.
        producer: The asset that makes the table.
        table: The table.
        because: Why they are one, in a sentence.
        what: What reads the table, in the tool's words.
    """

    consumer: dg.AssetKey
    dependency: dg.AssetKey
    producer: dg.AssetKey
    table: PhysicalTable
    because: str
    what: str = ""


_Written = tuple[dg.AssetKey, WrittenTable]
_Maker = tuple[dg.AssetKey, PhysicalTable, str]


@dataclass(frozen=True)
class Wiring:
    """What was found of the tables of a graph.

    Attributes:
        joints: The dependencies that are other assets' tables.
        unknown: By asset, why a table of its own, or one that it reads, is not known.
    """

    joints: Sequence[Joint]
    unknown: Mapping[dg.AssetKey, Sequence[str]] = field(default_factory=dict)


def find_joints(nodes: Sequence[Node]) -> Wiring:
    """Find the dependencies that are physically another asset's table.

    Args:
        nodes: The assets of all tools.

    Raises:
        ConfigError: Two assets make one table, or the joints close a circle. Both are named.
    """
    known = _Tables(nodes)
    joints = [joint for node in nodes for joint in _joints(node, known)]
    _refuse_circles(nodes, joints)
    return Wiring(joints, {node.key: node.tables.unknown for node in nodes if node.tables.unknown})


class _Tables:
    """Who makes a table, or stands for it where nobody here makes it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.made: dict[PhysicalTable, _Written] = {}
        self.there: dict[PhysicalTable, _Written] = {}
        self._nested: dict[tuple[str, ...], list[_Written]] = {}
        self._files: dict[tuple[str, ...], list[_Written]] = {}
        self.makers = {node.key for node in nodes if node.makes}
        self.defined = {node.key for node in nodes}
        for node in nodes:
            for written in node.tables.writes:
                self._take(node, written)

    def _take(self, node: Node, written: WrittenTable) -> None:
        if not node.makes:
            self.there.setdefault(written.table, (node.key, written))
            return
        other, first = self.made.setdefault(written.table, (node.key, written))
        if other != node.key:
            raise ConfigError(
                f"Two assets make the table {written.table}: {other.to_user_string()} ({first.what}) and "
                f"{node.key.to_user_string()} ({written.what}).",
                hint="Let one of them write another table, or be an asset that reads this one.",
            )
        if written.nested:
            self._nested.setdefault(written.table.owner, []).append((node.key, written))
        if written.table.is_file:
            self._files.setdefault(written.table.owner, []).append((node.key, written))

    def makers_of(self, read: ReadTable) -> Sequence[_Maker]:
        """The assets that a table is, each with the table and the reason: of files, maybe several."""
        exact = self._exact(self.made, read)
        files = [
            (key, table, f"{read.what} takes in {table}, and {written.what} writes {written.table}")
            for table in read.tables
            for key, written in self._files.get(table.owner, ())
            if table != written.table and table.meets(written.table)
        ]
        return [*exact, *files] or self._nested_in(read) or self._exact(self.there, read)

    def _exact(self, known: Mapping[PhysicalTable, _Written], read: ReadTable) -> Sequence[_Maker]:
        for table in read.tables:
            if table in known:
                key, written = known[table]
                return [(key, table, f"{read.what} and {written.what} are both {table}")]
        return []

    def _nested_in(self, read: ReadTable) -> Sequence[_Maker]:
        for table in read.tables:
            above = [
                (len(written.nested), key, written)
                for key, written in self._nested.get(table.owner, ())
                if table.table.startswith(written.nested)
            ]
            if above:
                _, key, written = max(above, key=lambda each: each[0])
                told = f"{read.what} and {written.what}, nested in {written.table.table}, are both {table}"
                return [(key, table, told)]
        return []


def _joints(node: Node, known: _Tables) -> Iterator[Joint]:
    by_key: dict[dg.AssetKey, list[ReadTable]] = {}
    for read in node.tables.reads:
        by_key.setdefault(read.key, []).append(read)
    for key, reads in by_key.items():
        found = [joint for read in reads for joint in _joined(node, read, known)]
        if not found:
            continue
        rest = [read for read in reads if read.what not in {joint.what for joint in found}]
        unique = {joint.producer: joint for joint in reversed(found)}
        yield from reversed(unique.values())
        if rest and key not in unique:
            told = ", ".join(read.what for read in rest)
            yield Joint(node.key, key, key, rest[0].tables[0], f"nothing else makes what {told} is", told)


def _joined(node: Node, read: ReadTable, known: _Tables) -> Iterator[Joint]:
    if read.explicit or read.key in known.makers:
        return
    if not read.usual and read.key in known.defined:
        return
    for key, table, because in known.makers_of(read):
        standing = key not in known.makers and read.key in known.defined
        if key not in (read.key, node.key) and not standing:
            yield Joint(node.key, read.key, key, table, because, read.what)


def _refuse_circles(nodes: Sequence[Node], joints: Sequence[Joint]) -> None:
    joined: dict[dg.AssetKey, dict[dg.AssetKey, list[dg.AssetKey]]] = {}
    for joint in joints:
        joined.setdefault(joint.consumer, {}).setdefault(joint.dependency, []).append(joint.producer)
    upstream: dict[dg.AssetKey, list[dg.AssetKey]] = {}
    for node in nodes:
        own = joined.get(node.key, {})
        # An asset may read its own earlier partitions.
        deps = [dep.asset_key for dep in node.spec.deps if dep.asset_key != node.key]
        upstream[node.key] = [now for key in deps for now in own.get(key, [key])]
    circle = _circle(upstream)
    if circle is None:
        return
    by_edge = {(joint.consumer, joint.producer): joint for joint in joints}
    edges = list(zip(circle, [*circle[1:], circle[0]], strict=True))
    told = [by_edge[edge].because for edge in edges if edge in by_edge]
    if told:
        names = " reads ".join(key.to_user_string() for key in [*circle, circle[0]])
        raise ConfigError(
            "\n  ".join([f"The assets depend on each other in a circle: {names}.", *told]),
            hint="\nName the asset that is meant as the dependency of one of them: explicit keys win.",
        )


def _circle(upstream: Mapping[dg.AssetKey, Sequence[dg.AssetKey]]) -> list[dg.AssetKey] | None:
    """Return the keys of a circle, each of which depends on the next; ``None`` where there is none."""
    done: set[dg.AssetKey] = set()
    for start in upstream:
        path: list[dg.AssetKey] = []
        on_path: set[dg.AssetKey] = set()
        waiting = [iter([start])]
        while waiting:
            key = next(waiting[-1], None)
            if key is None:
                waiting.pop()
                if path:
                    on_path.discard(path[-1])
                    done.add(path.pop())
            elif key in on_path:
                return path[path.index(key) :]
            elif key not in done and key in upstream:
                path.append(key)
                on_path.add(key)
                waiting.append(iter(upstream[key]))
    return None
