"""dlt's schema contracts as asset checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dlt import Schema
from dlt.common.data_writers.writers import count_rows_in_items
from dlt.common.schema.exceptions import DataValidationError
from dlt.extract.exceptions import ResourceExtractionError
from dlt.extract.items_transform import MetricsItem, ValidateItem
from dlt.extract.resource import DltResource
from dlt.extract.source import DltSource

from mainstem.assets import CheckReport
from mainstem.dlt.definition import ResourceAssets
from mainstem.dlt.failures import chain
from mainstem.dlt.report import normalized_rows
from mainstem.dlt.run import PipelineRun
from mainstem.dlt.tables import resource_tables

CHECK = "schema_contract"
_EVOLVE = "evolve"


def contract_of(source: DltSource, resource: DltResource) -> Mapping[str, str]:
    """What a resource's contract says of tables, columns and data types. Empty where anything goes.

    Args:
        source: The resource's source, whose contract holds where the resource has none.
        resource: The resource.
    """
    said = resource.schema_contract
    if callable(said):  # it depends on the row
        return {"tables": "by row", "columns": "by row", "data_type": "by row"}
    of_source = Schema.expand_schema_contract_settings(source.schema_contract or {})
    modes = Schema.expand_schema_contract_settings(said or {}, of_source)
    return {name: str(mode) for name, mode in modes.items()} if set(modes.values()) - {_EVOLVE} else {}


def contract_checks(source: DltSource, assets: Sequence[ResourceAssets]) -> Iterator[dg.AssetCheckSpec]:
    """Return a check for each resource that has a contract.

    Args:
        source: The source.
        assets: Its resources and their assets.
    """
    for one in assets:
        contract = contract_of(source, source.resources[one.resource])
        if contract:
            said = ", ".join(f"{what}: {mode}" for what, mode in contract.items())
            yield dg.AssetCheckSpec(
                CHECK, asset=one.spec.key, description=f"The data keeps dlt's schema contract ({said})."
            )


Counts = Mapping[str, Counter[str]]


def count_what_arrives(source: DltSource) -> Counts:
    """Count what the resources yield that may be discarded, to tell how much of it was.

    Args:
        source: This run's own source, which is changed.

    Returns:
        For a resource's name, the counts, which grow as it is extracted.
    """
    counts: dict[str, Counter[str]] = {}
    for name, resource in source.selected_resources.items():
        if "discard_row" in contract_of(source, resource).values():
            counted = counts[name] = Counter()
            # What a validator discards is gone before the resource's last step.
            validator = resource._pipe.find(ValidateItem)
            if validator > 0:
                resource.add_step(_Count(counted, "offered"), insert_at=validator)
                resource.add_step(_Count(counted, "accepted"), insert_at=validator + 2)
            resource.add_step(_Count(counted, "yielded"))
    return counts


def contract_kept(
    run: PipelineRun, source: DltSource, assets: ResourceAssets, counts: Counts
) -> CheckReport | None:
    """Tell that a resource was loaded under its contract, and whether rows had to be discarded for it.

    Args:
        run: The run.
        source: The source, as it was extracted.
        assets: The resource's assets.
        counts: What was counted while it was extracted.

    Returns:
        ``None`` where the resource has no contract.
    """
    resource = source.resources[assets.resource]
    contract = contract_of(source, resource)
    if not contract:
        return None
    discarded = _discarded(run, resource, counts.get(resource.name))
    return CheckReport(
        assets.spec.key,
        CHECK,
        passed=not discarded,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**contract, **({"rows_discarded": discarded} if discarded else {})},
    )


def contract_broken(
    error: BaseException, source: DltSource, assets: Sequence[ResourceAssets]
) -> CheckReport | None:
    """Tell which contract ended a run.

    Args:
        error: What dlt raised.
        source: The source, as it was extracted.
        assets: The assets of what was extracted.

    Returns:
        ``None`` where it was no contract, or nothing tells whose.
    """
    errors = list(chain(error))
    broken = next((link for link in errors if isinstance(link, DataValidationError)), None)
    if broken is None:
        return None
    piped = next((link.pipe_name for link in errors if isinstance(link, ResourceExtractionError)), None)
    owner = next((one for one in assets if one.resource == piped), None)
    owner = owner or _owner(broken.table_name, source, assets)
    if owner is None:
        return None
    told = {"table": broken.table_name, "column": broken.column_name, "broken": broken.schema_entity}
    contract = contract_of(source, source.resources[owner.resource])
    metadata = {**contract, **{name: value for name, value in told.items() if value}}
    return CheckReport(owner.spec.key, CHECK, passed=False, metadata=metadata)


class _Count(MetricsItem):
    """Counts the rows that pass."""

    # The cursor's filter, which discards nothing, sticks to the end with 1. This sticks behind it.
    placement_affinity = 1.5

    def __init__(self, counted: Counter[str], name: str) -> None:
        def count(items: Any, meta: Any, metrics: Any) -> None:  # noqa: ARG001 - dlt gives them
            counted[name] += count_rows_in_items(items) if items is not None else 0

        super().__init__(count)


def _discarded(run: PipelineRun, resource: DltResource, counted: Counter[str] | None) -> int:
    if counted is None:
        return 0
    arrived = normalized_rows(run, resource_tables(resource, run.pipeline.schemas[run.schema]).roots)
    refused = counted["offered"] - counted["accepted"]
    return refused + (max(0, counted["yielded"] - arrived) if arrived is not None else 0)


def _owner(table: str, source: DltSource, assets: Sequence[ResourceAssets]) -> ResourceAssets | None:
    """The resource that a table belongs to, be it one that the contract does not let come into being."""
    closest: tuple[int, ResourceAssets] | None = None
    for one in assets:
        tables = resource_tables(source.resources[one.resource], source.schema)
        if table in tables.all:
            return one
        # A nested table that is not to be has no link to its parent: only its name begins with the parent's.
        lengths = [len(root) for root in tables.roots if table.startswith(f"{root}__")]
        if lengths and (closest is None or max(lengths) > closest[0]):
            closest = max(lengths), one
    return closest[1] if closest else None
