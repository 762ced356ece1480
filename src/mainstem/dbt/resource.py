"""``DbtCliResource``: runs dbt commands, in a process of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from mainstem.assets import ExecutionContext
from mainstem.dbt.arguments import selection_arguments, takes_selection
from mainstem.dbt.collector import collector_paused
from mainstem.dbt.decorator import checked_translator
from mainstem.dbt.environment import (
    command_of,
    dbt_program,
    log_level,
    parsed_before,
    process_environment,
    unique_target_path,
)
from mainstem.dbt.invocation import DbtCliInvocation
from mainstem.dbt.manifest import DbtManifestParam, Manifest, read_manifest
from mainstem.dbt.nodes import RunNodes, assets_def_of
from mainstem.dbt.project import DbtProject, checked_profiles_dir, checked_project_dir
from mainstem.dbt.retry import RETRIABLE, Attempt, EarlierAttempt
from mainstem.dbt.specs import DbtDefinition, definition_behind
from mainstem.dbt.translator import DagsterDbtTranslator

__all__ = ["DbtCliResource"]


class DbtCliResource(dg.ConfigurableResource[Any]):
    """Runs dbt commands for a project, and reports what they do as they do it.

    Args:
        project_dir: The folder with the ``dbt_project.yml``, or a ``DbtProject``.
        global_config_flags: Flags that stand before every command, such as ``--no-use-colors``.
        profiles_dir: The folder with the ``profiles.yml``. By default dbt looks in the project, then in
            ``~/.dbt``.
        profile: The profile, if not the project's own.
        target: The profile's target, if not its default.
        dbt_executable: dbt's path. By default the dbt beside the running Python, else the one on the path.
        state_path: Artifacts of another run, for ``get_defer_args`` and ``get_state_args``; relative to the
            project.

    Raises:
        ConfigError: There is no dbt project, or no profiles.

    Example:
        ::

            defs = dg.Definitions(
                assets=[jaffle_shop],
                resources={"dbt": DbtCliResource(project_dir="jaffle_shop")},
            )
    """

    project_dir: str = Field(description="The folder with the dbt_project.yml.")
    global_config_flags: list[str] = Field(default=[], description="Flags before every dbt command.")
    profiles_dir: str | None = Field(default=None, description="The folder with the profiles.yml.")
    profile: str | None = Field(default=None, description="The profile, if not the project's own.")
    target: str | None = Field(default=None, description="The profile's target, if not its default.")
    dbt_executable: str = Field(default="dbt", description="dbt's path, if not this environment's.")
    state_path: str | None = Field(default=None, description="Artifacts of another run.")

    def __init__(  # noqa: PLR0917 - as the official one has them
        self,
        project_dir: str | Path | DbtProject,
        global_config_flags: list[str] | None = None,
        profiles_dir: str | Path | None = None,
        profile: str | None = None,
        target: str | None = None,
        dbt_executable: str | Path = "dbt",
        state_path: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(project_dir, DbtProject):
            project = project_dir
            project_dir = project.project_dir
            profiles_dir = profiles_dir or project.profiles_dir
            profile = profile or project.profile
            target = target or project.target
            state_path = state_path or project.state_path
        fields: dict[str, Any] = {
            "project_dir": _known(project_dir, checked_project_dir),
            "global_config_flags": global_config_flags or [],
            "profiles_dir": _known(profiles_dir, checked_profiles_dir) if profiles_dir else None,
            "profile": profile,
            "target": target,
            "dbt_executable": os.fspath(dbt_executable),
            "state_path": os.fspath(state_path) if state_path else None,
        }
        super().__init__(**fields, **kwargs)

    def cli(
        self,
        args: Sequence[str],
        *,
        raise_on_error: bool = True,
        manifest: DbtManifestParam | None = None,
        dagster_dbt_translator: DagsterDbtTranslator | None = None,
        context: ExecutionContext | None = None,
        target_path: str | Path | None = None,
    ) -> DbtCliInvocation:
        """Start a dbt command.

        Within ``@dbt_assets``, pass the context: dbt then runs what is selected in Dagster, and manifest and
        translator are the decorator's. Arguments of your own are passed on as they are. A ``--select`` of
        yours decides where everything is selected in Dagster; where a part is, dbt builds yours as well.

        Where Dagster re-executes a step from its failure, by the op's retry policy or in another run, the
        same command is dbt's ``retry``: what failed and what was skipped, and no more.

        Args:
            args: The command and its arguments. Global flags may stand before the command.
            raise_on_error: Whether the end of the events raises where dbt failed.
            manifest: Which nodes are there, in an op. By default the manifest that the command writes.
            dagster_dbt_translator: Says which asset a node is, in an op.
            context: The context of the asset or op that runs.
            target_path: The folder for dbt's artifacts, relative to the project. By default one of the
                invocation's own, under the project's target folder.

        Raises:
            ConfigError: There is no dbt command among the arguments, no such project, or no dbt.
        """
        command = command_of(args)
        definition = self._definition(context)
        project = definition.project if definition else None
        project_dir = project.project_dir if project else checked_project_dir(self.project_dir)
        base = project_dir / (project.target_path if project else os.environ.get("DBT_TARGET_PATH", "target"))
        folder = project_dir / target_path if target_path else unique_target_path(base, context)
        selected, selection_env = self._selection(command, context, definition)
        said = [*self.global_config_flags, *args]
        arguments = [*said, *self._profile_args(), *selected]
        attempt = None
        if context is not None and definition is not None and command in RETRIABLE and not target_path:
            attempt = Attempt.of(context, base, arguments)
        if attempt is not None and attempt.earlier is not None:
            dg.get_dagster_logger().info(_retry_announcement(attempt.earlier))
            state = ["--state", str(attempt.earlier.folder)]
            command, arguments = "retry", [*self.global_config_flags, "retry", *state, *self._profile_args()]
        else:
            dg.get_dagster_logger().info(_announcement(command, selected))
        program = dbt_program(self.dbt_executable)
        return DbtCliInvocation(
            program,
            arguments,
            command=command,
            env=process_environment(
                program,
                project_dir=project_dir,
                target_path=folder,
                profiles_dir=self.profiles_dir,
                more={**parsed_before(base, folder), **selection_env},
            ),
            log_level=log_level(said),
            project_dir=project_dir,
            target_path=folder,
            manifest=_manifest_of(definition, manifest),
            dagster_dbt_translator=(
                definition.translator if definition else checked_translator(dagster_dbt_translator)
            ),
            context=context,
            project=project,
            raise_on_error=raise_on_error,
            attempt=attempt,
        )

    def get_defer_args(self) -> Sequence[str]:
        """Return the arguments that make dbt defer to ``state_path``: none where there is no manifest."""
        state = self._state()
        return ["--defer", "--defer-state", str(state)] if state else []

    def get_state_args(self) -> Sequence[str]:
        """Return the arguments that make dbt compare with ``state_path``: none where there is no manifest."""
        state = self._state()
        return ["--state", str(state)] if state else []

    def _profile_args(self) -> list[str]:
        given = {"--profile": self.profile, "--target": self.target}
        return [word for flag, value in given.items() if value for word in (flag, value)]

    def _definition(self, context: ExecutionContext | None) -> DbtDefinition | None:
        assets_def = assets_def_of(context)
        return definition_behind(assets_def) if assets_def is not None else None

    def _state(self) -> Path | None:
        if not self.state_path:
            return None
        state = Path(self.project_dir, self.state_path)
        return state if (state / "manifest.json").exists() else None

    def _selection(
        self, command: str, context: ExecutionContext | None, definition: DbtDefinition | None
    ) -> tuple[list[str], Mapping[str, str]]:
        if context is None or definition is None or not takes_selection(command):
            return [], {}
        nodes = RunNodes(
            definition.manifest, definition.translator, definition.project, assets_def_of(context)
        )
        with collector_paused():
            return selection_arguments(context, definition, nodes)


def _manifest_of(definition: DbtDefinition | None, given: DbtManifestParam | None) -> Manifest | None:
    if definition is not None:
        return definition.manifest
    return None if given is None else read_manifest(given)


def _known(path: str | Path, check: Callable[[str | Path], Path]) -> str:
    """Check the path now, unless it is only known when the run starts."""
    return path if isinstance(path, dg.EnvVar) else str(check(path))


def _announcement(command: str, selected: Sequence[str]) -> str:
    # The user's own arguments are left out: --vars may hold a secret.
    return f"Running dbt {command} {' '.join(selected[:20])}{' ...' if len(selected) > 20 else ''}".rstrip()  # noqa: PLR2004


def _retry_announcement(earlier: EarlierAttempt) -> str:
    return (
        f"This re-executes a dbt command of run {earlier.run_id} from its failure: "
        f"{len(earlier.undone)} nodes are run, and the {len(earlier.done)} that succeeded are not."
    )
