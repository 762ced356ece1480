"""Which keys a table gets when it is made: `table_keys`, and what `columns` says (spec §4.2, §1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mainstem.endpoints import Capabilities, TableKey
from mainstem.errors import NotSupportedYetError, ReplicationError
from mainstem.plan.columns import find_column, target_name
from mainstem.plan.facts import Place
from mainstem.plan.model import PlannedColumn
from mainstem.replication.column_spec import ColumnSpec

__all__ = ["planned_keys"]

_KINDS = frozenset(
    {
        *("aggregate", "cluster", "distribution", "duplicate", "hash", "index", "partition", "primary"),
        *("sort", "unique", "update"),
    }
)


def planned_keys(
    place: Place, capabilities: Capabilities, specs: Sequence[ColumnSpec], columns: Sequence[PlannedColumn]
) -> Sequence[TableKey]:
    """Plan a table's keys.

    Raises:
        ReplicationError: A kind or a column is unknown.
        NotSupportedYetError: The target has no such kind of key.
    """
    keys = [
        *_asked(place.stream.target_options.table_keys or {}, place, capabilities),
        *_declared(specs),
    ]
    named = [
        TableKey(key.kind, [_named(name, columns, place) for name in key.columns], key.name) for key in keys
    ]
    primary = dict.fromkeys(tuple(key.columns) for key in named if key.kind == "primary")
    if len(primary) > 1:
        raise ReplicationError(
            f"The table would get {len(primary)} primary keys: {', '.join(map(', '.join, primary))}.",
            position=place.at("target_options", "table_keys"),
            hint="Name it in `columns` or in `table_keys`, not in both.",
        )
    # Said twice, it is still one.
    return list({(key.kind, tuple(key.columns), key.name): key for key in named}.values())


def _asked(given: Mapping[str, Any], place: Place, capabilities: Capabilities) -> Iterator[TableKey]:
    for kind, value in given.items():
        position = place.at("target_options", "table_keys", kind)
        if kind not in _KINDS:
            raise ReplicationError(
                f"{kind!r} is no kind of table_keys.",
                position=position,
                hint=f"There are {', '.join(sorted(capabilities.table_keys))}.",
            )
        if kind not in capabilities.table_keys:
            raise NotSupportedYetError(
                f"The target has no {kind} keys.",
                position=position,
                hint=f"It has {', '.join(sorted(capabilities.table_keys))}.",
            )
        yield from _of(kind, value, place)


def _of(kind: str, value: Any, place: Place) -> Iterator[TableKey]:
    """One key of plain columns, or a list of mappings, each with its name and columns."""
    items = value if isinstance(value, list) else [value]
    plain = [item for item in items if not isinstance(item, Mapping)]
    if plain:
        names = [name.strip() for item in plain for name in str(item).split(",")]
        yield TableKey(kind, [name for name in names if name])
    for item in items:
        if isinstance(item, Mapping):
            columns = item.get("columns")
            if not columns:
                raise ReplicationError(
                    f"A key of kind {kind} names no columns.",
                    position=place.at("target_options", "table_keys", kind),
                )
            listed = columns if isinstance(columns, list) else str(columns).split(",")
            yield TableKey(kind, [str(name).strip() for name in listed], item.get("name"))


def _declared(specs: Sequence[ColumnSpec]) -> Iterator[TableKey]:
    primary = [spec.name for spec in specs if spec.primary_key]
    if primary:
        yield TableKey("primary", primary)
    yield from (TableKey("unique", [spec.name]) for spec in specs if spec.unique)
    for kind, attribute in (("index", "index"), ("unique", "unique_index")):
        named: dict[str, list[str]] = {}
        for spec in specs:
            name = getattr(spec, attribute)
            if name:
                named.setdefault(name, []).append(spec.name)
        yield from (TableKey(kind, columns, name) for name, columns in named.items())


def _named(name: str, columns: Sequence[PlannedColumn], place: Place) -> str:
    own = next((column.name for column in columns if column.name.lower() == name.lower()), None)
    if own is not None:
        return own
    found = find_column(name, [column.source for column in columns], place.at("target_options", "table_keys"))
    return target_name(found, columns) or found.name
