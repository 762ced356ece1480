"""A replication in a process of its own, that a fault may befall, while a reader looks at its target."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

from mainstem.api import replicate
from mainstem.errors import MainstemError
from mainstem.faults import Point, watching
from mainstem.testing.fault_targets import State, Victim
from mainstem.testing.faults import Action, Fault, tripped

__all__ = ["Trial", "Witness"]

# Imported once: each trial is a fork of the process that has them.
_WARM = ("duckdb", "sqlite", "postgres", "mysql", "snowflake", "delta", "iceberg", "files")
# A reader may be kept waiting by a lock for as long as the run stands at a boundary.
_PATIENCE = 0.25
_END = 10.0


@dataclass
class Witness:
    """What was seen of a trial.

    Attributes:
        points: The boundaries that the run came by, in order.
        states: What a reader saw of the target meanwhile.
        troubles: What a reader was refused.
        error: How the run failed; ``None`` where it did not, or was killed.
        killed: Whether it did not come to its end.
    """

    points: list[Point] = field(default_factory=list)
    states: set[State] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    error: str | None = None
    killed: bool = True


@dataclass(frozen=True)
class Trial:
    """A replication of one stream.

    Attributes:
        config: The replication.
        connections: Its connections.
        victim: Its target.
        table: The target's table, by its name in the victim.
        scratch: Where temporary files go.
    """

    config: Mapping[str, Any]
    connections: Mapping[str, Any]
    victim: Victim
    table: str
    scratch: str

    def run(self, fault: Fault | None = None) -> Witness:
        """Run it in a process of its own, to its end or to the fault's."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *(f"mainstem.endpoints.{name}" for name in _WARM)])
        told, telling = context.Pipe(duplex=False)
        waiting, releasing = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(self, fault, telling, waiting))
        process.start()
        telling.close()
        waiting.close()
        witness = Witness()
        looks: list[threading.Thread] = []
        try:
            while True:
                kind, value = told.recv()
                self._take(witness, kind, value)
                if kind == "stalled":
                    if not self.victim.is_alone:
                        looks.append(self._looking(witness))
                    releasing.send(None)
        except EOFError:
            process.join()
        finally:
            for look in looks:
                look.join()
            told.close()
            releasing.close()
        return witness

    def _looking(self, witness: Witness) -> threading.Thread:
        """Look from this process at a run that stands still: at once, or once its lock is gone."""
        look = threading.Thread(target=lambda: witness.states.add(self.victim.look(self.table)))
        look.start()
        look.join(_PATIENCE)
        return look

    @staticmethod
    def _take(witness: Witness, kind: str, value: Any) -> None:
        if kind == "point":
            witness.points.append(value)
        elif kind == "state":
            witness.states.add(value)
        elif kind == "trouble":
            witness.troubles.append(value)
        elif kind == "end":
            witness.error, witness.killed = value, False


def _work(trial: Trial, fault: Fault | None, telling: Pipe, waiting: Pipe) -> None:
    """What the process does."""
    tempfile.tempdir = trial.scratch
    lock = threading.Lock()

    def tell(kind: str, value: Any = None) -> None:
        with lock:
            telling.send((kind, value))

    def stall() -> None:
        tell("stalled")
        waiting.recv()

    eye = _Eye(trial, tell, forgiving=fault is not None and fault.action in (Action.CUT, Action.FULL))
    eye.start()
    error = None
    with ExitStack() as watched:
        watched.enter_context(watching(lambda point: tell("point", point)))
        # What comes before the fault was looked at in the run that nothing befell.
        points = list(Point)
        first = points.index(fault.point) if fault else 0
        watched.enter_context(watching(lambda point: eye.look() if points.index(point) >= first else None))
        if fault is not None:
            watched.enter_context(tripped(fault, stall))
        try:
            replicate(trial.config, trial.connections)
        except MainstemError as refused:
            error = str(refused)
    eye.finish()
    tell("end", error)
    # Without what a process does at its end: a thread may hang in a wire that was cut.
    os._exit(0)


class _Eye(threading.Thread):
    """Another connection, that looks at the target at each boundary."""

    def __init__(self, trial: Trial, tell: Callable[[str, Any], None], *, forgiving: bool) -> None:
        super().__init__(daemon=True)
        self._trial = trial
        self._tell = tell
        self._forgiving = forgiving
        self._wanted = threading.Event()
        self._idle = threading.Event()
        self._idle.set()

    def look(self) -> None:
        """Look, and wait a moment for what is seen, unless a lock keeps the one before waiting."""
        if self._idle.is_set():
            self._idle.clear()
            self._wanted.set()
            self._idle.wait(_PATIENCE)

    def finish(self) -> None:
        """Let the last look come to its end."""
        self._idle.wait(_END)

    def run(self) -> None:
        """Look whenever it is wanted."""
        while True:
            try:
                with self._trial.victim.looking(self._trial.table) as look:
                    while True:
                        self._wanted.wait()
                        self._wanted.clear()
                        self._tell("state", look())
                        self._idle.set()
            except Exception as error:
                if not self._forgiving:
                    self._tell("trouble", f"{type(error).__name__}: {error}")
                self._idle.set()
