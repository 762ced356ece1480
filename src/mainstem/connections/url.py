"""Connection URLs, as Sling writes them (spec §5). What a URL's parts mean is in `systems.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from mainstem.connections.model import Connection
from mainstem.connections.systems import UrlForm, canonical_type, forms_of, may_be
from mainstem.connections.text import is_text, utf8
from mainstem.errors import ConnectionConfigError

__all__ = ["connection_from_url", "is_url", "looks_like_url", "scheme_of"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://(.*)", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,5}")
_LOGIN_OF_PATH = re.compile(r"[^/@]*:[^/@]*@")
_WINDOWS_DRIVE = re.compile(r"/[A-Za-z]:[/\\]")
_ESCAPE_HINT = "Write special characters of the password as %XX."


def looks_like_url(text: str) -> bool:
    """Whether a ``source`` or ``target`` is a URL, not a name.

    Example:
        >>> looks_like_url("duckdb:///tmp/a.duckdb"), looks_like_url("MY_DUCKDB")
        (True, False)
    """
    return "://" in text


def is_url(text: str) -> bool:
    """Whether the text begins as a URL does, unlike one that has a URL somewhere in it."""
    return _URL.fullmatch(text.strip()) is not None


def scheme_of(text: str) -> str:
    """Return a URL's scheme in lower case; empty where the text is no URL."""
    match = _URL.fullmatch(text.strip())
    return match[1].lower() if match else ""


def connection_from_url(name: str, url: str, type: str | None = None) -> Connection:  # noqa: A002
    """Read a URL into a connection.

    Args:
        name: The name that a replication uses.
        url: Such as ``postgresql://user:pass@host:5432/db?sslmode=disable``. ``duckdb:///a/b.duckdb`` is the
            absolute path ``/a/b.duckdb``, ``duckdb://b.duckdb`` a relative one.
        type: The kind of system, where it is known otherwise. It must agree with the URL, or be a system
            that speaks the URL's protocol, such as ``redshift`` with ``postgresql://``.

    Raises:
        ConnectionConfigError: The text is no URL, or of another kind than ``type``. The URL itself is not
            shown: it may hold a password.

    Example:
        >>> connection_from_url("MY_DUCKDB", "duckdb:///var/tmp/duckdb.db").properties["instance"]
        '/var/tmp/duckdb.db'
    """
    match = _URL.fullmatch(url.strip())
    if match is None:
        raise ConnectionConfigError(
            f"The connection string of {name} is not a URL.",
            hint="It looks like type://user:password@host/db.",
        )
    parts = _Parts.of(name, match[1].lower(), match[2])
    wanted = canonical_type(type) if type else None
    form = _form(parts, wanted)
    if wanted and not may_be(form.type, wanted):
        raise ConnectionConfigError(
            f"Connection {name} has the type {wanted!r}, but its connection string begins with"
            f" {parts.scheme}://."
        )
    given = {key: value for key, value in parts.properties(form) if value}
    return Connection(name, wanted or form.type, {**form.constant, **given})


def _form(parts: _Parts, wanted: str | None) -> UrlForm:
    """The first form that fits the host, preferably of the wanted type."""
    forms = forms_of(parts.scheme)
    fitting = [form for form in forms if parts.host.lower().endswith(form.domain)] or forms
    return next((form for form in fitting if form.type == wanted), fitting[0])


@dataclass(frozen=True, repr=False)
class _Parts:
    """A URL, cut at its marks and nothing decoded yet."""

    name: str
    scheme: str
    rest: str
    login: str
    address: str
    host: str
    port: str
    path: str
    query: str

    @classmethod
    def of(cls, name: str, scheme: str, rest: str) -> _Parts:
        before_query, _, query = rest.partition("?")
        authority, slash, path = before_query.partition("/")
        login, _, address = authority.rpartition("@")
        # [::1]:5432 has more colons than one.
        bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", address)
        host, port = bracketed.groups("") if bracketed else (*address.split(":", 1), "")[:2]
        return cls(name, scheme, rest, login, address, host, port, slash + path, query)

    def properties(self, form: UrlForm) -> Iterator[tuple[str, str]]:
        """Say what each part means. A parameter of the query never replaces what stands before it."""
        if form.whole:
            yield form.whole, f"{self.scheme}://{self.rest}"
            return
        if form.signed and self.query:
            yield form.signed, f"{self.scheme}://{self.rest}"
        else:
            yield from self._parameters(form)
        if form.place:
            yield form.place, self._place()
            return
        self._refuse_unescaped_login()
        yield from self._login(form)
        yield from self._address(form)
        yield from self._segments(form)

    def _place(self) -> str:
        if _LOGIN_OF_PATH.match(self.rest):
            raise self._error("What follows its // is a path: it takes no user and no password.")
        path = self._decoded(self.rest.partition("?")[0])
        return path[1:] if _WINDOWS_DRIVE.match(path) else path

    def _refuse_unescaped_login(self) -> None:
        """A password with a raw ``/`` or ``?`` would come apart, and be shown as a database or a host."""
        torn = "@" in self.path or "@" in self.query.partition("=")[0]
        if torn and ":" in self.address and not self.login:
            raise self._error("Its host or port is malformed.", _ESCAPE_HINT)

    def _login(self, form: UrlForm) -> Iterator[tuple[str, str]]:
        given = self.login.split(":", 1) if self.login else []
        if len(given) > len(form.login):
            raise self._error(
                f"A {self.scheme}:// URL takes no {'password' if form.login else 'user and no password'}.",
                "Give the credentials as properties.",
            )
        for key, value in zip(form.login, given, strict=False):
            yield key, self._decoded(value)

    def _address(self, form: UrlForm) -> Iterator[tuple[str, str]]:
        if form.many_hosts and "," in self.address:
            yield form.host, self._decoded(self.address)
            return
        if self.port and not (_PORT.fullmatch(self.port) and 0 < int(self.port) < 65536):  # noqa: PLR2004
            raise self._error("Its host or port is malformed.", _ESCAPE_HINT)
        in_domain = self.host.lower().endswith(form.domain)
        host = self.host[: len(self.host) - len(form.domain)] if in_domain else self.host
        yield form.host, self._decoded(host)
        yield "port", self.port

    def _segments(self, form: UrlForm) -> Iterator[tuple[str, str]]:
        if form.rooted:
            yield form.path[0], self._decoded(self.path) if self.path != "/" else ""
            return
        segments = self.path.lstrip("/").split("/", len(form.path) - 1)
        for key, value in zip(form.path, segments, strict=False):
            yield key, self._decoded(value)

    def _parameters(self, form: UrlForm) -> Iterator[tuple[str, str]]:
        for parameter in self.query.split("&"):
            key, _, value = (self._decoded(part.replace("+", " ")) for part in parameter.partition("="))
            yield form.renamed.get(key.lower(), key.lower()), value

    def _decoded(self, text: str) -> str:
        decoded = utf8(unquote_to_bytes(text), "utf-8") if is_text(text) else None
        if decoded is None:
            raise self._error("It holds bytes or %XX escapes that are no UTF-8.", _ESCAPE_HINT)
        return decoded

    def _error(self, message: str, hint: str | None = None) -> ConnectionConfigError:
        return ConnectionConfigError(
            f"The connection string of {self.name} cannot be read. {message}", hint=hint
        )
