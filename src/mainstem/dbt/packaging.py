"""Making dbt projects ready where a deployment is built, so that they need not be where it runs."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from mainstem.dbt.component import DbtProjectComponent
from mainstem.dbt.project import DbtProject
from mainstem.errors import ConfigError

__all__ = ["prepare_and_package", "projects_of_components", "projects_of_file"]

# dbt's parsing knows where each seed was, and there it is not any more.
_NOT_PACKAGED = (".git", "partial_parse.msgpack", "logs", "*.duckdb", "*.duckdb.wal")


def prepare_and_package(project: DbtProject) -> None:
    """Write the project's manifest, and copy the project to its ``packaged_project_dir``, if it has one.

    Args:
        project: The project.

    Raises:
        DbtRunError: dbt cannot install the packages, or cannot parse the project.
    """
    original, packaged = project.original, project.packaged_project_dir
    original.prepare()
    if packaged is not None:
        shutil.rmtree(packaged, ignore_errors=True)
        shutil.copytree(original.project_dir, packaged, ignore=_ignored(packaged.resolve()))


def projects_of_file(file: Path) -> list[DbtProject]:
    """Return the projects that a Python file has in variables.

    Args:
        file: The file. It is run.

    Raises:
        ConfigError: It has none.
    """
    values = runpy.run_path(str(file)).values()
    return _some([value for value in values if isinstance(value, DbtProject)], str(file))


def projects_of_components(folder: Path) -> list[DbtProject]:
    """Return the projects of the dbt components of a ``dg`` project.

    Args:
        folder: The folder with its ``pyproject.toml``.

    Raises:
        ConfigError: It has none.
    """
    components = dg.ComponentTree.for_project(folder).get_all_components(of_type=DbtProjectComponent)
    return _some([component.dbt_project for component in components], str(folder))


def _some(projects: list[DbtProject], where: str) -> list[DbtProject]:
    if not projects:
        raise ConfigError(f"There is no DbtProject in {where}.", hint="Assign one to a variable.")
    return projects


def _ignored(packaged: Path) -> Callable[[str, list[str]], set[str]]:
    patterns = shutil.ignore_patterns(*_NOT_PACKAGED)

    def ignored(folder: str, names: list[str]) -> set[str]:
        # The copy may be inside of what is copied.
        own = {name for name in names if Path(folder, name).resolve() == packaged}
        return own | patterns(folder, names)

    return ignored
