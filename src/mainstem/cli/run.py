"""`mainstem run`: a replication to its end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mainstem.cli.assertions import Assertion, assertions_of, refuse_settings
from mainstem.cli.exits import DONE, FAILED, Stop
from mainstem.cli.json_events import JsonLines
from mainstem.cli.messages import log_console, tell, tell_causes
from mainstem.cli.options import Flags
from mainstem.cli.pipeline import run_steps
from mainstem.cli.progress import Display, progress_display
from mainstem.cli.request import Request, request_of
from mainstem.connections import ConnectionBook
from mainstem.engine import run
from mainstem.events import Event, ReplicationFinished, ReplicationStarted, StreamFailed
from mainstem.settings import Settings
from mainstem.telemetry import Metrics

__all__ = ["run_replication"]


def run_replication(flags: Flags, stop: Stop) -> int:
    """Run what the flags say, and return the exit code."""
    console = log_console()
    refuse_settings(os.environ)
    assertions = assertions_of(os.environ)
    if flags.pipeline:
        return run_steps(flags, stop, console)
    request = request_of(flags, os.environ)
    book = ConnectionBook()
    counted: dict[str, int] = {}
    metrics = Metrics(Path(flags.metrics)) if flags.metrics else None
    failed = False
    # Closing drops what is staged.
    with (
        _display(flags, console) as display,
        closing(
            run(request.replication, book, streams=request.streams, settings=_settings(flags, request, book))
        ) as events,
    ):
        for event in events:
            if stop.requested:
                return FAILED
            if isinstance(event, ReplicationStarted) and not event.streams:
                _tell_of_nothing(console, request)
                if not flags.json:
                    break
            if isinstance(event, StreamFailed) and _reader_has_left(event.error):
                raise BrokenPipeError
            display.show(event)
            if metrics:
                metrics.take(event)
            failed |= _take(event, counted)
            if isinstance(event, StreamFailed):
                _tell_of_failure(flags, console, event)
    return FAILED if failed or not _hold(assertions, counted, console) else DONE


def _settings(flags: Flags, request: Request, book: ConnectionBook) -> Settings:
    variables = {**book.variables, **request.replication.variables}
    settings = replace(Settings.from_environment(variables), allow_commands=flags.allow_commands)
    # What is written to standard output is seen at once: nothing of it can be tried again.
    return replace(settings, retries=0) if flags.stdout else settings


def _reader_has_left(error: BaseException | None) -> bool:
    """Whether nobody reads our output any more, as behind `head`."""
    while error is not None and not isinstance(error, BrokenPipeError):
        error = error.__cause__
    return error is not None


@contextmanager
def _display(flags: Flags, console: Console) -> Iterator[Display]:
    if flags.json:
        yield JsonLines()
        return
    with progress_display(console) as display:
        yield display


def _take(event: Event, counted: dict[str, int]) -> bool:
    """Count for the assertions; true where a stream failed."""
    if isinstance(event, ReplicationStarted):
        counted["SLING_STREAM_CNT"] = len(event.streams)
    if isinstance(event, ReplicationFinished):
        counted["SLING_ROW_CNT"] = sum(report.rows or 0 for report in event.reports)
        counted["SLING_CONSTRAINT_FAILS"] = sum(
            int(report.extra.get("constraint_failures", 0)) for report in event.reports
        )
        counted["SLING_TOTAL_BYTES"] = sum(report.bytes or 0 for report in event.reports)
    return isinstance(event, StreamFailed)


def _hold(assertions: Sequence[Assertion], counted: Mapping[str, int], console: Console) -> bool:
    complaints = [
        complaint for each in assertions if (complaint := each.complaint(counted.get(each.variable, 0)))
    ]
    for complaint in complaints:
        console.print(Text(complaint, style="red"), soft_wrap=True)
    return not complaints


def _tell_of_failure(flags: Flags, console: Console, event: StreamFailed) -> None:
    if flags.json:
        tell(console, event.error, debug=flags.verbose)
    elif flags.verbose:
        # The display has told the error itself.
        tell_causes(console, event.error)


def _tell_of_nothing(console: Console, request: Request) -> None:
    if all(stream.disabled for stream in request.replication.streams):
        console.print(Text("All streams are disabled: nothing to do."))
    else:
        console.print(Text("warning: Did not match any streams: nothing to do.", style="yellow"))
