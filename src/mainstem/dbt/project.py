"""Where a dbt project is, and how its manifest comes to be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from mainstem.dbt.preparer import DagsterDbtProjectPreparer, DbtProjectPreparer, in_development
from mainstem.errors import ConfigError

__all__ = ["DbtProject", "checked_profiles_dir", "checked_project_dir"]

_DECLARE_PACKAGES = ("packages.yml", "dependencies.yml")


class DbtProject:
    """A dbt project, and how to reach it.

    Args:
        project_dir: The folder with the ``dbt_project.yml``.
        target_path: Where dbt writes, relative to the project.
        profiles_dir: The folder with the ``profiles.yml``. By default dbt looks in the project, then in
            ``~/.dbt``.
        profile: The profile, if not the project's own.
        target: The profile's target, if not its default.
        packaged_project_dir: A copy of the project that is deployed with the code. Where it exists, and
            Dagster does not run in development, it is used instead of ``project_dir``.
        state_path: Artifacts of another run, to compare with or defer to, relative to the project.
        prepare_project_cli_args: The dbt command that writes the manifest, if not ``parse``. With ``compile``
            the manifest has each model's SQL as the database gets it.

    Attributes:
        preparer: Makes the project ready.

    Raises:
        ConfigError: There is no dbt project, or no profiles.

    Example:
        ::

            project = DbtProject(Path(__file__).parent / "jaffle_shop")
            project.prepare_if_dev()

            @dbt_assets(manifest=project.manifest_path, project=project)
            def jaffle_shop(context: dg.AssetExecutionContext, dbt: DbtCliResource):
                yield from dbt.cli(["build"], context=context).stream()
    """

    def __init__(
        self,
        project_dir: str | Path,
        *,
        target_path: str | Path = Path("target"),
        profiles_dir: str | Path | None = None,
        profile: str | None = None,
        target: str | None = None,
        packaged_project_dir: str | Path | None = None,
        state_path: str | Path | None = None,
        prepare_project_cli_args: Sequence[str] | None = None,
    ) -> None:
        self.packaged_project_dir = Path(packaged_project_dir) if packaged_project_dir else None
        self._given_dir = project_dir
        packaged = self.packaged_project_dir
        if packaged is not None and (packaged / "dbt_project.yml").exists() and not in_development():
            project_dir = packaged
        self.project_dir = checked_project_dir(project_dir)
        self.target_path = Path(target_path)
        self.profiles_dir = checked_profiles_dir(profiles_dir) if profiles_dir else None
        self.profile = profile
        self.target = target
        # An absolute path replaces what it is joined to.
        self.state_path = self.project_dir / state_path if state_path else None
        self.preparer: DbtProjectPreparer = DagsterDbtProjectPreparer(prepare_project_cli_args)

    def __repr__(self) -> str:
        return f"DbtProject({str(self.project_dir)!r})"

    @property
    def name(self) -> str:
        """The project's name in its ``dbt_project.yml``."""
        return str(self._settings["name"])

    @property
    def profile_name(self) -> str:
        """The profile: the given one, else the one that its ``dbt_project.yml`` names."""
        return self.profile or str(self._settings.get("profile") or self.name)

    @property
    def manifest_path(self) -> Path:
        """Where dbt writes the manifest."""
        return self.project_dir / self.target_path / "manifest.json"

    @property
    def original(self) -> DbtProject:
        """The project where it was written: itself, unless this one is its packaged copy."""
        original = copy(self)
        original.project_dir = checked_project_dir(self._given_dir)
        return original

    @property
    def has_uninstalled_deps(self) -> bool:
        """Whether the project declares packages and none are installed."""
        if not any((self.project_dir / name).exists() for name in _DECLARE_PACKAGES):
            return False
        folder = self._settings.get("packages-install-path", "dbt_packages")
        return not (self.project_dir / folder).exists()

    def prepare_if_dev(self) -> None:
        """Prepare the project where Dagster runs in development; elsewhere, take it as it was deployed.

        That is under ``dagster dev`` and ``dg dev``, and wherever ``DAGSTER_DBT_PARSE_PROJECT_ON_LOAD`` is
        set.

        Raises:
            DbtRunError: dbt cannot parse the project.
        """
        self.preparer.prepare_if_dev(self)

    def prepare(self) -> None:
        """Install the packages that are declared and missing, and write the manifest.

        The manifest is replaced in one step: another process that reads it sees the old one or the new one.

        Raises:
            DbtRunError: dbt cannot install the packages, or cannot parse the project.
        """
        self.preparer.prepare(self)

    @cached_property
    def _settings(self) -> Mapping[str, Any]:
        import yaml  # noqa: PLC0415 - a parsed project is used without

        text = (Path(self.project_dir) / "dbt_project.yml").read_text(encoding="utf-8")
        settings: Mapping[str, Any] = yaml.safe_load(text) or {}
        return settings


def checked_project_dir(project_dir: str | Path) -> Path:
    """Return the folder as an absolute path.

    Raises:
        ConfigError: It is not there, or is no dbt project.
    """
    return _folder_with("dbt_project.yml", project_dir, "dbt project")


def checked_profiles_dir(profiles_dir: str | Path) -> Path:
    """Return the folder as an absolute path.

    Raises:
        ConfigError: It is not there, or has no profiles.
    """
    return _folder_with("profiles.yml", profiles_dir, "dbt profiles folder")


def _folder_with(file: str, folder: str | Path, name: str) -> Path:
    path = Path(folder).absolute()
    if not path.is_dir():
        raise ConfigError(f"There is no {name} at {path}: no such folder.", hint="Check the path.")
    if not (path / file).is_file():
        raise ConfigError(
            f"There is no {name} at {path}: it has no {file}.", hint=f"Pass the folder that has the {file}."
        )
    return path
