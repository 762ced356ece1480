"""Files of the web, read only, through urllib3."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, ClassVar
from urllib.parse import quote, unquote, urljoin, urlsplit

import urllib3
from typing_extensions import override
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, ResponseError, SSLError
from urllib3.exceptions import TimeoutError as Urllib3TimeoutError

from mainstem.connections import Connection
from mainstem.errors import ConnectError, EndpointError, RelationNotFoundError
from mainstem.files.places.base import AtomicWriter, FileInfo, Place
from mainstem.files.places.ranged import RangeReader

__all__ = ["Http"]

_SECONDS = 60.0
_READ_AHEAD = 1024 * 1024
_RETRIED = (429, 500, 502, 503, 504)
_PARTIAL = 206
_NOT_FOUND = (404, 410)
_REFUSED = (401, 403, 407)
_CHANGED = (412, 416)
_FIRST_ERROR = 400
# What is the same a moment later: a wrong certificate, a circle of redirects, an address that is none.
_LASTING = (SSLError, ResponseError, LocationValueError)


class Http(Place):
    """Files of a web server, each by its URL. A path is taken from the connection's own URL on."""

    writable: ClassVar[bool] = False
    listable: ClassVar[bool] = False
    versioned: ClassVar[bool] = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        parts = urlsplit(connection.required("url"))
        login = parts.netloc.rpartition("@")[0] or None
        self._base = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._headers: dict[str, str] = {"Accept-Encoding": "identity", "User-Agent": "mainstem"}
        user, password = connection.text("user"), connection.text("password")
        if user and password:
            login = f"{user}:{password}"
        if login:
            self._headers |= urllib3.make_headers(basic_auth=unquote(login))
        seconds = float(connection.text("timeout") or _SECONDS)
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(seconds, 10), read=seconds),
            retries=urllib3.Retry(
                total=6,
                connect=2,
                read=2,
                redirect=5,
                status=3,
                status_forcelist=_RETRIED,
                backoff_factor=0.2,
            ),
        )

    @override
    def checked(self, path: str) -> str:
        if any((character.isspace() and character != " ") or character == "\x00" for character in path):
            raise EndpointError(f"The path {path!r} is refused: it holds a control character.")
        whole = urljoin(self._base, path) if path else self._base
        wanted, base = urlsplit(whole), urlsplit(self._base)
        if (wanted.scheme, wanted.netloc) != (base.scheme, base.netloc):
            raise EndpointError(
                f"{_shown(whole)} is not on {base.scheme}://{base.netloc}, which connection"
                f" {self.connection.name} is for."
            )
        return quote(whole, safe="%/:=&?~#+!$,;'@()*[]")

    @override
    def url(self, path: str) -> str:
        return _shown(self.checked(path))

    @override
    def entries(self, folder: str, *, deep: bool) -> Iterator[FileInfo]:
        raise EndpointError(
            f"A web server does not say which files it has: {self.url(folder)}.", hint="Name each file."
        )

    @override
    def info(self, path: str) -> FileInfo | None:
        try:
            headers = self._looked_at(path)
        except RelationNotFoundError:
            return None
        return FileInfo(path, _length(headers), _modified(headers))

    @override
    def open_file(self, path: str) -> BinaryIO:
        headers = self._looked_at(path)
        length, tag = _length(headers), headers.get("ETag") or ""
        if length is None or headers.get("Accept-Ranges", "").lower() != "bytes":
            return self._streamed(path)
        # What is read is one version of the file, where the server tells versions apart.
        same = {"If-Match": tag} if tag and not tag.startswith("W/") else {}

        def fetch(start: int, end: int) -> bytes:
            with self._told(path):
                answer = self._asked(path, {"Range": f"bytes={start}-{end - 1}", **same})
                data: bytes = answer.data
            if answer.status != _PARTIAL or len(data) != end - start:
                raise EndpointError(
                    f"{self.url(path)}: the server was asked for {end - start} bytes and sent {len(data)}."
                    " Nothing was published."
                )
            return data

        return io.BufferedReader(RangeReader(length, fetch), _READ_AHEAD)

    def _streamed(self, path: str) -> BinaryIO:
        with self._told(path):
            answer = self._asked(path, {}, preload_content=False)
        return io.BufferedReader(_Streamed(self, path, answer), _READ_AHEAD)

    def _looked_at(self, path: str) -> Mapping[str, str]:
        """The headers of a file. Some servers answer no HEAD: then of its first byte."""
        with self._told(path):
            answer = self._pool.request("HEAD", path, headers=self._headers)
            if answer.status >= _FIRST_ERROR and answer.status not in _NOT_FOUND:
                with self._asked(path, {}, preload_content=False) as opened:
                    return {**opened.headers, "Accept-Ranges": "none"}
            self._check(path, answer.status)
        return answer.headers

    def _asked(self, path: str, headers: Mapping[str, str], **how: Any) -> Any:
        answer: Any = self._pool.request("GET", path, headers={**self._headers, **headers}, **how)
        if answer.status >= _FIRST_ERROR:
            answer.close()
        self._check(path, answer.status)
        return answer

    def _check(self, path: str, status: int) -> None:
        if status < _FIRST_ERROR:
            return
        where = self.url(path)
        if status in _NOT_FOUND:
            raise RelationNotFoundError(f"There is no file {where}: the server says {status}.")
        if status in _REFUSED:
            raise ConnectError(
                f"{where}: the server says {status}: it refused the credentials of connection"
                f" {self.connection.name}.",
                hint="Give `user` and `password`.",
            )
        if status in _CHANGED:
            raise EndpointError(
                f"{where} was replaced while it was read. Nothing was published.",
                hint="Run the stream again.",
                transient=True,
            )
        raise EndpointError(f"{where}: the server says {status}.")

    @contextmanager
    def told(self, path: str) -> Iterator[None]:
        """Say in our words what the server refused, within a block."""
        with self._told(path):
            yield

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        where = self.url(path)
        try:
            yield
        except MaxRetryError as error:
            reason = type(error.reason).__name__ if error.reason else "too many tries"
            raise ConnectError(
                f"{where} cannot be had, though it was tried several times ({reason}).",
                hint="Is the server well? `timeout` on the connection gives it more seconds.",
                transient=not isinstance(error.reason, _LASTING),
            ) from error
        except Urllib3TimeoutError as error:
            raise EndpointError(
                f"{where}: the server sent nothing more within the time that it is given.",
                hint="`timeout` on the connection gives it more seconds.",
                transient=True,
            ) from error
        except (HTTPError, OSError) as error:
            raise EndpointError(
                f"{where}: the answer broke off ({type(error).__name__}). Nothing was published.",
                hint="Run the stream again.",
                transient=not isinstance(error, _LASTING),
            ) from error

    @override
    def write_file(self, path: str) -> AtomicWriter:
        raise EndpointError(f"{self.url(path)}: files of the web can be read only.")

    @override
    def delete_file(self, path: str) -> None:
        raise EndpointError(f"{self.url(path)}: files of the web can be read only.")

    @override
    def close(self) -> None:
        self._pool.clear()


class _Streamed(io.RawIOBase):
    """An answer that is read once, from its start to its end."""

    def __init__(self, place: Http, path: str, answer: Any) -> None:
        super().__init__()
        self._place = place
        self._path = path
        self._answer = answer

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        with self._place.told(self._path):
            data: bytes = self._answer.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    @override
    def close(self) -> None:
        self._answer.close()
        super().close()


def _shown(url: str) -> str:
    """A URL without what may be a secret of it."""
    parts = urlsplit(url)
    return unquote(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl())


def _length(headers: Mapping[str, str]) -> int | None:
    given = headers.get("Content-Length", "")
    return int(given) if given.isdigit() else None


def _modified(headers: Mapping[str, str]) -> datetime | None:
    try:
        return parsedate_to_datetime(headers["Last-Modified"]).astimezone(timezone.utc)
    except (KeyError, TypeError, ValueError):
        return None
