"""A connection, and the opaque type in which its secrets travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mainstem.errors import ConnectionConfigError

__all__ = ["Connection", "Secret"]

# Property names whose values are secret, by their ending: `password`, `motherduck_token`, `private_key`, ...
_SECRET_ENDINGS = (
    "password",
    "token",
    "secret",
    "key",
    "passphrase",
    "conn_str",
    "passcode",
    "sas_svc_url",
    "key_body",
)


class Secret:
    """A value that only :meth:`reveal` shows. Everything else shows ``***``.

    Example:
        >>> secret = Secret("hunter2")
        >>> f"{secret} {secret!r}", secret.reveal()
        ("*** Secret('***')", 'hunter2')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. Call it only where a driver is handed it."""
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("A secret is not pickled: pass the connection's name instead.")


@dataclass(frozen=True)
class Connection:
    """Where a system is, and how to get in.

    Attributes:
        name: The name that a replication uses.
        type: The kind of system, such as ``postgres`` or ``duckdb``.
        properties: Everything else, by Sling's property names; secret ones are :class:`Secret`.

    Example:
        >>> Connection.of("MY_POSTGRES", "postgres", {"host": "db", "password": "hunter2"})
        Connection(name='MY_POSTGRES', type='postgres', properties={'host': 'db', 'password': Secret('***')})
    """

    name: str
    type: str
    properties: Mapping[str, str | Secret] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, type: str, properties: Mapping[str, Any]) -> Connection:  # noqa: A002
        """Make a connection from plain values, hiding the secret ones at once.

        Args:
            name: The name that a replication uses.
            type: The kind of system.
            properties: Property names and values. ``None`` means not given; numbers become text.
        """
        given = {key.lower(): value for key, value in properties.items() if value is not None}
        return cls(name, type.lower(), {key: _hidden(key, value) for key, value in given.items()})

    def text(self, key: str) -> str | None:
        """Return a property as text, secrets revealed; ``None`` where it is not given."""
        value = self.properties.get(key)
        return value.reveal() if isinstance(value, Secret) else value

    def required(self, key: str) -> str:
        """Return a property as text.

        Raises:
            ConnectionConfigError: It is not given.
        """
        value = self.text(key)
        if not value:
            given = ", ".join(sorted(self.properties)) or "nothing"
            raise ConnectionConfigError(
                f"Connection {self.name} ({self.type}) has no {key!r}.",
                hint=f"Add the property, or give a URL. Given: {given}.",
            )
        return value


def _hidden(key: str, value: Any) -> str | Secret:
    if isinstance(value, Secret):
        return value
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return Secret(text) if key.endswith(_SECRET_ENDINGS) else text
