"""The commands, their options and their exit codes (spec §8): 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mainstem._version import __version__

__all__ = ["main"]

app = typer.Typer(
    help="Embedded ELT: replicate databases in process, on Arrow.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

_FAILED = 1
_WRONG_USAGE = 2
_INTERRUPTED = 130


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mainstem {__version__}")  # noqa: T201 - the command's output
        raise typer.Exit


@app.callback()
def _mainstem(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep `run` a command of its own, though it is the only one."""


@app.command()
def run(
    file: Annotated[Path | None, typer.Argument(help="The replication, as YAML or JSON.")] = None,
    replication: Annotated[
        Path | None, typer.Option("-r", "--replication", help="The same, as Sling spells it.")
    ] = None,
    streams: Annotated[
        str | None, typer.Option("--streams", help="Run only these streams, separated by commas.")
    ] = None,
) -> None:
    """Run a replication.

    Connections are environment variables: the name that the file uses, and a URL as the value.

    Example:  MY_PG=postgresql://me:secret@db/shop MY_DUCK=duckdb:///tmp/shop.duckdb mainstem run shop.yaml
    """
    console = Console(stderr=True)
    chosen = file or replication
    if chosen is None or (file and replication):
        console.print("Give one replication file: mainstem run replication.yaml", style="red")
        raise typer.Exit(_WRONG_USAGE)
    raise typer.Exit(
        _run(console, chosen, [name.strip() for name in streams.split(",")] if streams else None)
    )


def _run(console: Console, file: Path, streams: list[str] | None) -> int:
    # Imported here, so that --help and --version answer at once.
    from mainstem.api import replicate  # noqa: PLC0415
    from mainstem.cli.progress import progress_display  # noqa: PLC0415
    from mainstem.errors import MainstemError, ReplicationFailedError  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_rest: console.print(f"warning: {message}", style="yellow")
        try:
            with progress_display(console) as display:
                replicate(file, streams=streams, on_event=display.show)
        except ReplicationFailedError:
            # Each failed stream and the summary are on the screen already.
            return _FAILED
        except MainstemError as error:
            console.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
            return _FAILED
        except KeyboardInterrupt:
            console.print(
                "Interrupted. What was published stays; nothing half was published.", style="yellow"
            )
            return _INTERRUPTED
    return 0


def main() -> None:
    """The entry point of the `mainstem` command."""
    sys.exit(app())
