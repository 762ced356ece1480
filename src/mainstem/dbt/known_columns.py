"""Which columns the tables around a dbt node have, as far as that is known without asking the warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from mainstem.assets import AssetReport, ExecutionContext
from mainstem.dbt.manifest import node_of, parents_of, upstream_ids
from mainstem.dbt.messages import DbtCliEventMessage
from mainstem.dbt.nodes import RunNodes
from mainstem.dbt.props import relation_parts

if TYPE_CHECKING:
    from mainstem.dbt.lineage import Origin, Table

__all__ = ["KnownColumns", "around_selected"]


class KnownColumns:
    """Learns columns during a run, and otherwise knows what upstream assets have reported, by any tool.

    Args:
        nodes: Which node is which asset.
        context: The context of the asset or op that runs.
    """

    def __init__(self, nodes: RunNodes, context: ExecutionContext | None) -> None:
        self._nodes = nodes
        self._context = context
        self._columns: dict[str, Sequence[str] | None] = {}

    def known(self, unique_ids: Iterable[str]) -> list[str]:
        """Return those of the nodes whose columns are known."""
        return [uid for uid in unique_ids if self.of(uid)]

    def of(self, unique_id: str) -> Sequence[str] | None:
        """Return the columns of a node or a source, or ``None`` where nobody has told them."""
        if unique_id not in self._columns:
            self._columns[unique_id] = self._reported(unique_id)
        return self._columns[unique_id]

    def learn(self, event: DbtCliEventMessage) -> None:
        """Take what the result of a node tells."""
        told = dict(event.found.get("upstream") or {})
        if event.unique_id is not None and event.found.get("columns"):
            told[event.unique_id] = event.found["columns"]
        for unique_id, columns in told.items():
            self._columns[unique_id] = [name for name, _ in columns]

    def traced(self, report: AssetReport, event: DbtCliEventMessage) -> AssetReport:
        """Return the report of a node with the lineage of its columns, as far as its SQL tells it."""
        if event.unique_id is None or not event.has_column_lineage_metadata:
            return report
        # It takes a while to import, and only those who ask for lineage wait for it.
        from mainstem.dbt.lineage import dialect_of, trace_query  # noqa: PLC0415

        manifest = self._nodes.manifest
        parents = upstream_ids(manifest, node_of(manifest, event.unique_id))
        found = trace_query(
            event.found["sql"],
            dialect=dialect_of((manifest.get("metadata") or {}).get("adapter_type")),
            # An incremental model may read itself.
            tables=[self._table(uid) for uid in dict.fromkeys([*parents, event.unique_id])],
            columns=[name for name, _ in event.found["columns"]],
            own=event.unique_id,
        )
        return replace(
            report,
            lineage={column: self._deps(origins) for column, origins in found.columns.items()},
            rows=self._deps(found.rows),
            untraced="; ".join(found.problems) or None,
        )

    def _deps(self, origins: Iterable[Origin]) -> list[dg.TableColumnDep]:
        return [dg.TableColumnDep(self._nodes.key(origin.unique_id), origin.column) for origin in origins]

    def _table(self, unique_id: str) -> Table:
        from mainstem.dbt.lineage import Table  # noqa: PLC0415

        database, schema, name = relation_parts(node_of(self._nodes.manifest, unique_id))
        return Table(unique_id, name, schema, database, self.of(unique_id))

    def _reported(self, unique_id: str) -> Sequence[str] | None:
        if self._context is None:
            return None
        event = self._context.instance.get_latest_materialization_event(self._nodes.key(unique_id))
        materialization = event.asset_materialization if event else None
        schema = materialization.metadata.get("dagster/column_schema") if materialization else None
        if not isinstance(schema, dg.TableSchemaMetadataValue):
            return None
        return [column.name for column in schema.value.columns]


def around_selected(context: ExecutionContext | None, nodes: RunNodes) -> list[str]:
    """Return what the selected assets read, and are not going to build."""
    if context is None or not nodes.assets:
        return []
    try:
        selected = context.selected_asset_keys
    except dg.DagsterError:  # the asset is called as a function: nothing is selected
        return []
    ids = {uid for uid, key in nodes.assets.items() if key in selected}
    return sorted(parents_of(nodes.manifest, ids) - ids)
