"""``@dbt_assets``: one assets definition for a dbt project, or for a part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from mainstem.dbt.collector import collector_paused
from mainstem.dbt.manifest import DbtManifestParam, read_manifest
from mainstem.dbt.project import DbtProject
from mainstem.dbt.selection import DbtSelection
from mainstem.dbt.specs import build_specs
from mainstem.dbt.translator import DagsterDbtTranslator
from mainstem.errors import ConfigError

__all__ = ["build_dbt_asset_specs", "checked_translator", "dbt_assets"]


def dbt_assets(
    *,
    manifest: DbtManifestParam,
    select: str = "fqn:*",
    exclude: str | None = "",
    selector: str | None = "",
    name: str | None = None,
    io_manager_key: str | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    dagster_dbt_translator: DagsterDbtTranslator | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    op_tags: Mapping[str, Any] | None = None,
    required_resource_keys: set[str] | None = None,
    project: DbtProject | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make assets of a dbt project: of its models, seeds and snapshots, with its tests as asset checks.

    The decorated function runs dbt, through ``DbtCliResource``. Any part of the assets can be selected to
    run; dbt is then told to build that part, and to run just the tests whose checks are selected.

    Args:
        manifest: dbt's ``manifest.json``, by its path or its content.
        select: The part of the project to make assets of, in dbt's selection syntax.
        exclude: What to leave out of it, in the same syntax.
        selector: The name of a selector of the project's ``selectors.yml``, instead of the two above.
        name: The op's name. By default the function's.
        io_manager_key: The IO manager with which assets downstream load these. dbt writes them by itself.
        partitions_def: The partitions of the assets.
        dagster_dbt_translator: Says which asset a node is.
        backfill_policy: How a backfill runs. With time partitions a single run by default.
        op_tags: Tags of the op.
        required_resource_keys: Resources that the function takes from its context.
        project: The project. Needed for code references, and for ``path:`` in a selection.
        retry_policy: The op's retries.
        pool: The op's concurrency pool.

    Raises:
        ConfigError: The manifest cannot be read, the selection is wrong or selects nothing, or two nodes
            have one asset key. Both are named, with their files.

    Example:
        ::

            @dbt_assets(manifest=Path("jaffle_shop/target/manifest.json"))
            def jaffle_shop(context: dg.AssetExecutionContext, dbt: DbtCliResource):
                yield from dbt.cli(["build"], context=context).stream()
    """
    with collector_paused():
        specs, checks = build_specs(
            read_manifest(manifest),
            checked_translator(dagster_dbt_translator),
            project,
            DbtSelection.of(select, exclude, selector),
        )
        if io_manager_key is not None:
            specs = [spec.with_io_manager_key(io_manager_key) for spec in specs]
    if backfill_policy is None and isinstance(partitions_def, dg.TimeWindowPartitionsDefinition):
        backfill_policy = dg.BackfillPolicy.single_run()

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        with collector_paused():
            return dg.multi_asset(
                name=name,
                specs=specs,
                check_specs=checks,
                can_subset=True,
                partitions_def=partitions_def,
                backfill_policy=backfill_policy,
                op_tags=op_tags,
                required_resource_keys=required_resource_keys,
                retry_policy=retry_policy,
                pool=pool,
                # A test on a source is a check on an asset that is made elsewhere.
                allow_arbitrary_check_specs=True,
            )(function)

    return decorate


def build_dbt_asset_specs(
    *,
    manifest: DbtManifestParam,
    dagster_dbt_translator: DagsterDbtTranslator | None = None,
    select: str = "fqn:*",
    exclude: str | None = "",
    selector: str | None = "",
    project: DbtProject | None = None,
) -> Sequence[dg.AssetSpec]:
    """Return the assets that a dbt project makes, for one that is run elsewhere: without what runs it.

    Args:
        manifest: dbt's ``manifest.json``, by its path or its content.
        dagster_dbt_translator: Says which asset a node is.
        select: The part of the project to make assets of, in dbt's selection syntax.
        exclude: What to leave out of it, in the same syntax.
        selector: The name of a selector of the project's ``selectors.yml``, instead of the two above.
        project: The project. Needed for code references, and for ``path:`` in a selection.

    Raises:
        ConfigError: As in ``dbt_assets``.

    Example:
        ::

            defs = dg.Definitions(assets=build_dbt_asset_specs(manifest="target/manifest.json"))
    """
    with collector_paused():
        specs, _ = build_specs(
            read_manifest(manifest),
            checked_translator(dagster_dbt_translator),
            project,
            DbtSelection.of(select, exclude, selector),
        )
    return specs


def checked_translator(translator: DagsterDbtTranslator | None) -> DagsterDbtTranslator:
    """Return the translator, or the default one for ``None``.

    Raises:
        ConfigError: It is none; often it is the class and not an object of it.
    """
    if translator is None:
        return DagsterDbtTranslator()
    if not isinstance(translator, DagsterDbtTranslator):
        raise ConfigError(
            f"dagster_dbt_translator is no DagsterDbtTranslator: {translator!r}.",
            hint="Pass an object of your subclass, as in dagster_dbt_translator=MyTranslator().",
        )
    return translator
