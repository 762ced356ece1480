"""What may define a connection: a URL, a mapping, or text that holds either of them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from mainstem.connections.model import Connection, Secret
from mainstem.connections.text import utf8
from mainstem.connections.url import connection_from_url, is_url
from mainstem.connections.yamltext import YamlDocument
from mainstem.errors import ConnectionConfigError

__all__ = ["ConnectionLike", "connection_of", "definition_in"]

ConnectionLike = Connection | str | Mapping[str, Any]

_URL_KEYS = ("url", "connection_string")
_NO_PROPERTIES = frozenset({"type", "name", *_URL_KEYS})
_DEFINING = frozenset({"type", *_URL_KEYS})
# A block of YAML with such a key at its left edge.
_BLOCK = re.compile(r"""^["']?(?:type|url|connection_string)["']?[ \t]*:(?:\s|$)""", re.MULTILINE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{16,}={0,2}\s*")


def connection_of(name: str, value: ConnectionLike) -> Connection:
    """Make a connection of whatever defines it.

    Args:
        name: Its name.
        value: A connection; a URL, or text of JSON or YAML, or base64 of that; or a mapping with ``type`` or
            ``url``, whose other keys win over what the URL says.

    Raises:
        ConnectionConfigError: It is none of these, or malformed. Nothing of it is shown.

    Example:
        >>> connection_of("PG", "{type: postgres, host: db}")
        Connection(name='PG', type='postgres', properties={'host': 'db'})
    """
    if isinstance(value, Connection):
        return value
    if isinstance(value, str):
        found = definition_in(value, f"Connection {name}")
        # Not a definition at all: the URL's own error says so.
        return (
            connection_from_url(name, value)
            if found is None or found == value
            else connection_of(name, found)
        )
    given = {key.lower(): item for key, item in value.items()}
    kind, url = given.get("type"), next((given[key] for key in _URL_KEYS if given.get(key)), None)
    properties = {key: item for key, item in given.items() if key not in _NO_PROPERTIES}
    if not isinstance(kind, str | None):
        raise ConnectionConfigError(f"Connection {name}: its 'type' is not text.")
    if url is not None:
        plain_url = url.reveal() if isinstance(url, Secret) else str(url)
        from_url = connection_from_url(name, plain_url, kind)
        return Connection(name, from_url.type, {**from_url.properties, **properties})
    if not kind:
        raise ConnectionConfigError(f"Connection {name} has neither a 'type' nor a 'url'.")
    return Connection(name, kind, properties)


def definition_in(text: str, source: str) -> str | Mapping[str, Any] | None:
    """Find the definition of a connection in a text, such as an environment variable's value.

    Args:
        text: Any text.
        source: Its name in errors.

    Returns:
        A URL; or a mapping with ``type`` or ``url``, read from JSON, from YAML or from base64 of these;
        ``None`` where the text is something else.

    Raises:
        ConnectionConfigError: The text is meant as JSON or YAML, and malformed.

    Example:
        >>> definition_in('{"type": "duckdb", "instance": "a.db"}', "DUCK")
        {'type': 'duckdb', 'instance': 'a.db'}
        >>> definition_in("/usr/local/bin", "PATH") is None
        True
    """
    text = text.lstrip("\ufeff").strip()
    if is_url(text):
        return text
    return _mapping(text, source) or _mapping(_from_base64(text), source)


def _mapping(text: str, source: str) -> Mapping[str, Any] | None:
    if not (text.startswith("{") or _BLOCK.search(text)):
        return None
    found = _from_json(text)
    if found is None:
        document = YamlDocument(text, source)
        found = None if document.root is None else document.value(document.root)
    if isinstance(found, dict) and _DEFINING & {key.lower() for key in found}:
        return found
    return None


def _from_json(text: str) -> Any:
    # A decoding error carries the text, so it ends here; YAML, which JSON is, then tells the position.
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def _from_base64(text: str) -> str:
    if not _BASE64.fullmatch(text):
        return ""
    standard = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        data = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        return ""
    return (utf8(data) or "").strip()
