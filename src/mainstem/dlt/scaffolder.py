"""The files that `dg scaffold defs` writes for dlt loads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import dagster as dg
from pydantic import BaseModel, Field

from mainstem.errors import ConfigError

_LOADS = Template('''\
"""The loads that defs.yaml names."""

import dlt


@dlt.source
def my_source():
    @dlt.resource
    def hello_world():
        yield "hello, world!"

    return hello_world


my_load_source = my_source()
my_load_pipeline = dlt.pipeline("my_load"$destination)
''')
_ATTRIBUTES = {"loads": [{"source": ".loads.my_load_source", "pipeline": ".loads.my_load_pipeline"}]}
# What `dlt init` writes for a project of dlt's own: a Dagster project has its own places for these.
_NOT_OURS = (".gitignore", ".dlt", "requirements.txt")


class DltScaffolderParams(BaseModel):
    """What to begin with: both or none."""

    source: str | None = Field(default=None, description="A source that `dlt init` knows, such as github.")
    destination: str | None = Field(default=None, description="A destination of dlt, such as duckdb.")


class DltLoadCollectionScaffolder(dg.Scaffolder[DltScaffolderParams]):
    """Writes defs.yaml and a module with a source and a pipeline, to begin with."""

    @classmethod
    def get_scaffold_params(cls) -> type[DltScaffolderParams]:
        """The options of the command."""
        return DltScaffolderParams

    def scaffold(self, request: dg.ScaffoldRequest[DltScaffolderParams]) -> None:
        """Write the files.

        Args:
            request: Where, and the command's options.

        Raises:
            ConfigError: Only one of the options is given, or ``dlt init`` did not like them.
        """
        source, destination = request.params.source, request.params.destination
        folder = Path(request.target_path)
        if bool(source) != bool(destination):
            raise ConfigError("Only one of source and destination is given.", hint="Give both or neither.")
        folder.mkdir(parents=True, exist_ok=True)
        if source and destination:
            _init(folder, source, destination)
        given = f', destination="{destination}"' if destination else ""
        (folder / "loads.py").write_text(_LOADS.substitute(destination=given), encoding="utf-8")
        dg.scaffold_component(request=request, yaml_attributes=_ATTRIBUTES)


def _init(folder: Path, source: str, destination: str) -> None:
    """Have dlt write its source's own modules into the folder."""
    before = set(folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "dlt", "init", source, destination],
        cwd=folder,
        input="y\n" * 100,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise ConfigError(f"`dlt init {source} {destination}` failed:\n{done.stdout.strip()}")
    for path in set(folder.iterdir()) - before:
        # The example script is for running without Dagster; loads.py stands in for it.
        if path.name in _NOT_OURS or path.suffix == ".py":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
