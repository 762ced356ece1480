"""Variables whose value is a connection (spec §5)."""

from __future__ import annotations

from collections.abc import Mapping

from mainstem.connections.contents import UNKNOWN_TYPE, Entry
from mainstem.connections.definition import connection_of, definition_in
from mainstem.connections.systems import TYPES
from mainstem.connections.url import scheme_of
from mainstem.errors import ConnectionConfigError, Position

__all__ = ["connections_among", "entry_of"]

# Proxies and home pages are variables too, and nobody means them as connections.
_LISTED = TYPES - {"http"}


def entry_of(name: str, value: str, where: str) -> Entry | None:
    """Read a variable as a connection; ``None`` where its value is not meant as one.

    Args:
        name: The connection's name, which is the variable's.
        value: Its value: a URL, or JSON, YAML or base64 of these with ``type`` or ``url``.
        where: What to put before an error.
    """
    try:
        found = definition_in(value, where)
    except ConnectionConfigError as error:
        return Entry(UNKNOWN_TYPE, problem=str(error))
    if found is None:
        return None
    return Entry.made(Position(where), lambda: connection_of(name.upper(), found), scheme_of(value))


def connections_among(variables: Mapping[str, str], where: str) -> dict[str, Entry]:
    """Return the variables that are connections to a system that Sling knows, by upper-case name."""
    found = {name.upper(): entry_of(name, value, f"{where} {name}") for name, value in variables.items()}
    return {name: entry for name, entry in found.items() if entry and entry.type in _LISTED}
