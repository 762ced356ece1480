"""How a dbt project is made ready: its packages installed, its manifest written."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainstem.dbt.project import DbtProject

__all__ = ["DagsterDbtProjectPreparer", "DbtProjectPreparer", "in_development"]

_DECLARE_PACKAGES = ("packages.yml", "dependencies.yml")
# What dbt writes that is of use to others. The manifest is the last: whoever sees it finds the rest.
_KEPT = ("partial_parse.msgpack", "semantic_manifest.json", "manifest.json")


def in_development() -> bool:
    """Whether we are loaded by ``dagster dev`` or ``dg``, or are told to parse the project at each load."""
    on_load = os.environ.get("DAGSTER_DBT_PARSE_PROJECT_ON_LOAD", "")
    return bool(os.environ.get("DAGSTER_IS_DEV_CLI")) or on_load.lower() not in ("", "0", "false")


class DbtProjectPreparer:
    """Makes a project ready. This one leaves it as it is; subclass it to do something else."""

    def prepare_if_dev(self, project: DbtProject) -> None:
        """Make the project ready where Dagster runs in development.

        Args:
            project: The project.
        """

    def prepare(self, project: DbtProject) -> None:
        """Make the project ready.

        Args:
            project: The project.
        """

    def using_dagster_dev(self) -> bool:
        """Whether Dagster runs in development."""
        return in_development()


class DagsterDbtProjectPreparer(DbtProjectPreparer):
    """Installs the packages that are declared and not there, and writes the manifest.

    Args:
        prepare_project_cli_args: The dbt command that writes the manifest. By default ``parse``, without
            a word.
    """

    def __init__(self, prepare_project_cli_args: Sequence[str] | None = None) -> None:
        self._args = list(prepare_project_cli_args or ["parse", "--quiet"])

    def prepare_if_dev(self, project: DbtProject) -> None:
        """Make the project ready where Dagster runs in development; elsewhere, take it as it was deployed.

        Args:
            project: The project.

        Raises:
            DbtRunError: dbt cannot install the packages, or cannot parse the project.
        """
        if self.using_dagster_dev():
            self.prepare(project)

    def prepare(self, project: DbtProject) -> None:
        """Install what is missing, and write the manifest.

        The manifest is replaced in one step: another process that reads it sees the old one or the new one.

        Args:
            project: The project.

        Raises:
            DbtRunError: dbt cannot install the packages, or cannot parse the project.
        """
        from mainstem.dbt.resource import DbtCliResource  # noqa: PLC0415 - the resource takes a project

        dbt = DbtCliResource(project_dir=project)
        target = project.project_dir / project.target_path
        if project.has_uninstalled_deps or _packages_changed(project.project_dir):
            dbt.cli(["deps", "--quiet"], target_path=target).wait()
        own = target / f"prepare-{uuid.uuid4().hex[:8]}"
        try:
            dbt.cli(self._args, target_path=own).wait()
            for name in _KEPT:
                if (own / name).exists():
                    (own / name).replace(target / name)
        finally:
            shutil.rmtree(own, ignore_errors=True)


def _packages_changed(project_dir: Path) -> bool:
    """Whether packages were declared anew since dbt locked them."""
    lock = project_dir / "package-lock.yml"
    declared = [project_dir / name for name in _DECLARE_PACKAGES if (project_dir / name).exists()]
    if not declared or not lock.exists():
        return bool(declared)
    return any(file.stat().st_mtime > lock.stat().st_mtime for file in declared)
