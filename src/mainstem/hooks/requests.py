"""`http`: one request, by Python's own client."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPException
from typing import Any

from typing_extensions import override

from mainstem.breaking import Breaker
from mainstem.errors import HookError
from mainstem.expressions import json_text
from mainstem.hooks.model import Call, Result

__all__ = ["http"]

_Answer = tuple[int, dict[str, str], bytes]

_SECONDS = 60.0
# Shorter ones are words.
_TELLING = 6
_MOST_BYTES = 50_000_000


def http(call: Call) -> Result:
    """Send a request. A status of 400 and above is a failure."""
    url = call.text("url")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise HookError(f"`url` begins with {parts.scheme or 'nothing'}.", hint="It is http:// or https://.")
    request = _request(call, url)
    status, headers, body = _unless_broken_off(
        call.services.breaker, lambda: _answer(request, parts.hostname or "")
    )
    text = body.decode(errors="replace")
    response: dict[str, Any] = {"status": status, "headers": headers, "text": text, "json": _json(text)}
    if call.keys.get("write_to"):
        call.services.places.write(str(call.keys["write_to"]), body)
    shown = f"{parts.scheme}://{parts.hostname}"
    if status >= 400:  # noqa: PLR2004 - errors of HTTP
        said = _hidden(text.strip()[:300], request)
        raise HookError(f"{shown} answered {status}: {said}", transient=status >= 500)  # noqa: PLR2004
    state = {"request": {"url": url, "method": request.get_method()}, "response": response}
    return Result(state, response["json"] if response["json"] is not None else text)


def _request(call: Call, url: str) -> urllib.request.Request:
    payload = call.keys.get("payload")
    headers = {str(name): str(value) for name, value in (call.keys.get("headers") or {}).items()}
    body = None
    if payload is not None:
        body = (payload if isinstance(payload, str) else json_text(payload)).encode()
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "text/plain" if isinstance(payload, str) else "application/json"
    method = str(call.keys.get("method") or ("GET" if body is None else "POST")).upper()
    return urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - checked


def _unless_broken_off(breaker: Breaker, asking: Callable[[], _Answer]) -> _Answer:
    """Ask in a thread of its own, which nobody waits for any more once the run is broken off."""
    outcome: Future[_Answer] = Future()
    over = threading.Event()

    def ask() -> None:
        try:
            outcome.set_result(asking())
        except BaseException as error:  # it is raised again, in the thread that waits
            outcome.set_exception(error)
        over.set()

    with breaker.watching(over.set):
        threading.Thread(target=ask, name="mainstem-http", daemon=True).start()
        over.wait()
    if not outcome.done():
        raise HookError("The answer was not waited for.")
    return outcome.result()


def _answer(request: urllib.request.Request, host: str) -> _Answer:
    try:
        with _opener.open(request, timeout=_SECONDS) as response:
            return response.status, dict(response.headers), response.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read(_MOST_BYTES)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise HookError(f"{host} cannot be reached: {reason}.", transient=True) from error
    except (ValueError, HTTPException) as error:
        # Not its words: they may have a header or an address in them, and with that a secret.
        raise HookError(
            f"The request to {host} did not go through: {type(error).__name__}.",
            hint="Are `url` and `headers` well-formed?",
        ) from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other web addresses, but takes no header along to another server: it may be a secret."""

    @override
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, now = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if now.scheme not in ("http", "https"):
            fp.close()
            raise HookError(f"{before.hostname} sends us to a {now.scheme} address, which is not followed.")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and (before.scheme, before.netloc) != (now.scheme, now.netloc):
            following.headers.clear()
        return following


_opener = urllib.request.build_opener(_Redirects)


def _hidden(said: str, request: urllib.request.Request) -> str:
    """An answer, without the headers that it repeats."""
    for name, value in request.headers.items():
        if name.lower() == "content-type":
            continue
        for secret in (value, value.rpartition(" ")[2]):
            if len(secret) >= _TELLING:
                said = said.replace(secret, "***")
    return said


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
