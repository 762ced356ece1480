"""A dbt project as a Dagster component: named in YAML."""

# No postponed annotations here: Dagster makes the YAML's schema of them.

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs

from mainstem.assets import AssetEvent
from mainstem.assets.component import (
    BackfillModel,
    Translation,
    resolve_backfill_policy,
    resolve_translation,
)
from mainstem.dbt.component_project import (
    DbtProjectArgs,
    GitProject,
    ProjectSource,
    resolve_project,
    source_of,
)
from mainstem.dbt.decorator import dbt_assets
from mainstem.dbt.iterator import DbtEventIterator
from mainstem.dbt.lookup import model_id
from mainstem.dbt.manifest import Manifest, node_of, read_manifest
from mainstem.dbt.preparer import in_development
from mainstem.dbt.project import DbtProject
from mainstem.dbt.resource import DbtCliResource
from mainstem.dbt.scaffolder import DbtProjectComponentScaffolder
from mainstem.dbt.schedule import DbtManifestAssetSelection
from mainstem.dbt.settings import DagsterDbtTranslatorSettings
from mainstem.dbt.translator import DagsterDbtTranslator

__all__ = ["DbtProjectComponent"]


@dataclass(frozen=True)
class DbtComponentSettings(DagsterDbtTranslatorSettings, dg.Resolvable):
    """What of the project becomes part of the graph. Assets point at their file, which is known here."""

    enable_code_references: bool = True


@dataclass
class DbtOp(dg.Resolvable):
    """What is said of the op that runs dbt.

    Attributes:
        name: Its name. By default the project's.
        tags: Its tags.
        pool: Its concurrency pool.
        backfill_policy: How a backfill of many partitions is run.
    """

    name: str | None = None
    tags: dict[str, Any] | None = None
    pool: str | None = None
    backfill_policy: Annotated[
        dg.BackfillPolicy | None, dg.Resolver(resolve_backfill_policy, model_field_type=BackfillModel)
    ] = None


