"""The files that `dg scaffold defs` writes for a dbt project."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from mainstem.dbt.environment import dbt_program
from mainstem.errors import ConfigError

__all__ = ["DbtProjectComponentScaffolder", "DbtScaffoldParams"]


class DbtScaffoldParams(BaseModel):
    """Where the project is, or is to come from."""

    init: bool = Field(default=False, description="Let `dbt init` make a new project.")
    project_path: str | None = Field(default=None, description="The folder of the dbt project.")
    git_url: str | None = Field(
        default=None, description="A git repository; project_path is the project's folder in it."
    )


class DbtProjectComponentScaffolder(dg.Scaffolder[DbtScaffoldParams]):
    """Writes the YAML of a component for a dbt project."""

    @classmethod
    def get_scaffold_params(cls) -> type[DbtScaffoldParams]:
        """The options of the command."""
        return DbtScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[DbtScaffoldParams]) -> None:
        """Write the YAML.

        Args:
            request: Where, and the command's options.

        Raises:
            ConfigError: The options contradict each other, or ``dbt init`` made no project.
        """
        params, root = request.params, (request.project_root or Path.cwd()).resolve()
        if params.init and (params.git_url or params.project_path):
            raise ConfigError(
                "A project is made, or taken from somewhere.", hint="Leave out --init, or the rest."
            )
        project: Any = None
        if params.git_url:
            folder = {"repo_relative_path": params.project_path} if params.project_path else {}
            project = {"repo_url": params.git_url, **folder}
        elif params.init:
            project = _relative(_new_project(root), root)
        elif params.project_path:
            project = _relative(Path(params.project_path), root)
        dg.scaffold_component(request=request, yaml_attributes={"project": project})


def _relative(path: Path, root: Path) -> str:
    return f"{{{{ context.project_root }}}}/{Path(os.path.relpath(path, root)).as_posix()}"


def _new_project(root: Path) -> Path:
    """Let dbt ask what it asks, and return the folder that it made."""
    before = _projects(root)
    subprocess.run([dbt_program("dbt").plain, "init"], cwd=root, check=False)
    made = _projects(root) - before
    if len(made) != 1:
        raise ConfigError("`dbt init` made no project.", hint="Make one, and give its --project-path.")
    return made.pop()


def _projects(root: Path) -> set[Path]:
    return {file.parent for file in root.glob("*/dbt_project.yml")}
