"""What a run says in Dagster's log: each thing once, at its level."""

from __future__ import annotations

from collections import deque

from mainstem.assets import ExecutionContext
from mainstem.events import (
    BatchStaged,
    Event,
    HookFinished,
    StreamFailed,
    StreamPublished,
    StreamRetried,
    StreamSkipped,
    StreamStarted,
)
from mainstem.sling.progress import Progress, readable_bytes
from mainstem.sling.runner import Said

__all__ = ["EventLog"]

_EVERY = 10.0
_EVERY_IN_DEBUG = 1.0


class EventLog:
    """Turns an engine's events into lines of the log.

    A line when a stream starts and one when it ends, some on the way where it takes long, none for a batch.

    Args:
        context: The context of the asset or op that runs.
        lines: Where the lines are kept besides.
        has_own_words: Whether the engine tells by lines of its own what its streams do.
        debug: Say more.
    """

    def __init__(
        self, context: ExecutionContext, lines: deque[str], *, has_own_words: bool, debug: bool
    ) -> None:
        self._log = context.log
        self._lines = lines
        self._has_own_words = has_own_words
        self._debug = debug
        self._progress = Progress(lambda text: self.say("info", text), _EVERY_IN_DEBUG if debug else _EVERY)

    def take(self, event: Event | Said) -> None:
        """Say what there is to say of an event."""
        if isinstance(event, Said):
            self.say(event.level, event.text)
        elif isinstance(event, BatchStaged):
            self._progress(event)
        elif isinstance(event, HookFinished):
            if event.said:
                level = "warning" if event.level == "warn" else event.level
                self.say(level, f"{event.stream or 'replication'}: {event.hook}: {event.said}")
        elif isinstance(event, StreamFailed):
            self.say("error", str(event.error))
        elif isinstance(event, StreamRetried):
            again = f"attempt {event.attempt} of {event.attempts} in {event.seconds:g} s"
            self.say("warning", f"{event.error} Tried again: {again}.")
        elif isinstance(event, StreamSkipped):
            because = event.because
            self.say(
                "warning", f"{event.stream}: skipped, because {because.stream} failed in {because.phase}"
            )
        elif not self._has_own_words:
            self._take_own(event)

    def say(self, level: str, text: str) -> None:
        """Log a line.

        Args:
            level: ``debug``, ``info``, ``warning`` or ``error``.
            text: The line, without secrets.
        """
        self._lines.append(text)
        self._log.log(level.upper(), text)

    def _take_own(self, event: Event) -> None:
        if isinstance(event, StreamStarted):
            self.say("info", f"{event.stream} → {event.target}")
        elif isinstance(event, StreamPublished):
            report = event.report
            size = "" if report.bytes is None else f", {readable_bytes(report.bytes)}"
            self.say(
                "info",
                f"{report.stream}: {report.rows:,} rows{size} in {report.seconds:.2f} s into {report.target}",
            )
            for note in report.notes:
                self.say("warning", f"{report.stream}: {note}")
            if self._debug:
                self.say("debug", f"{report}")
