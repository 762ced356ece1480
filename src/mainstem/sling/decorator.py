"""`@sling_assets`: one asset for each stream of a replication."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from mainstem.replication import ReplicationLike
from mainstem.sling.check_settings import check_specs
from mainstem.sling.constraint_checks import constraint_specs
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.snapshot import Connections
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["sling_assets"]


def sling_assets(
    *,
    replication_config: ReplicationLike,
    dagster_sling_translator: DagsterSlingTranslator | None = None,
    name: str | None = None,
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
    description: str | None = None,
    connections: Connections | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Define an asset for each stream of a replication that is not disabled.

    Args:
        replication_config: The replication: a path to its YAML or JSON file, or a mapping.
        dagster_sling_translator: How a stream becomes an asset. ``None`` takes the defaults.
        name: The op's name. ``None`` takes the function's.
        partitions_def: The partitions of all assets.
        backfill_policy: How a backfill is split into runs.
        op_tags: Tags of the op.
        pool: The concurrency pool that the op takes a slot of.
        description: What the op is.
        connections: Where wildcards look their tables up, besides the environment: a resource's
            ``connections``. Needed only when the snapshot of the catalogue is taken.

    Raises:
        ReplicationError: Something is wrong with the replication; told with line and column.

    Example::

        @sling_assets(replication_config=dg.file_relative_path(__file__, "replication.yaml"))
        def postgres_sling_assets(context, sling: SlingResource):
            yield from sling.replicate(context=context)
    """
    definition = SlingDefinition.of(replication_config, dagster_sling_translator, connections)
    return dg.multi_asset(
        name=name,
        specs=definition.asset_specs(partitions_def),
        check_specs=[*check_specs(definition), *constraint_specs(definition)],
        can_subset=True,
        partitions_def=partitions_def,
        backfill_policy=backfill_policy,
        op_tags=op_tags,
        description=description,
        pool=pool,
    )
