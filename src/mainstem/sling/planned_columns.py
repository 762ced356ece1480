"""What the columns of a stream's target are made of, before the stream has run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import dagster as dg
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from mainstem.assets import AssetColumns
from mainstem.endpoints.base import split_name
from mainstem.errors import MainstemError
from mainstem.plan.casing import cased
from mainstem.replication import Stream
from mainstem.replication.select import SelectedColumn, SelectExpression, parse_select
from mainstem.replication.select_items import Named
from mainstem.schema import Relation
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.expansion import ExpandedReplication
from mainstem.sling.planned_transforms import transformed_columns
from mainstem.sling.reading import is_custom_sql

__all__ = ["planned_columns"]

# What the engine adds to a table comes of no column.
_ADDED = "_sling_"


def planned_columns(
    definition: SlingDefinition, specs: Sequence[dg.AssetSpec]
) -> Mapping[dg.AssetKey, AssetColumns]:
    """Return what the columns of assets are made of.

    With a snapshot of the source's catalogue, or a ``select`` that names all columns, each is known.
    Otherwise, a column is the source's of the same name, unless ``select`` renames it.

    Args:
        definition: The replication.
        specs: The assets.
    """
    streams = {spec.key: name for name, spec in definition.specs.items()}
    wanted = [(spec.key, streams[spec.key]) for spec in specs if spec.key in streams]
    return {key: _columns(definition, definition.streams[name]) for key, name in wanted}


def _columns(definition: SlingDefinition, stream: Stream) -> AssetColumns:
    source = definition.source_of(stream.name)
    if source is None or is_custom_sql(stream):
        return AssetColumns(untraced="the stream has SQL of its own, or several sources")
    try:
        select = parse_select(stream.select, lambda _: stream.position)
        known = _known(definition, stream)
        named = [item for item in select.items if isinstance(item, Named) and not item.excluded]
        if known is None and select.items and len(named) == len(select.items):
            known = [item.name for item in named]
        if known is None:
            renamed = {item.alias: item.name for item in named if item.alias}
            by_name = {name.lower(): [origin] for name, origin in renamed.items()}
            made = _transformed(stream, source, lambda name: by_name.get(name, [name]))
            return AssetColumns({**_expressions(select.items, source), **made}, source, renamed, _ADDED)
        fields = select.fields(known) if select.items else [SelectedColumn(name, name) for name in known]
    except MainstemError:  # the plan of a run tells it
        return AssetColumns()
    casing = stream.target_options.column_casing or "normalize"
    lineage = {
        cased(each.target, casing, folds_to_upper=False): [dg.TableColumnDep(source, each.source)]
        for each in fields
        if isinstance(each, SelectedColumn)
    }
    lineage = {**lineage, **_expressions(fields, source)}
    known_before = {name.lower(): [dep.column_name for dep in deps] for name, deps in lineage.items()}
    made = _transformed(stream, source, lambda name: known_before.get(name, []))
    return AssetColumns(
        {**{name: deps for name, deps in lineage.items() if name.lower() not in made}, **made}
    )


def _transformed(
    stream: Stream, source: dg.AssetKey, origins: Callable[[str], Sequence[str]]
) -> dict[str, list[dg.TableColumnDep]]:
    """The columns that transforms compute, by their names in lower case."""
    return {
        name: [dg.TableColumnDep(source, each) for own in sorted(made) for each in origins(own)]
        for name, made in transformed_columns(stream).items()
    }


def _known(definition: SlingDefinition, stream: Stream) -> Sequence[str] | None:
    replication = definition.replication
    snapshot = replication.snapshot if isinstance(replication, ExpandedReplication) else None
    if snapshot is None:
        return None
    *owner, name = split_name(stream.name)
    table = snapshot.table(Relation(owner[-1] if owner else None, name))
    return [column.name for column in table.columns] if table and table.columns else None


def _expressions(items: Sequence[object], source: dg.AssetKey) -> dict[str, list[dg.TableColumnDep]]:
    """The columns that expressions name, as far as their SQL can be read."""
    found = {}
    for item in items:
        if isinstance(item, SelectExpression):
            try:
                columns = {column.name for column in parse_one(item.text).find_all(exp.Column)}
            except SqlglotError:
                continue
            found[item.alias] = [dg.TableColumnDep(source, name) for name in sorted(columns)]
    return found
