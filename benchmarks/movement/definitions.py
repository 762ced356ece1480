"""Cases of loading definitions: Dagster's assets of a large replication, and of a large dbt project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import dbt_definitions
from benchmarks.movement.contenders import Contender, Missing, Setup
from benchmarks.movement.place import Place

__all__ = ["DbtDefinitions", "SlingDefinitions"]

_STREAMS = 200
_MOST_MODELS = 5000
# So many rows of lineitem go with one model: 5,000 with 6 million.
_ROWS_OF_A_MODEL = 1200


@dataclass(frozen=True)
class SlingDefinitions:
    """Load a code location of 200 streams."""

    name: str

    def rows(self, place: Place) -> int:  # noqa: ARG002 - a case is asked so
        """How many streams."""
        return _STREAMS

    def prepare(self, place: Place) -> str | None:
        """Write the replication."""
        from benchmarks import sling_definitions  # noqa: PLC0415 - it imports Dagster, which other cases need not

        sling_definitions.write(_replication(place), _STREAMS)
        return None

    def contenders(self, place: Place, setup: Setup) -> Iterator[Contender | Missing]:
        """mainstem, and bare specs, with Dagster's own import beside them."""
        script = str(Path(dbt_definitions.__file__).with_name("sling_definitions.py"))
        for name, tree in setup.trees.items():
            yield _python(name, script, "mainstem", _replication(place), tree=tree)
        if setup.peers:
            yield _python("bare specs", script, "bare", _replication(place))
            yield Contender("import dagster", [sys.executable, "-c", "import dagster"], os.environ)


@dataclass(frozen=True)
class DbtDefinitions:
    """Load the assets and checks of a dbt project."""

    name: str

    def rows(self, place: Place) -> int:
        """How many models: up to 5,000, and fewer in a smaller session."""
        layer = dbt_definitions.LAYER
        return max(min(_MOST_MODELS, place.sizes.rows // _ROWS_OF_A_MODEL) // layer, 1) * layer

    def prepare(self, place: Place) -> str | None:
        """Have dbt parse a generated project."""
        project = place.folder / "dbt"

        def make() -> None:
            dbt_definitions.generate(project, self.rows(place))
            quiet = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
            subprocess.run([dbt_definitions.dbt(), "--quiet", "parse"], cwd=project, check=True, env=quiet)

        place.once("dbt", make)
        return None

    def contenders(self, place: Place, setup: Setup) -> Iterator[Contender | Missing]:
        """mainstem, the official package, and the least that makes definitions of a manifest."""
        project, script = place.folder / "dbt", dbt_definitions.__file__
        for name, tree in setup.trees.items():
            yield _python(name, script, "mainstem", project, tree=tree)
        if not setup.peers:
            return
        official = os.environ.get(dbt_definitions.OTHER)
        if official:
            yield _python("dagster-dbt", script, "official", project, path=official)
        else:
            yield Missing("dagster-dbt", f"{dbt_definitions.OTHER} names no folder with it")
        yield _python("bare specs", script, "floor", project)
        yield Contender("import dagster", [sys.executable, "-c", "import dagster"], os.environ)


def _replication(place: Place) -> Path:
    return place.folder / "many_streams.yaml"


def _python(
    name: str, script: str, what: str, data: Path, *, tree: Path | None = None, path: str = ""
) -> Contender:
    environment = {
        **os.environ,
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(tree / "src") if tree else path,
    }
    return Contender(name, [sys.executable, script, "--measure", what, str(data)], environment)
