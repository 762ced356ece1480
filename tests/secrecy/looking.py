"""Everything in which a secret might be seen: what is said, what is raised, what is left, what is started."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil
from typing_extensions import Self

__all__ = ["CANARY", "Children", "files_with", "raised", "spelled"]

CANARY = "c4n4ry/hunter2+é"


def spelled(secret: str) -> Sequence[str]:
    """How a secret might be spelled: itself, in a URL, in JSON, in a `repr`."""
    escaped = secret.encode("ascii", "backslashreplace").decode()
    in_json = json.dumps(secret)[1:-1]
    return sorted({secret, quote(secret), quote(secret, safe=""), escaped, in_json, repr(secret)[1:-1]})


def seen(secret: str, texts: Iterable[str]) -> list[str]:
    """The texts in which a secret is seen, cut to what is around it."""
    forms = spelled(secret)
    found = []
    for text in texts:
        at = next((text.find(form) for form in forms if form in text), None)
        if at is not None:
            found.append(text[max(0, at - 200) : at + 60])
    return found


def raised(error: BaseException | None) -> Iterator[str]:
    """An error with its traceback, and every error that hangs on it, shown or suppressed."""
    while error is not None:
        yield "".join(traceback.format_exception(type(error), error, error.__traceback__))
        yield from (
            repr(error),
            repr(error.args),
            repr(vars(error)),
            *map(str, getattr(error, "__notes__", ())),
        )
        yield from raised(error.__cause__)
        error = error.__context__


def files_with(secret: str, folder: Path) -> list[Path]:
    """The files below a folder whose bytes hold a secret, or whose names do."""
    forms = [form.encode() for form in spelled(secret)]
    return [
        path
        for path in folder.rglob("*")
        if any(form in os.fsencode(path) for form in forms)
        or (path.is_file() and any(form in path.read_bytes() for form in forms))
    ]


class Children:
    """What the processes below this one are given, for as long as it is open.

    Attributes:
        told: For each process its command line, and what its environment has beyond this process's own.
    """

    def __init__(self) -> None:
        self.told: set[str] = set()
        self._over = threading.Event()
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._look()

    def _look(self) -> None:
        for child in psutil.Process().children(recursive=True):
            if child.pid not in self._before:
                try:
                    added = [f"{key}={value}" for key, value in child.environ().items() - os.environ.items()]
                    self.told.add("\0".join([*child.cmdline(), *added]))
                except psutil.Error:
                    continue

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
