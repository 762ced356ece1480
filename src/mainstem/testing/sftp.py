"""A real SFTP server on the loopback, for tests: asyncssh, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncssh
from typing_extensions import Self

__all__ = ["EmbeddedSftp"]


class _Passwords(asyncssh.SSHServer):
    """Lets one user in."""

    def __init__(self, user: str, password: str, sessions: list[asyncssh.SSHServerConnection]) -> None:
        self._login = (user, password)
        self._sessions = sessions

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._sessions.append(conn)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - every user needs a password
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == self._login


class EmbeddedSftp:
    """An SFTP server whose root is a folder of this machine. Use it as a context manager.

    Args:
        root: The folder that users see as ``/``.
        user: Who may come in.
        password: The user's password.
        authorized_key: A public key that may come in too, in OpenSSH's form.
    """

    def __init__(
        self,
        root: Path,
        user: str = "test_user",
        password: str = "test p@ss/word",
        authorized_key: str | None = None,
    ) -> None:
        self.root = root
        self.user = user
        self.password = password
        self.port = 0
        self._authorized_key = authorized_key
        self._loop = asyncio.new_event_loop()
        self._server: Any = None
        self._sessions: list[asyncssh.SSHServerConnection] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="sftp-server", daemon=True)

    def start(self) -> None:
        """Start it. It answers when this returns."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)

    async def _listen(self) -> None:
        root = str(self.root).encode()
        make: Callable[[Any], Any] = lambda channel: asyncssh.SFTPServer(channel, chroot=root)  # noqa: E731
        keys = asyncssh.import_authorized_keys(self._authorized_key) if self._authorized_key else None
        self._server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Passwords(self.user, self.password, self._sessions),
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=make,
            authorized_client_keys=keys,
        )
        self.port = self._server.get_port()

    def stop(self) -> None:
        """Stop it, as a server that is switched off: sessions break."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(30)
            self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for session in self._sessions:
            session.abort()
            await session.wait_closed()
        await self._server.wait_closed()

    def connection(self, path: str | None = None) -> dict[str, Any]:
        """The definition of a connection to it."""
        return {
            "type": "sftp",
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "password": self.password,
            **({"path": path} if path else {}),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
