"""A web server on the loopback, for tests, that can also do what bad ones do."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import unquote

from typing_extensions import Self

__all__ = ["EmbeddedHttp", "Served"]

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class Served:
    """A file, and how it is served.

    Attributes:
        data: Its bytes.
        ranges: Whether parts of it may be asked for.
        head: Whether HEAD is answered.
        fails: So many requests are answered with ``status`` first.
        status: Such as 503.
        said_length: What is said of its length; ``None``: the truth.
        stalls_after: So many bytes are sent, and then nothing more.
        redirect: Where it says the file is.
        login: The user and password that it wants, as ``user:password``.
        modified: When it says the file was changed, in seconds since 1970.
    """

    data: bytes = b""
    ranges: bool = True
    head: bool = True
    fails: int = 0
    status: int = 503
    said_length: int | None = None
    stalls_after: int | None = None
    redirect: str | None = None
    login: str | None = None
    modified: float = 1_700_000_000.0


@dataclass
class _Site:
    files: dict[str, Served] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class EmbeddedHttp:
    """A web server. Use it as a context manager.

    Attributes:
        files: What it serves, by path, such as ``/a.csv``.
        asked: What was asked, in order: method, path, headers.
    """

    def __init__(self) -> None:
        self._site = _Site()
        self.files = self._site.files
        self.asked = self._site.asked
        handler = type("Handler", (_Handler,), {"site": self._site})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def connection(self, path: str = "/") -> dict[str, Any]:
        """The definition of a connection to it, which waits two seconds and not a minute."""
        return {"type": "http", "url": f"{self.url}{path}", "timeout": 2}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._site.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    site: ClassVar[_Site]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(self.path.partition("?")[0])
        self.site.asked.append((self.command, self.path, dict(self.headers.items())))
        served = self.site.files.get(path)
        if served is None:
            self._status(404)
        elif served.login and self.headers.get("Authorization") != _basic(served.login):
            self._status(401)
        elif served.fails > 0:
            served.fails -= 1
            self._status(served.status)
        elif served.redirect:
            self._status(302, Location=served.redirect)
        elif not body and not served.head:
            self._status(405)
        else:
            self._file(served, body)

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, served: Served, body: bool) -> None:
        tag = f'"{hashlib.sha256(served.data).hexdigest()[:16]}"'
        if self.headers.get("If-Match", tag) != tag:
            self._status(412)
            return
        data, status = served.data, 200
        found = _RANGE.fullmatch(self.headers.get("Range", "")) if served.ranges else None
        if found:
            status, data = 206, data[int(found[1]) : int(found[2]) + 1]
        self.send_response(status)
        length = len(data) if served.said_length is None else served.said_length
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", tag)
        self.send_header("Last-Modified", formatdate(served.modified, usegmt=True))
        if served.ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if not body:
            return
        self.wfile.write(data if served.stalls_after is None else data[: served.stalls_after])
        if served.stalls_after is not None:
            self.wfile.flush()
            self.site.over.wait(30)
        if served.stalls_after is not None or length != len(data):
            self.close_connection = True


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()
