"""What must not be told of a program's output: the secrets that it was given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from mainstem.connections import Connection, Secret
from mainstem.connections.secrecy import is_secret

__all__ = ["Redactor"]

_LOGIN = re.compile(r"(://[^/@\s:]*:)[^@\s]*(?=@)")
# To mask a letter or two would leave nothing readable, and hide nothing.
_SHORTEST = 3


class Redactor:
    """Masks the secrets of connections and of a replication's variables, however a URL or JSON spells them.

    Args:
        connections: The connections.
        variables: The variables of ``env``. Secret are those whose name or value says so.

    Example:
        >>> redact = Redactor([Connection("PG", "postgres", {"user": "me", "password": "p@ss"})])
        >>> redact("postgres://me:p%40ss@db/x: password p@ss is wrong")
        'postgres://me:***@db/x: password *** is wrong'
    """

    def __init__(self, connections: Iterable[Connection], variables: Mapping[str, str] | None = None) -> None:
        secrets = {
            value.reveal()
            for connection in connections
            for value in connection.properties.values()
            if isinstance(value, Secret)
        }
        secrets |= {value for name, value in (variables or {}).items() if is_secret(name.lower(), value)}
        spelled = {
            form(secret)
            for secret in secrets
            if len(secret) >= _SHORTEST
            for form in (str, quote, quote_plus, _quoted_whole, _in_json)
        }
        # The longest first: a private key goes as a whole, not only a word in it.
        self._spelled = sorted(spelled, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with every secret masked."""
        for secret in self._spelled:
            text = text.replace(secret, "***")
        return _LOGIN.sub(r"\1***", text)


def _quoted_whole(secret: str) -> str:
    return quote(secret, safe="")


def _in_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]
