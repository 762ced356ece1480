"""From Sling's lines to our events: which stream is on, and what became of each."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mainstem.errors import SlingRunError, StreamError
from mainstem.events import (
    BatchStaged,
    Event,
    ReplicationFinished,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
    StreamStarted,
)
from mainstem.report import StreamReport
from mainstem.sling.cli_engine.lines import (
    Began,
    Fact,
    Failed,
    Line,
    Mode,
    Moved,
    Nothing,
    Phase,
    Succeeded,
    fact_of,
    read_line,
)
from mainstem.sling.runner import Said

__all__ = ["Tracker"]

# The parts that Sling cuts a stream into (`chunk_size`) are that stream.
_PART = re.compile(r" \(part-\d+\)$")
_DASHES = re.compile(r"-{3,} *(.*?) *-{3,}")
_QUOTES = re.compile(r'["`\[\]]')


@dataclass
class _Stream:
    """A stream that has begun.

    Attributes:
        name: Its name, as the replication has it.
        since: When it began.
        settled: Rows and bytes of the parts of it that are done.
        rows: Rows of the part that is on; ``None`` where Sling said nothing of them.
        in_parts: Whether Sling cut it into parts, of which this may not be the last.
        done: All that has begun of it has succeeded.
    """

    name: str
    since: float
    in_parts: bool = False
    phase: str = "connect"
    mode: str | None = None
    target: str | None = None
    rows: int | None = None
    bytes: int | None = None
    settled: tuple[int | None, int | None] = (None, None)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    done: bool = False

    def settle(self, *, failed: bool) -> None:
        """The part that is on is done; another one may have failed."""
        self.settled = (_sum(self.settled[0], self.rows), _sum(self.settled[1], self.bytes))
        self.rows = self.bytes = None
        self.done = not failed


class Tracker:
    """Reads the output of one run of Sling.

    A stream is published when Sling says so, and failed in any other case: what is not said did not happen. A
    line belongs to the stream that began last, never to one whose name it happens to contain.

    Args:
        streams: For the name of each stream that runs, its target as the replication has it.
        storage: The kind of system of the target.
        redact: Masks secrets.
        clock: What tells the time, in seconds.

    Attributes:
        targets: For the name of a table in the reports, how Sling spelled it.
    """

    def __init__(
        self,
        streams: dict[str, str],
        storage: str | None = None,
        redact: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.targets: dict[str, str] = {}
        self._streams = streams
        self._storage = storage
        self._redact = redact
        self._clock = clock
        self._names = {_normal(name): name for name in streams}
        self._began = clock()
        self._current: _Stream | None = None
        self._seen: set[str] = set()
        self._reports: dict[str, StreamReport] = {}
        self._failed: dict[str, _Stream] = {}
        self._in_fatal = False
        # What stands in the block of errors: under a stream's name, and before any.
        self._blocks: dict[str | None, list[str]] = {}
        self._block: str | None = None
        self._last: list[str] = []

    def take(self, raw: str) -> Iterator[Event | Said]:
        """Take a line, and yield what it means."""
        line = read_line(raw)
        if not line.text:
            return
        fact = fact_of(line.text)
        if isinstance(fact, Moved) and fact.target is None:
            yield from self._moved(fact)
            return
        self._remember(line)
        if self._in_fatal and line.level is None:
            self._take_error(line.text)
            return
        if line.text == "fatal:":
            self._in_fatal, self._block = True, None
            return
        self._in_fatal = False
        yield Said(line.level or "info", self._redact(line.text))
        yield from self._take_fact(fact, line)

    def finish(self, exit_code: int) -> Iterator[Event | Said]:
        """Take the end of the process, and yield what became of the streams of which nothing was known.

        Raises:
            SlingRunError: No stream has begun; or Sling failed, though every stream succeeded.
        """
        yield from self._close()
        if not self._seen and exit_code:
            raise SlingRunError(
                f"Sling ended with exit code {exit_code} before any stream began.",
                exit_code=exit_code,
                said=self._errors(None) or self._last,
            )
        never = [name for name in self._streams if name not in self._seen]
        # Where Sling ended well, it should have run them; where it did not, and nobody else is to blame, the
        # first of them is.
        blamed = never if not exit_code else never[: 0 if self._failed else 1]
        self._failed |= {name: _Stream(name, self._clock()) for name in blamed}
        left = never[len(blamed) :]
        failures = [self._failure(stream, exit_code) for stream in self._failed.values()]
        yield from (StreamFailed(failure) for failure in failures)
        yield from (StreamSkipped(name, failures[0]) for name in left)
        yield ReplicationFinished(list(self._reports.values()), failures, left, self._clock() - self._began)
        if exit_code and not failures:
            raise SlingRunError(
                f"Sling ended with exit code {exit_code}, though every stream succeeded.",
                exit_code=exit_code,
                said=self._errors(None) or self._last,
            )

    def _take_fact(self, fact: Fact | None, line: Line) -> Iterator[Event | Said]:
        if isinstance(fact, Began):
            yield from self._begin(fact.stream)
            return
        stream = self._current
        if stream is None:
            return
        if isinstance(fact, Moved):
            yield from self._moved(fact)
        elif isinstance(fact, Phase):
            stream.phase = fact.phase
        elif isinstance(fact, Mode):
            stream.mode, stream.phase = fact.mode, "stage"
        elif isinstance(fact, Nothing):
            stream.rows = 0
            stream.notes.append(self._redact(line.text))
        elif isinstance(fact, Succeeded):
            stream.settle(failed=stream.name in self._failed)
            if not stream.in_parts:
                yield from self._close()
        elif isinstance(fact, Failed):
            self._failed.setdefault(stream.name, stream)
            stream.done = False
        elif line.level == "warning":
            stream.notes.append(self._redact(line.text))
        elif line.level == "error":
            stream.errors.append(self._redact(line.text))

    def _begin(self, said: str) -> Iterator[Event | Said]:
        name = self._names.get(_normal(_PART.sub("", said)), said)
        is_part = _PART.search(said) is not None
        if self._current is not None and self._current.name == name and is_part:
            self._current.done = False
            return
        yield from self._close()
        # A stream that Sling tries again.
        again = self._failed.pop(name, None)
        self._seen.add(name)
        self._current = _Stream(name, again.since if again else self._clock(), is_part)
        yield StreamStarted(name, self._streams.get(name, ""), None)

    def _close(self) -> Iterator[Event | Said]:
        """The stream that is on has come to its end, for another begins, or the process has ended."""
        stream, self._current = self._current, None
        if stream is None:
            return
        if not stream.done:
            self._failed.setdefault(stream.name, stream)
            return
        if stream.name not in self._streams:
            yield Said("warning", f"{stream.name} was replicated by Sling, and is no stream of this run.")
            return
        report = self._report(stream)
        self._reports[stream.name] = report
        yield StreamPublished(report)

    def _report(self, stream: _Stream) -> StreamReport:
        target = _QUOTES.sub("", stream.target) if stream.target else None
        if stream.target and target:
            self.targets[target] = stream.target
        return StreamReport(
            stream=stream.name,
            tool="sling",
            target=target,
            storage=self._storage,
            rows=stream.settled[0],
            bytes=stream.settled[1],
            seconds=self._clock() - stream.since,
            notes=stream.notes,
            extra={"mode": stream.mode} if stream.mode else {},
        )

    def _moved(self, fact: Moved) -> Iterator[Event | Said]:
        stream = self._current
        if stream is None:
            return
        if fact.target is None:
            yield BatchStaged(stream.name, fact.rows, fact.bytes or 0)
            return
        stream.rows, stream.phase = fact.rows, "publish"
        stream.bytes = fact.bytes
        stream.target = self._redact(fact.target) or stream.target

    def _failure(self, stream: _Stream, exit_code: int) -> StreamError:
        said = self._errors(stream.name)
        if not said and len(self._failed) == 1:
            said = self._errors(None)
        said = said or stream.errors
        what = (
            "Sling gave the stream up."
            if said
            else f"Sling ended with exit code {exit_code}, and did not say why."
        )
        if stream.name not in self._seen and not said:
            what = "Sling said nothing of the stream."
        return StreamError(
            stream=stream.name,
            phase=stream.phase,
            cause=SlingRunError(what, exit_code=exit_code, said=said),
        )

    def _take_error(self, text: str) -> None:
        dashes = _DASHES.fullmatch(text)
        if dashes is None:
            self._blocks.setdefault(self._block, []).append(self._redact(text.removeprefix("~ ")))
        elif dashes[1]:
            self._block = self._names.get(_normal(_PART.sub("", dashes[1])))

    def _errors(self, stream: str | None) -> Sequence[str]:
        return self._blocks.get(stream, [])

    def _remember(self, line: Line) -> None:
        """Keep the last lines: what a program says before it gives up, in whatever form."""
        self._last = [*self._last[-9:], self._redact(line.text)]


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)


def _normal(name: str) -> str:
    return _QUOTES.sub("", name).strip().lower()
