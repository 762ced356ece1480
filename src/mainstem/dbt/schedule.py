"""dbt's selection syntax for Dagster's selections, jobs and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mainstem.dbt.decorator import checked_translator
from mainstem.dbt.lookup import the_definition
from mainstem.dbt.manifest import DbtManifestParam, read_manifest
from mainstem.dbt.nodes import RunNodes
from mainstem.dbt.project import DbtProject
from mainstem.dbt.selection import DbtSelection, selected_ids
from mainstem.dbt.translator import DagsterDbtTranslator

__all__ = ["DbtManifestAssetSelection", "build_dbt_asset_selection", "build_schedule_from_dbt_selection"]


class DbtManifestAssetSelection(dg.AssetSelection):
    """A part of a dbt manifest as a Dagster asset selection: of its assets, and of its tests as checks.

    Args:
        manifest: dbt's ``manifest.json``, by its path or its content.
        select: dbt's ``--select``.
        dagster_dbt_translator: Says which asset a node is.
        exclude: dbt's ``--exclude``.
        selector: The name of a selector, instead of ``select`` and ``exclude``.
        project: The project, which ``path:`` is relative to.

    Raises:
        ConfigError: The manifest cannot be read, or the selection is wrong.

    Example:
        ::

            nightly = DbtManifestAssetSelection(manifest="target/manifest.json", select="tag:nightly")
            job = dg.define_asset_job("nightly", selection=nightly)
    """

    def __init__(
        self,
        manifest: DbtManifestParam,
        select: str = "fqn:*",
        *,
        dagster_dbt_translator: DagsterDbtTranslator | None = None,
        exclude: str | None = "",
        selector: str | None = "",
        project: DbtProject | None = None,
    ) -> None:
        self.manifest = read_manifest(manifest)
        self.select = select
        self.dagster_dbt_translator = checked_translator(dagster_dbt_translator)
        self.exclude = exclude or ""
        self.selector = selector or ""
        self.project = project
        selection = DbtSelection.of(select, exclude, selector)
        nodes = RunNodes(self.manifest, self.dagster_dbt_translator, project, None)
        self._selected = _Selected.of(nodes, selected_ids(self.manifest, selection, project), selection)

    @classmethod
    def build(
        cls,
        manifest: DbtManifestParam,
        select: str = "fqn:*",
        *,
        dagster_dbt_translator: DagsterDbtTranslator | None = None,
        exclude: str | None = "",
        selector: str | None = "",
        project: DbtProject | None = None,
    ) -> DbtManifestAssetSelection:
        """Return the selection: the older way to make one, with the same arguments."""
        return cls(
            manifest,
            select,
            dagster_dbt_translator=dagster_dbt_translator,
            exclude=exclude,
            selector=selector,
            project=project,
        )

    def resolve_inner(self, asset_graph: Any, allow_missing: bool) -> Set[dg.AssetKey]:  # noqa: ARG002
        """Return the selected assets, for Dagster."""
        return frozenset(self._selected.keys)

    def resolve_checks_inner(self, asset_graph: Any, allow_missing: bool) -> Set[dg.AssetCheckKey]:  # noqa: ARG002
        """Return the selected checks, for Dagster."""
        return frozenset(self._selected.checks)

    def to_serializable_asset_selection(self, asset_graph: Any) -> dg.AssetSelection:  # noqa: ARG002
        """Return the same selection, by keys."""
        return self._selected.by_keys()


def build_dbt_asset_selection(
    dbt_assets: Sequence[dg.AssetsDefinition],
    dbt_select: str = "fqn:*",
    dbt_exclude: str | None = "",
    dbt_selector: str | None = "",
) -> dg.AssetSelection:
    """Return the part of the dbt assets that dbt selects, with the tests that it selects as checks.

    Args:
        dbt_assets: What ``@dbt_assets`` made.
        dbt_select: dbt's ``--select``, within what the assets already are.
        dbt_exclude: dbt's ``--exclude``.
        dbt_selector: The name of a selector, instead of the two above.

    Raises:
        ConfigError: The assets are not made by ``@dbt_assets``, or the selection is wrong.

    Example:
        ::

            nightly = build_dbt_asset_selection([jaffle_shop], dbt_select="tag:nightly")
            and_all_that_follows = nightly.downstream()
    """
    definition = the_definition(dbt_assets)
    selection = DbtSelection.of(dbt_select, dbt_exclude, dbt_selector)
    ids = selected_ids(definition.manifest, selection, definition.project)
    nodes = RunNodes(definition.manifest, definition.translator, definition.project, dbt_assets[0])
    return _Selected.of(nodes, ids & {*definition.nodes, *definition.tests}, selection).by_keys()


def build_schedule_from_dbt_selection(  # noqa: PLR0917 - as the official one has them
    dbt_assets: Sequence[dg.AssetsDefinition],
    job_name: str,
    cron_schedule: str,
    dbt_select: str = "fqn:*",
    dbt_exclude: str | None = "",
    dbt_selector: str | None = "",
    schedule_name: str | None = None,
    tags: Mapping[str, object] | None = None,
    config: dg.RunConfig | None = None,
    execution_timezone: str | None = None,
    default_status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED,
) -> dg.ScheduleDefinition:
    """Return a schedule, and its job, for the part of the dbt assets that dbt selects.

    Args:
        dbt_assets: What ``@dbt_assets`` made.
        job_name: The job's name.
        cron_schedule: When it runs.
        dbt_select: dbt's ``--select``.
        dbt_exclude: dbt's ``--exclude``.
        dbt_selector: The name of a selector, instead of the two above.
        schedule_name: The schedule's name. By default the job's, with ``_schedule``.
        tags: Tags of the runs.
        config: Config of the runs.
        execution_timezone: The timezone of ``cron_schedule``.
        default_status: Whether the schedule runs from the start.

    Raises:
        ConfigError: The assets are not made by ``@dbt_assets``, or the selection is wrong.

    Example:
        ::

            daily = build_schedule_from_dbt_selection(
                [jaffle_shop], job_name="jaffle_shop_daily", cron_schedule="0 0 * * *", dbt_select="tag:daily"
            )
    """
    selection = build_dbt_asset_selection(dbt_assets, dbt_select, dbt_exclude, dbt_selector)
    return dg.ScheduleDefinition(
        name=schedule_name,
        cron_schedule=cron_schedule,
        job=dg.define_asset_job(name=job_name, selection=selection, config=config, tags=tags),
        execution_timezone=execution_timezone,
        default_status=default_status,
    )


@dataclass(frozen=True)
class _Selected:
    """What is selected, by its keys."""

    keys: Sequence[dg.AssetKey]
    checks: Sequence[dg.AssetCheckKey]

    @classmethod
    def of(cls, nodes: RunNodes, ids: frozenset[str], selection: DbtSelection) -> _Selected:
        """Return the assets and checks among some nodes; a selection without any is warned of."""
        keys = [key for uid in sorted(ids) if (key := nodes.asset(uid)) is not None]
        checks = [check for uid in sorted(ids) if (check := nodes.check(uid)) is not None]
        if not keys and not checks:
            dg.get_dagster_logger().warning(f"The dbt selection {selection} matches no asset and no check.")
        return cls(keys, checks)

    def by_keys(self) -> dg.AssetSelection:
        """Return exactly these, as a code location can serialize it."""
        return dg.AssetSelection.assets(*self.keys).without_checks() | dg.AssetSelection.checks(*self.checks)
