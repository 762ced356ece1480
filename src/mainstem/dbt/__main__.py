"""Make dbt projects ready where a deployment is built.

::

    python -m mainstem.dbt prepare-and-package --file my_package/project.py
    python -m mainstem.dbt prepare-and-package --components .
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from mainstem.dbt.packaging import prepare_and_package, projects_of_components, projects_of_file
from mainstem.errors import MainstemError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mainstem.dbt", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    package = commands.add_parser("prepare-and-package", help="write manifests, and copy packaged projects")
    where = package.add_mutually_exclusive_group(required=True)
    where.add_argument("--file", type=Path, help="a Python file with DbtProjects in variables")
    where.add_argument("--components", type=Path, help="a dg project with DbtProjectComponents")
    given = parser.parse_args(arguments)
    try:
        found = projects_of_file(given.file) if given.file else projects_of_components(given.components)
        for project in found:
            prepare_and_package(project)
            sys.stdout.write(f"Prepared {project.original.project_dir}\n")
    except (MainstemError, dg.DagsterError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
