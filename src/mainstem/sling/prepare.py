"""Takes the catalogue snapshots of replications, for an image that loads without their databases.

::

    python -m mainstem.sling.prepare replication.yaml [more.yaml …]

Connections are found in the environment, as on the command line. Where they are a ``SlingResource``'s, load
the definitions once with ``MAINSTEM_PREPARE_ON_LOAD=1`` instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mainstem.errors import MainstemError
from mainstem.sling.snapshot import prepare_replication

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the snapshots.

    Args:
        arguments: The command line's; ``None`` for the process's own.

    Returns:
        The exit code: 1 where one of them could not be taken.
    """
    parser = argparse.ArgumentParser(prog="python -m mainstem.sling.prepare", description=__doc__)
    parser.add_argument("replications", nargs="+", metavar="replication.yaml")
    parser.add_argument("--folder", type=Path, help="where `.mainstem` is, if not beside the replication")
    given = parser.parse_args(arguments)
    failed = False
    for replication in given.replications:
        try:
            prepared = prepare_replication(replication, project_folder=given.folder)
        except MainstemError as error:
            failed = True
            sys.stderr.write(f"{replication}: {error}\n")
            continue
        sys.stdout.write(f"{prepared.path}: {len(prepared.snapshot.tables)} tables\n")
        for sign, names in (("+", prepared.new), ("-", prepared.gone)):
            sys.stdout.writelines(f"  {sign} {name}\n" for name in names)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
