"""`mainstem run -p FILE`: the steps of a pipeline."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace

from rich.console import Console

from mainstem.cli.exits import DONE, FAILED, Stop
from mainstem.cli.json_events import JsonLines
from mainstem.cli.messages import tell
from mainstem.cli.options import Flags
from mainstem.cli.progress import Display, line_display
from mainstem.cli.request import pipeline_of
from mainstem.connections import ConnectionBook
from mainstem.errors import HookError
from mainstem.pipeline import run_pipeline
from mainstem.replication.reader import load_steps
from mainstem.settings import Settings

__all__ = ["run_steps"]


def run_steps(flags: Flags, stop: Stop, console: Console) -> int:
    """Run the steps, and return the exit code: 1 where one failed that may not."""
    document = pipeline_of(flags)
    book = ConnectionBook()
    variables = {**book.variables, **load_steps(document, os.environ).variables}
    settings = replace(Settings.from_environment(variables), allow_commands=flags.allow_commands)
    display: Display = JsonLines() if flags.json else line_display(console)
    with closing(run_pipeline(document, book, settings=settings)) as events:
        try:
            for event in events:
                display.show(event)
                if stop.requested:
                    return FAILED
        except HookError as error:
            tell(console, error, debug=flags.verbose)
            return FAILED
    return DONE
