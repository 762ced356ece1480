"""Where the dbt project of a component is: in a folder, or in a git repository."""

# No postponed annotations here: Dagster makes the YAML's schema of them.

import os
import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import dagster as dg

from mainstem.dbt.project import DbtProject
from mainstem.errors import ConfigError

__all__ = ["DbtProjectArgs", "GitProject", "ProjectSource", "resolve_project", "source_of"]


class ProjectSource(Protocol):
    """Where a project is."""

    @property
    def name(self) -> str:
        """What tells it from other projects of the same deployment."""

    def prepare(self, folder: Path) -> None:
        """Make the project ready.

        Args:
            folder: Where what is not on this machine may be put.
        """

    def project(self, folder: Path | None) -> DbtProject:
        """Return the project.

        Args:
            folder: Where ``prepare`` has put it. ``None`` where it was never called.
        """


@dataclass
class DbtProjectArgs(dg.Resolvable):
    """A project in a folder: the arguments of ``DbtProject``."""

    project_dir: str
    target_path: str | None = None
    profiles_dir: str | None = None
    profile: str | None = None
    target: str | None = None
    packaged_project_dir: str | None = None
    state_path: str | None = None
    prepare_project_cli_args: list[str] | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return Path(self.project_dir).name

    def prepare(self, folder: Path) -> None:  # noqa: ARG002 - the project stays where it is
        """Write the manifest, in the project itself: it is never copied."""
        self.project(None).prepare()

    def project(self, folder: Path | None) -> DbtProject:  # noqa: ARG002 - as above
        """Return the project. One that nobody has prepared is prepared now."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        project = DbtProject(**{name: value for name, value in given.items() if value is not None})
        if not project.manifest_path.exists():
            project.prepare()
        return project


@dataclass
class GitProject(dg.Resolvable):
    """A project in a git repository, which is cloned when the state of the definitions is refreshed.

    Attributes:
        repo_url: The repository.
        repo_relative_path: The project's folder in it.
        token: What to log in with over HTTPS. By default ``GITHUB_TOKEN`` of the environment, if it is there.
        profile: The profile, if not the project's own.
        target: The profile's target, if not its default.
    """

    repo_url: str
    repo_relative_path: str = "."
    token: str | None = None
    profile: str | None = None
    target: str | None = None

    @property
    def name(self) -> str:
        """The repository's address."""
        return self.repo_url

    def prepare(self, folder: Path) -> None:
        """Clone the repository, as it is now, and write the manifest.

        Raises:
            ConfigError: git is not there, or cannot clone it.
        """
        shutil.rmtree(folder, ignore_errors=True)
        command = ["git", "clone", "--quiet", "--depth", "1", "--", self.repo_url, str(folder)]
        try:
            done = subprocess.run(
                command, env=self._environment(), capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise ConfigError(f"git cannot be started: {error.strerror}.", hint="Install git.") from error
        if done.returncode:
            raise ConfigError(
                f"{self.repo_url} cannot be cloned: {done.stderr.strip()}",
                hint="Check repo_url, and the token if the repository is private.",
            )
        self.project(folder).prepare()

    def project(self, folder: Path | None) -> DbtProject:
        """Return the project in the clone.

        Raises:
            ConfigError: Nobody has cloned it.
        """
        if folder is None:
            raise ConfigError(
                f"The dbt project of {self.repo_url} is not on this machine.",
                hint="Run `dg utils refresh-defs-state` where the deployment is built.",
            )
        return DbtProject(folder / self.repo_relative_path, profile=self.profile, target=self.target)

    def _environment(self) -> dict[str, str]:
        """Return the environment of git. The token is in it, and in no command line, file or message."""
        quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        token = self.token or os.environ.get("GITHUB_TOKEN")
        if not token or not self.repo_url.startswith("https://"):
            return quiet
        login = b64encode(f"x-access-token:{token}".encode()).decode()
        return {
            **quiet,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
        }


@dataclass(frozen=True)
class _GivenProject:
    """A project that is there already: Python gave it."""

    given: DbtProject

    @property
    def name(self) -> str:
        return self.given.name

    def prepare(self, folder: Path) -> None:  # noqa: ARG002 - the project stays where it is
        self.given.prepare()

    def project(self, folder: Path | None) -> DbtProject:  # noqa: ARG002 - as above
        return self.given


def source_of(project: DbtProject | ProjectSource) -> ProjectSource:
    """Return where a component's project is."""
    return _GivenProject(project) if isinstance(project, DbtProject) else project


def resolve_project(context: dg.ResolutionContext, model: Any) -> ProjectSource:
    """Return the project that a component's YAML names.

    Args:
        context: Where templates are resolved.
        model: What the YAML says: a path, the arguments of a ``DbtProject``, or a repository.
    """
    if isinstance(model, GitProject.model()):
        repository: GitProject = GitProject.resolve_from_model(context, model)
        return repository
    if isinstance(model, str):
        args = DbtProjectArgs(project_dir=context.resolve_value(model, as_type=str))
    else:
        args = DbtProjectArgs.resolve_from_model(context, model)
    # A path in YAML is relative to the YAML.
    args.project_dir = str(Path(context.resolve_source_relative_path(args.project_dir)).resolve())
    return args
