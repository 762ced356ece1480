"""What every command has: a signal ends it, an error is one message, and its exit code says how it went."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from mainstem.cli.exits import FAILED, Stop, cancellable
from mainstem.cli.messages import log_console, shown_warnings, tell

__all__ = ["run_command"]


def run_command(body: Callable[[Stop], int], *, debug: bool = False, interrupted: str = "") -> None:
    """Run a command's body, and end the command with its exit code.

    Args:
        body: The command itself.
        debug: With an error, show the types of its causes.
        interrupted: What to say after a signal.

    Raises:
        typer.Exit: Always, unless the usage was wrong.
        typer.BadParameter: The usage was wrong.
    """
    console = log_console()

    def guarded(stop: Stop) -> int:
        try:
            with shown_warnings(console):
                return body(stop)
        except (typer.Exit, typer.BadParameter):
            raise
        except BrokenPipeError:
            # The reader of our output has left, as `head` does. Python would complain of it again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        except Exception as error:
            # What fails after a stop fails because of it.
            if not stop.requested:
                tell(console, error, debug=debug)
            return FAILED

    raise typer.Exit(cancellable(guarded, lambda told: console.print(f"{told}{interrupted}", style="yellow")))
