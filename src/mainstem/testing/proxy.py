"""A network on the loopback, for tests, that stalls, drops and delays what goes to a real server."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal

from typing_extensions import Self

__all__ = ["Proxy"]

_CHUNK_BYTES = 64 * 1024
# Closing with it says nothing of what was on its way: the other end is told of a reset.
_NO_LINGER = struct.pack("ii", 1, 0)

Toward = Literal["client", "server"]


class Proxy:
    """Stands before a server of this machine. Use it as a context manager.

    Args:
        server_port: Where the server listens on the loopback.

    Attributes:
        port: Where the proxy listens.
        connections: So many were opened through it.
        delay: Seconds by which each chunk is late.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        self.delay = 0.0
        self._changed = threading.Condition()
        self._stalled = False
        self._closed = False
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._traps: dict[Toward, tuple[int, Callable[[], None]]] = {}

    def through(self, url: str) -> str:
        """The URL of the server, led through the proxy."""
        return url.replace(f":{self._server_port}/", f":{self.port}/")

    def stall(self) -> None:
        """Pass nothing on any more, and tell nobody: neither what is open nor what is opened now."""
        with self._changed:
            self._stalled = True

    def resume(self) -> None:
        """Pass everything on again."""
        with self._changed:
            self._stalled = False
            self._changed.notify_all()

    def cut(self) -> None:
        """Reset all connections that are open. New ones pass."""
        for end in self._given_up():
            # A thread that waits for it notices a shutdown, and not a close.
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                end.shutdown(socket.SHUT_RD)
            end.close()

    def hang_up(self) -> None:
        """End all connections that are open, politely. New ones pass."""
        for end in self._given_up():
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _given_up(self) -> list[socket.socket]:
        with self._changed:
            opened, self._open = self._open, []
            self._changed.notify_all()
        return opened

    def trip(self, toward: Toward, after: int, action: Callable[[], None]) -> None:
        """Have something happen once, in the middle of what goes one way.

        Args:
            toward: The way.
            after: So many bytes more pass before it.
            action: Such as :meth:`stall` or :meth:`cut`.
        """
        with self._changed:
            self._traps[toward] = (after, action)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        # Wakes who waits for a connection.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.resume()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="mainstem-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                # There is no server at this moment, and whoever asks is told so.
                client.close()
                continue
            with self._changed:
                self.connections += 1
                self._open += [client, server]
            self._start(self._pump, client, server, "server")
            self._start(self._pump, server, client, "client")

    def _pump(self, source: socket.socket, sink: socket.socket, toward: Toward) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                chunk = self._held_up(chunk, sink, toward)
                sink.sendall(chunk)
            # The other way may still have something to say.
            sink.shutdown(socket.SHUT_WR)

    def _held_up(self, chunk: bytes, sink: socket.socket, toward: Toward) -> bytes:
        """Wait for what the network does to a chunk, and return what of it is still to be passed on."""
        trap = self._traps.get(toward)
        if trap is not None:
            left = trap[0] - len(chunk)
            self._traps[toward] = (left, trap[1])
            if left <= 0:
                del self._traps[toward]
                sink.sendall(chunk[:left] if left else chunk)
                chunk = chunk[len(chunk) + left :]
                trap[1]()
        with self._changed:
            if self.delay:
                self._changed.wait(self.delay)
            self._changed.wait_for(lambda: not self._stalled or self._closed)
        return chunk