@dg.scaffold_with(DbtProjectComponentScaffolder)
@dataclass
class DbtProjectComponent(dg.StateBackedComponent, dg.Resolvable):
    """Make assets of a dbt project.

    The manifest is written when the state of the definitions is refreshed: by ``dagster dev`` and ``dg``, and
    by ``dg utils refresh-defs-state`` where a deployment is built.

    Attributes:
        project: The project: its folder, the arguments of a ``DbtProject``, or a git repository.
        cli_args: The dbt command. Templates in it see ``partition_key``, ``partition_key_range`` and
            ``partition_time_window``; a mapping is an option with its value, which may be a mapping itself.
        include_metadata: What to fetch of each asset once it is built: ``row_count``, ``column_metadata``.
        op: What is said of the op that runs dbt.
        select: The part of the project to make assets of, in dbt's selection syntax.
        exclude: What to leave out of it, in the same syntax.
        selector: The name of a selector of the project's ``selectors.yml``, instead of the two above.
        translation: What is different about the assets. Templates see ``spec`` and ``node``.
        translation_settings: What of the project becomes part of the graph.
        prepare_if_dev: Whether to write the manifest anew whenever ``dagster dev`` or ``dg`` loads it.

    Example::

        type: mainstem.dbt.DbtProjectComponent
        attributes:
          project: "{{ project_root }}/jaffle_shop"
          cli_args:
            - build
            - --vars:
                day: "{{ partition_key }}"
    """

    project: Annotated[
        DbtProject | ProjectSource,
        dg.Resolver(resolve_project, model_field_type=str | DbtProjectArgs.model() | GitProject.model()),
    ]
    cli_args: Annotated[list[str | dict[str, Any]], dg.Resolver.passthrough()] = field(
        default_factory=lambda: ["build"]
    )
    include_metadata: list[Literal["column_metadata", "row_count"]] = field(default_factory=list)
    op: DbtOp | None = None
    select: str = "fqn:*"
    exclude: str = ""
    selector: str = ""
    translation: Annotated[
        Translation | None,
        dg.Resolver(
            resolve_translation, model_field_type=str | dg.AssetAttributesModel, inject_before_resolve=False
        ),
    ] = None
    translation_settings: DbtComponentSettings | None = field(default_factory=DbtComponentSettings)
    prepare_if_dev: bool = True

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where Dagster keeps the state of the definitions: in files beside the project's."""
        args = DefsStateConfigArgs.local_filesystem()
        args = args.model_copy(update={"refresh_if_dev": self.prepare_if_dev})
        key = f"{type(self).__name__}[{source_of(self.project).name}]"
        return DefsStateConfig.from_args(args, default_key=key)

    @property
    def op_config_schema(self) -> type[dg.Config] | None:
        """The config of the op. ``None`` for none; override it, and read ``context.op_config``."""
        return None

    @property
    def config_cls(self) -> type[dg.Config] | None:
        """The older name of ``op_config_schema``."""
        return self.op_config_schema

    @cached_property
    def translator(self) -> DagsterDbtTranslator:
        """Says which asset a node is: as the component does, and then as the YAML's translation does."""
        overridden = type(self).get_asset_spec is not DbtProjectComponent.get_asset_spec or (
            type(self).get_asset_check_spec is not DbtProjectComponent.get_asset_check_spec
        )
        if self.translation is None and not overridden:
            return DagsterDbtTranslator(self.translation_settings)
        return _ComponentTranslator(self)

    @cached_property
    def dbt_project(self) -> DbtProject:
        """The project, where it is on this machine."""
        return source_of(self.project).project(None)

    def get_resource_props(self, manifest: Manifest, unique_id: str) -> Mapping[str, Any]:
        """Return a node as it stands in the manifest.

        Raises:
            ConfigError: The manifest has no such node.
        """
        return node_of(manifest, unique_id)

    def get_asset_spec(self, manifest: Manifest, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Return the asset that a node is, before the YAML's translation. Override it to have another.

        Args:
            manifest: dbt's manifest.
            unique_id: The node.
            project: The project.
        """
        return DagsterDbtTranslator.get_asset_spec(self.translator, manifest, unique_id, project)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Manifest, unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """Return the check that a test is, if it is one. Override it to have another.

        Args:
            asset_spec: The asset that the test is about.
            manifest: dbt's manifest.
            unique_id: The test.
            project: The project.
        """
        return DagsterDbtTranslator.get_asset_check_spec(
            self.translator, asset_spec, manifest, unique_id, project
        )

    def get_asset_selection(self, select: str, exclude: str = "") -> DbtManifestAssetSelection:
        """Return the part of the project that dbt selects, as a selection of Dagster's."""
        return DbtManifestAssetSelection(
            self.dbt_project.manifest_path,
            select,
            exclude=exclude,
            dagster_dbt_translator=self.translator,
            project=self.dbt_project,
        )

    def asset_key_for_model(self, model_name: str) -> dg.AssetKey:
        """Return the asset key of a model, seed or snapshot, for the templates of other components.

        Raises:
            UnknownNameError: There is no such node. The closest name is in the message.
        """
        manifest = read_manifest(self.dbt_project.manifest_path)
        return self.translator.get_asset_spec(manifest, model_id(manifest, model_name), self.dbt_project).key

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the project's assets, for Dagster. Beside a project of ``dg`` there is no state to keep."""
        if _is_in_project(context):
            return super().build_defs(context)
        if self.prepare_if_dev and in_development():
            self.dbt_project.prepare()
        return self.build_defs_from_state(context, None)

    def write_state_to_path(self, state_path: Path) -> None:
        """Make the project ready, for Dagster."""
        source_of(self.project).prepare(_clone(state_path))
        state_path.parent.mkdir(parents=True, exist_ok=True)
        state_path.write_text("The manifest is in the project.\n", encoding="utf-8")

    def build_defs_from_state(
        self, context: dg.ComponentLoadContext, state_path: Path | None
    ) -> dg.Definitions:
        """Return the project's assets, for Dagster."""
        project = source_of(self.project).project(_clone(state_path) if state_path else None)
        self._context = context.resolution_context
        op = self.op or DbtOp()

        def run_dbt(context: dg.AssetExecutionContext) -> Iterator[Any]:
            yield from self.execute(context=context, dbt=DbtCliResource(project))

        def run_dbt_with_config(context: dg.AssetExecutionContext, config: Any) -> Iterator[Any]:  # noqa: ARG001
            yield from run_dbt(context)

        run_dbt_with_config.__annotations__["config"] = self.config_cls
        assets = dbt_assets(
            manifest=project.manifest_path,
            project=project,
            select=self.select,
            exclude=self.exclude,
            selector=self.selector,
            dagster_dbt_translator=self.translator,
            name=op.name or project.name,
            op_tags=op.tags,
            pool=op.pool,
            backfill_policy=op.backfill_policy,
        )
        return dg.Definitions(assets=[assets(run_dbt_with_config if self.config_cls else run_dbt)])

    def get_cli_args(self, context: dg.AssetExecutionContext) -> list[str]:
        """Return the dbt command of a run. Override it to have another.

        Args:
            context: The context of the assets that run.
        """
        scope = {
            "partition_key": context.partition_key if context.has_partition_key else None,
            "partition_key_range": context.partition_key_range if context.has_partition_key_range else None,
            "partition_time_window": _time_window(context),
        }
        resolved = self._context.with_scope(**scope).resolve_value(self.cli_args)
        return [word for arg in resolved for word in _words(arg)]

    def execute(self, context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[AssetEvent]:
        """Run dbt for the selected assets. Override it to do something before or after.

        Args:
            context: The context of the assets that run.
            dbt: Runs dbt.
        """
        events: DbtEventIterator = dbt.cli(self.get_cli_args(context), context=context).stream()
        if "row_count" in self.include_metadata:
            events = events.fetch_row_counts()
        if "column_metadata" in self.include_metadata:
            events = events.fetch_column_metadata()
        yield from events


class _ComponentTranslator(DagsterDbtTranslator):
    """What the component says, then what the YAML says."""

    def __init__(self, component: DbtProjectComponent) -> None:
        super().__init__(component.translation_settings)
        self._component = component

    def get_asset_spec(self, manifest: Manifest, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(manifest, unique_id, project)
        if self._component.translation is None:
            return spec
        return self._component.translation(spec, {"node": node_of(manifest, unique_id)})

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Manifest, unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        return self._component.get_asset_check_spec(asset_spec, manifest, unique_id, project)


def _is_in_project(context: dg.ComponentLoadContext) -> bool:
    declared = context.project_root / "pyproject.toml"
    if (context.project_root / "dg.toml").exists():
        return True
    return declared.exists() and "[tool.dg" in declared.read_text(encoding="utf-8")


def _clone(state_path: Path) -> Path:
    """Return where a repository is cloned to, beside the state file."""
    return state_path.parent / "project"


def _time_window(context: dg.AssetExecutionContext) -> dg.TimeWindow | None:
    try:
        window: dg.TimeWindow = context.partition_time_window
    except Exception:  # Dagster has several errors for partitions that are not of time, or none
        return None
    return window


def _words(arg: str | dict[str, Any]) -> Iterator[str]:
    if isinstance(arg, str):
        yield arg
        return
    for option, value in arg.items():
        yield option
        yield json.dumps(value) if isinstance(value, dict) else str(value)
