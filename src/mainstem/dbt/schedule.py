"""dbt's selection syntax for Dagster's selections, jobs and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from mainstem.dbt.decorator import checked_translator
from mainstem.dbt.lookup import the_definition
from mainstem.dbt.manifest import DbtManifestParam, read_manifest
from mainstem.dbt.nodes import RunNodes
from mainstem.dbt.project import DbtProject
from mainstem.dbt.selection import DbtSelection, selected_ids
from mainstem.dbt.translator import DagsterDbtTranslator

__all__ = ["DbtManifestAssetSelection", "build_dbt_asset_selection", "build_schedule_from_dbt_selection"]


class DbtManifestAssetSelection:
    """A part of a dbt manifest as a Dagster asset selection."""

    @staticmethod
    def build(
        manifest: DbtManifestParam,
        select: str = "fqn:*",
        *,
        dagster_dbt_translator: DagsterDbtTranslator | None = None,
        exclude: str | None = "",
        selector: str | None = "",
        project: DbtProject | None = None,
    ) -> dg.AssetSelection:
        """Return the selection of the assets, and the checks, that dbt selects.

        Args:
            manifest: dbt's ``manifest.json``, by its path or its content.
            select: dbt's ``--select``.
            dagster_dbt_translator: Says which asset a node is.
            exclude: dbt's ``--exclude``.
            selector: The name of a selector, instead of the two above.
            project: The project, which ``path:`` is relative to.

        Raises:
            ConfigError: The manifest cannot be read, or the selection is wrong.
        """
        parsed = read_manifest(manifest)
        nodes = RunNodes(parsed, checked_translator(dagster_dbt_translator), project, None)
        selection = DbtSelection.of(select, exclude, selector)
        ids = selected_ids(parsed, selection, project)
        return _selection_of(nodes, ids, selection)


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
    return _selection_of(nodes, ids & (definition.nodes | definition.tests), selection)


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


def _selection_of(nodes: RunNodes, ids: frozenset[str], selection: DbtSelection) -> dg.AssetSelection:
    """Return exactly these assets and checks, by their keys: what a code location can serialize."""
    keys = [key for uid in sorted(ids) if (key := nodes.asset(uid)) is not None]
    checks = [check for uid in sorted(ids) if (check := nodes.check(uid)) is not None]
    if not keys and not checks:
        dg.get_dagster_logger().warning(f"The dbt selection {selection} matches no asset and no check.")
    return dg.AssetSelection.assets(*keys).without_checks() | dg.AssetSelection.checks(*checks)
