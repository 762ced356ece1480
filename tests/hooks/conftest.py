"""A replication with hooks, and a server for those that send requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.engine import run
from mainstem.events import Event, HookFinished, StreamFailed, StreamPublished, StreamSkipped
from mainstem.settings import Settings
from mainstem.testing.place import Place


@dataclass
class Ran:
    """What happened in a run."""

    events: list[Event]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def said(self) -> list[str]:
        return [event.said for event in self.of(HookFinished) if event.said]

    def hook(self, name: str) -> list[HookFinished]:
        """What became of a hook, each time that it ran."""
        return [event for event in self.of(HookFinished) if event.hook == name]

    @property
    def statuses(self) -> dict[str, str]:
        return {event.hook: event.status for event in self.of(HookFinished)}

    @property
    def published(self) -> list[str]:
        return [event.report.stream for event in self.of(StreamPublished)]

    @property
    def failures(self) -> list[str]:
        return [str(event.error) for event in self.of(StreamFailed)]

    @property
    def skipped(self) -> list[str]:
        return [event.stream for event in self.of(StreamSkipped)]


@dataclass
class Hooking:
    """Replications from one database to another, with hooks."""

    source: Place
    target: Place
    settings: Settings = field(default_factory=lambda: Settings(hook_retry_delay=0))

    def run(
        self,
        start: Any = (),
        end: Any = (),
        *,
        tables: tuple[str, ...] = ("orders",),
        env: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        **stream: Any,
    ) -> Ran:
        """Run with hooks at the start and the end, and those of ``stream``'s stages."""
        stages = ("pre", "post", "pre_merge", "post_merge")
        hooks = {stage: stream.pop(stage) for stage in stages if stage in stream}
        config = {
            "source": "SRC",
            "target": "TGT",
            "hooks": {"start": list(start), "end": list(end)},
            "env": env or {},
            "defaults": {"object": self.target.stream("{stream_table}"), "hooks": hooks, **stream},
            "streams": {self.source.stream(table): None for table in tables},
        }
        chosen = replace(self.settings, **(settings or {}))
        return Ran(list(run(config, self.connections, settings=chosen)))

    @property
    def connections(self) -> dict[str, Any]:
        return {"SRC": self.source.url, "TGT": self.target.url}


def between(source: Place, target: Place) -> Hooking:
    for table in ("orders", "others"):
        source.put(table, pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", "b", "c"]}))
    return Hooking(source, target)


@pytest.fixture
def hooking(tmp_path: Path) -> Hooking:
    """From DuckDB to SQLite."""
    return between(
        Place("duckdb", f"duckdb://{tmp_path / 'source'}.db", "main"),
        Place("sqlite", f"sqlite://{tmp_path / 'target'}.db", "main"),
    )


@dataclass
class Server:
    """A server that keeps what it is sent."""

    url: str
    requests: list[tuple[str, str, dict[str, str], str]]
    answers: list[tuple[int, str]]
    moved: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def server() -> Iterator[Server]:
    requests: list[tuple[str, str, dict[str, str], str]] = []
    answers: list[tuple[int, str]] = []
    told = Server("", requests, answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            requests.append((self.command, self.path, dict(self.headers), body))
            if self.path in told.moved:
                self.send_response(302)
                self.send_header("Location", told.moved[self.path])
                self.end_headers()
                return
            status, text = answers.pop(0) if answers else (200, json.dumps({"ok": True, "n": 3}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        told.url = f"http://127.0.0.1:{listening.server_port}"
        yield told
        listening.shutdown()
        thread.join()
