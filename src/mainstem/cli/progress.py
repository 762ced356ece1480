"""The engine's events on a terminal: a live bar for each stream, or plain lines where nobody looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from mainstem.events import (
    BatchStaged,
    Event,
    HookFinished,
    ReplicationFinished,
    ReplicationStarted,
    StreamFailed,
    StreamPublished,
    StreamRetried,
    StreamSkipped,
    StreamStarted,
)
from mainstem.report import StreamReport

__all__ = ["Display", "progress_display"]


class Display(Protocol):
    """Shows events."""

    def show(self, event: Event) -> None:
        """Show one event, in the order in which the engine yields them."""


@contextmanager
def progress_display(console: Console) -> Iterator[Display]:
    """Open the display that fits the console: live on a terminal, a line for each step elsewhere.

    Args:
        console: Where to show it; standard error, so that standard output stays free for data.
    """
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[rows]:>12,} rows"),
        TextColumn("{task.fields[rate]:>10,.0f} rows/s"),
        # A bar counts rows; the bytes travel beside it.
        TextColumn("{task.fields[size]:>9}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress, _Lines(console))


def line_display(console: Console) -> Display:
    """A display of lines, without bars."""
    return _Lines(console)


class _Lines:
    """One line when a stream starts, and one when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, event: Event) -> None:
        line = _line(event)
        if line is not None:
            self._console.print(line, soft_wrap=True)


class _Bars:
    """A bar for each stream; what must stay on the screen is printed above the bars."""

    def __init__(self, progress: Progress, lines: _Lines) -> None:
        self._progress = progress
        self._lines = lines
        self._tasks: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        if isinstance(event, StreamStarted):
            self._remove(event.stream)
            self._tasks[event.stream] = self._progress.add_task(
                event.stream, total=event.estimated_rows, rows=0, rate=0.0, size="0 B"
            )
        elif isinstance(event, BatchStaged):
            self._advance(event.stream, event.rows, event.bytes)
        elif isinstance(event, StreamPublished):
            report = event.report
            self._advance(report.stream, report.rows or 0, report.bytes or 0)
            # The estimate was an estimate: a finished stream shows a full bar.
            self._progress.update(
                self._tasks[report.stream], total=report.rows or 1, completed=report.rows or 1
            )
            self._progress.stop_task(self._tasks[report.stream])
            for note in report.notes:
                self._progress.console.print(_note(report, note), soft_wrap=True)
        elif isinstance(event, StreamFailed):
            if event.error.stream in self._tasks:
                self._progress.stop_task(self._tasks[event.error.stream])
            self._lines.show(event)
        else:
            self._lines.show(event)

    def _remove(self, stream: str) -> None:
        """Take away the bar of an earlier attempt."""
        if stream in self._tasks:
            self._progress.remove_task(self._tasks.pop(stream))

    def _advance(self, stream: str, rows: int, size: int) -> None:
        task = next(each for each in self._progress.tasks if each.id == self._tasks[stream])
        rate = rows / task.elapsed if task.elapsed else 0.0
        self._progress.update(task.id, completed=rows, rows=rows, rate=rate, size=_size(size))


@singledispatch
def _line(event: Event) -> Text | None:
    """What a person reads of an event; nothing of a batch."""


@_line.register
def _(event: ReplicationStarted) -> Text:
    return Text(f"{event.source} → {event.target}: {_count(len(event.streams), 'stream')}")


@_line.register
def _(event: StreamStarted) -> Text:
    return Text(f"{event.stream} → {event.target}")


@_line.register
def _(event: StreamPublished) -> Text:
    report = event.report
    rows, seconds, size = report.rows or 0, report.seconds or 0.0, _size(report.bytes or 0)
    rate = f", {rows / seconds:,.0f} rows/s" if seconds else ""
    done = Text(f"{report.stream}: {rows:,} rows in {seconds:.2f} s{rate}, {size}")
    return Text("\n").join([done, *(_note(report, note) for note in report.notes)])


@_line.register
def _(event: StreamFailed) -> Text:
    return Text(str(event.error), style="red")


@_line.register
def _(event: StreamRetried) -> Text:
    again = f"Attempt {event.attempt} of {event.attempts} in {event.seconds:g} s."
    return Text(f"{event.error} {again}", style="yellow")


@_line.register
def _(event: StreamSkipped) -> Text:
    return Text(f"{event.stream}: skipped, because {event.because.stream} failed", style="yellow")


@_line.register
def _(event: HookFinished) -> Text | None:
    if not event.said or event.level == "debug":
        return None
    of = f"{event.stream}: " if event.stream else ""
    return Text(
        f"{of}{event.hook}: {event.said}", style={"warn": "yellow", "error": "red"}.get(event.level, "")
    )


@_line.register
def _(event: ReplicationFinished) -> Text:
    done = _count(len(event.reports), "stream")
    style = "red" if event.failures else "green"
    return Text(f"{done} published, {len(event.failures)} failed, in {event.seconds:.2f} s", style=style)


def _note(report: StreamReport, note: str) -> Text:
    return Text(f"{report.stream}: {note}", style="yellow")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - decimal units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
