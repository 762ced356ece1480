"""The shop's commands.

- ``python -m shop`` runs everything once.
- ``python -m shop refresh`` runs what has changed since, and says what it skips.
- ``python -m shop ui`` opens it in Dagster's UI.
- ``python -m shop serve`` starts the servers alone, for those who start ``dg dev`` themselves.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from mainstem.errors import MainstemError
from mainstem.testing.postgres import EmbeddedPostgres
from shop import settings, show
from shop.run import Run, everything
from shop.seed import seed
from shop.services import dagster, dagster_environment, locked, servers
from shop.verify import compare, count_rows

_HOST = "127.0.0.1"


def main() -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shop", description="A shop from Postgres to a chart.")
    commands = parser.add_subparsers(dest="command", metavar="{run,refresh,ui,serve}")
    commands.add_parser("run", help="run everything once (the default)")
    commands.add_parser("refresh", help="run what has changed since, and say what is skipped")
    ui = commands.add_parser("ui", help="Dagster's UI with the servers behind it, until Ctrl-C")
    ui.add_argument("--port", type=int, default=3000, help="where the UI listens (default: 3000)")
    commands.add_parser("serve", help="the servers alone, until Ctrl-C")
    given = parser.parse_args()
    # Whoever ends us politely gets the servers stopped, also where a shell made us deaf to Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if given.command == "ui":
            return open_ui(given.port)
        if given.command == "refresh":
            return refresh()
        return serve() if given.command == "serve" else run()
    except MainstemError as error:
        show.problem(str(error))
        return 1
    except KeyboardInterrupt:
        show.problem("Stopped.")
        return 130


def run() -> int:
    """Seed, launch one run over all assets, compare what arrived with what left, and say so."""
    began = time.monotonic()
    with (
        locked("python -m shop"),
        show.working("Postgres starts, and is seeded where it is new") as status,
        servers() as postgres,
    ):
        _seed(postgres)
        status.update("Dagster loads the project")
        outcome = Run("")
        for outcome, asset in everything():
            status.update(f"Dagster runs {outcome.step}")
            if asset:
                show.done(asset)
        if not outcome.succeeded:
            show.failed(outcome)
            return 1
        status.update("What arrived is compared with what left")
        count_rows(outcome.assets.values())
        compared = compare(postgres)
    show.assets(outcome.assets.values())
    show.comparisons(compared)
    differences = [sentence for comparison in compared for sentence in comparison.differences]
    for sentence in differences:
        show.problem(f"Not equal: {sentence}.")
    show.finished(time.monotonic() - began)
    return 1 if differences else 0


def refresh() -> int:
    """Look at the sources, and make what has changed."""
    with locked("python -m shop refresh"), servers() as postgres:
        _seed(postgres)
        with dagster(["mainstem", "refresh"]) as process:
            return process.wait()


def open_ui(port: int) -> int:
    """Run Dagster's UI on the shop's DAGSTER_HOME, with the servers that the assets read from."""
    with locked("python -m shop ui"), servers() as postgres:
        _seed(postgres)
        show.say(f"Dagster's UI opens at http://{_HOST}:{port}. Ctrl-C stops it, and the servers.")
        with dagster(["dg", "dev", "--host", _HOST, "--port", str(port)]) as process:
            return process.wait()


def serve() -> int:
    """Run the servers alone."""
    with locked("python -m shop serve"), servers() as postgres:
        _seed(postgres)
        environment = dagster_environment()
        show.say("The servers run until Ctrl-C. In another terminal, in this folder:\n")
        for name in ("DAGSTER_HOME", "SHOP_POSTGRES_PORT", "SHOP_API_PORT"):
            show.say(f"export {name}={environment[name]}")
        show.say("dg dev")
        signal.pause()
        return 0


def _seed(postgres: EmbeddedPostgres) -> None:
    fresh = seed(postgres)
    show.say(
        f"Postgres has {settings.CUSTOMERS:,} customers, {settings.PRODUCTS:,} products and "
        f"{settings.ORDERS:,} orders{'.' if fresh else ' from the last time.'}"
    )


if __name__ == "__main__":
    sys.exit(main())
