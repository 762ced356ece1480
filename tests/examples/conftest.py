"""An example as its reader has it: the folder, and the commands of its README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mainstem.testing.postgres import EmbeddedPostgres, free_port
from mainstem.testing.warehouse import Warehouse

EXAMPLES = Path(__file__).parents[2] / "examples"
# What a run in the repository's own copy may have left there.
LEFTOVERS = shutil.ignore_patterns(".local", "target", "__pycache__", ".tmp_dagster_home_*")


@dataclass(frozen=True)
class Example:
    """A copy of an example that nobody else uses.

    Attributes:
        folder: The copy.
        home: Its DAGSTER_HOME.
        port: Where its Postgres listens, once it is started.
    """

    folder: Path
    home: Path
    port: int = field(default_factory=free_port)

    @classmethod
    def copied(cls, name: str, place: Path) -> Example:
        """Copy an example."""
        home = place / "dagster_home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
        return cls(shutil.copytree(EXAMPLES / name, place / name, ignore=LEFTOVERS), home)

    @property
    def environment(self) -> dict[str, str]:
        """What the reader's shell knows, with the virtual environment active."""
        binaries = Path(sys.executable).parent
        return {
            **os.environ,
            "PATH": os.pathsep.join([str(binaries), os.environ.get("PATH", os.defpath)]),
            "DAGSTER_HOME": str(self.home),
            "POSTGRES_PORT": str(self.port),
        }

    @property
    def scripts(self) -> list[str]:
        """The README's blocks of commands. Only the port differs: others run at the same time."""
        readme = (self.folder / "README.md").read_text()
        blocks = re.findall(r"^```sh\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
        return [block.replace("--port 5432", f"--port {self.port}") for block in blocks]

    def run(self, script: str, **variables: str) -> None:
        """Run commands in the copy, as in the reader's shell. The first that fails fails the test."""
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server that the README's commands start."""
        return EmbeddedPostgres(self.folder / ".local" / "postgres")

    def warehouse(self, file: str) -> Warehouse:
        """A DuckDB file that the README names."""
        return Warehouse(self.folder / ".local" / file)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Callable[[str], Example]]:
    """Copy an example by its name. At the end of the test, its server is stopped."""
    copies = []

    def copied(name: str) -> Example:
        copies.append(Example.copied(name, tmp_path))
        return copies[-1]

    yield copied
    for copy in copies:
        copy.postgres.stop()
