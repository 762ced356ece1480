"""fakesnow's server behind a door that asks for credentials. It runs in fakesnow's own environment.

What a real account does and the emulator does not: refuse who may not get in, and a session without a
warehouse. A statement that the emulator fails at is refused, not answered by a status that clients take for a
server that is down and ask again for minutes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

__all__ = ["ACCESS", "Door", "main"]

# Where the process finds what lets in: as JSON, so that no argument list shows it.
ACCESS = "MAINSTEM_FAKESNOW_ACCESS"

_LOGIN = "/session/v1/login-request"
_QUERY = "/queries/v1/query-request"
_SERVER_ERROR = 500

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class Door:
    """An ASGI application around fakesnow's.

    Args:
        app: fakesnow's.
        access: What lets in: ``user``, ``password``, ``token`` and ``public_key`` (PEM).
    """

    def __init__(self, app: _App, access: dict[str, str]) -> None:
        self._app = app
        self._access = access
        self._idle: set[str] = set()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] not in (_LOGIN, _QUERY):
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        refusal = self._refusal(scope, _plain(scope, body))
        if refusal is not None:
            await _answer(send, refusal)
            return
        swapped = _SWAP.match(str(_plain(scope, body).get("sqlText", "")))
        start, answer = await (self._swap(scope, swapped) if swapped else self._asked(scope, body))
        if start["status"] >= _SERVER_ERROR:
            said = json.loads(answer).get("message") if answer.startswith(b"{") else answer.decode()[:500]
            await _answer(send, _failure("000001", f"The emulator cannot do this: {said}"))
            return
        if scope["path"] == _LOGIN and not _parameters(scope).get("warehouse"):
            self._idle.add(str(json.loads(answer)["data"]["token"]))
        await send(start)
        await send({"type": "http.response.body", "body": answer})

    def _refusal(self, scope: _Message, body: dict[str, Any]) -> dict[str, Any] | None:
        if scope["path"] == _LOGIN:
            return None if self._lets_in(body["data"]) else _failure("390100", _WRONG[_kind(body["data"])])
        header = dict(scope["headers"]).get(b"authorization", b"").decode()
        needs_one = str(body.get("sqlText", "")).lstrip(" (").upper().startswith(_COMPUTES)
        if needs_one and any(f'"{token}"' in header for token in self._idle):
            return _failure("000606", _NO_WAREHOUSE, "57P03")
        return None

    def _lets_in(self, data: dict[str, Any]) -> bool:
        if str(data.get("LOGIN_NAME", "")).lower() not in (self._access["user"].lower(), ""):
            return False
        kind = _kind(data)
        if kind == "SNOWFLAKE_JWT":
            return _is_signed(str(data.get("TOKEN")), self._access.get("public_key", ""))
        if kind == "SNOWFLAKE":
            same_name = str(data.get("LOGIN_NAME", "")).lower() == self._access["user"].lower()
            return same_name and data.get("PASSWORD") == self._access["password"]
        return bool(self._access.get("token")) and data.get("TOKEN") == self._access["token"]

    async def _swap(self, scope: _Message, tables: re.Match[str]) -> tuple[_Message, bytes]:
        """`ALTER TABLE … SWAP WITH …`, which the emulator does not have: three renames in a transaction."""
        one, other = tables[1], tables[2]
        between = f'{one.rpartition(".")[0]}."__FAKESNOW_SWAP"'
        renames = [(one, between), (other, one), (between, other)]
        statements = ["BEGIN", *(f"ALTER TABLE {old} RENAME TO {new}" for old, new in renames), "COMMIT"]
        plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"content-encoding"]}
        for statement in statements:
            start, answer = await self._asked(plain, json.dumps({"sqlText": statement}).encode())
            if not json.loads(answer)["success"]:
                await self._asked(plain, json.dumps({"sqlText": "ROLLBACK"}).encode())
                break
        return start, answer

    async def _asked(self, scope: _Message, body: bytes) -> tuple[_Message, bytes]:
        """What fakesnow answers, whole."""
        given = [{"type": "http.request", "body": body, "more_body": False}]
        start: _Message = {}
        parts: list[bytes] = []

        async def receive() -> _Message:
            return given.pop() if given else {"type": "http.disconnect"}

        async def send(message: _Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return start, b"".join(parts)


_SWAP = re.compile(
    r'\s*ALTER\s+TABLE\s+((?:"(?:[^"]|"")*"|[^\s"])+)\s+SWAP\s+WITH\s+(\S.*?)\s*$', re.IGNORECASE | re.DOTALL
)

_WRONG = {
    "SNOWFLAKE": "Incorrect username or password was specified.",
    "SNOWFLAKE_JWT": "JWT token is invalid.",
    "OAUTH": "Invalid OAuth access token.",
    "PROGRAMMATIC_ACCESS_TOKEN": "Programmatic access token is invalid.",
}
_COMPUTES = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY")
_NO_WAREHOUSE = (
    "No active warehouse selected in the current session.  Select an active warehouse with the"
    " 'use warehouse' command."
)


def _kind(data: dict[str, Any]) -> str:
    kind = str(data.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
    return kind if kind in _WRONG else "SNOWFLAKE"


def _is_signed(token: str, public_key: str) -> bool:
    # Only fakesnow's environment has it.
    import jwt  # noqa: PLC0415

    try:
        claims = jwt.decode(
            token, public_key, algorithms=["RS256"], options={"require": ["exp", "iss", "sub"]}
        )
    except (jwt.InvalidTokenError, ValueError):
        return False
    return str(claims["iss"]).endswith(f".{_fingerprint(public_key)}")


def _fingerprint(public_key: str) -> str:
    """As Snowflake shows it: https://docs.snowflake.com/en/user-guide/key-pair-auth."""
    body = "".join(line for line in public_key.splitlines() if not line.startswith("-----"))
    return f"SHA256:{base64.b64encode(hashlib.sha256(base64.b64decode(body)).digest()).decode()}"


def _failure(code: str, message: str, state: str = "08001") -> dict[str, Any]:
    data = {"errorCode": code, "sqlState": state}
    return {"data": data, "code": code, "message": message, "success": False}


async def _body(receive: _Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _plain(scope: _Message, body: bytes) -> dict[str, Any]:
    zipped = dict(scope["headers"]).get(b"content-encoding") == b"gzip"
    found: dict[str, Any] = json.loads(gzip.decompress(body) if zipped else body)
    return found


def _parameters(scope: _Message) -> dict[str, list[str]]:
    return parse_qs(scope["query_string"].decode())


async def _answer(send: _Send, data: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(data).encode()})


def _end_with_parent() -> None:
    # The other end of the pipe closes however the parent ends.
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve on the port that is the first argument, until the process or its parent ends."""
    # Only fakesnow's environment has them.
    import uvicorn  # noqa: PLC0415
    from fakesnow.server import app  # noqa: PLC0415

    threading.Thread(target=_end_with_parent, daemon=True).start()
    access: dict[str, str] = json.loads(os.environ[ACCESS])
    uvicorn.run(Door(app, access), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
