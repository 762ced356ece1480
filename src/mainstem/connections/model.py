"""A connection, and the opaque type in which its secrets travel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from typing_extensions import Self

from mainstem.connections.secrecy import is_secret
from mainstem.connections.systems import canonical_type
from mainstem.connections.text import is_text, utf8
from mainstem.errors import ConnectionConfigError

__all__ = ["Connection", "Secret"]


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

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("A secret is not pickled: pass the connection's name instead.")

    def __reduce__(self) -> NoReturn:
        self.__getstate__()


@dataclass(frozen=True)
class Connection:
    """Where a system is, and how to get in.

    However it is made, its type takes the one name that we know a system by, its properties' names are in
    lower case, and their secret values are hidden at once.

    Attributes:
        name: The name that a replication uses.
        type: The kind of system, such as ``postgres`` or ``duckdb``.
        properties: Everything else, by Sling's property names; secret ones are :class:`Secret`. Given as
            ``None`` means not given; numbers become text, a mapping or a list becomes JSON, secret as a
            whole.

    Raises:
        ConnectionConfigError: A value is bytes that are no UTF-8.

    Example:
        >>> Connection("MY_POSTGRES", "postgresql", {"Host": "db", "password": "hunter2"})
        Connection(name='MY_POSTGRES', type='postgres', properties={'host': 'db', 'password': Secret('***')})
    """

    name: str
    type: str
    properties: Mapping[str, str | Secret] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: dict[str, Any] = {key.lower(): value for key, value in self.properties.items()}
        hidden = {key: self._hidden(key, value) for key, value in given.items() if value is not None}
        object.__setattr__(self, "type", canonical_type(self.type))
        object.__setattr__(self, "properties", hidden)

    @classmethod
    def of(cls, name: str, type: str, properties: Mapping[str, Any]) -> Connection:  # noqa: A002
        """Make a connection from values of any type."""
        return cls(name, type, properties)

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

    def whole_number(self, key: str) -> int | None:
        """Return a property as a whole number; ``None`` where it is not given.

        Raises:
            ConnectionConfigError: It is none.
        """
        value = self.text(key)
        if not value:
            return None
        try:
            return int(value)
        except ValueError as error:
            raise ConnectionConfigError(
                f"Connection {self.name} ({self.type}): {key!r} is no whole number."
            ) from error

    def _hidden(self, key: str, value: Any) -> str | Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, (Mapping, list, tuple)):
            return Secret(json.dumps(value, default=_plain, ensure_ascii=False))
        text = self._text(key, value)
        return Secret(text) if is_secret(key, text) else text

    def _text(self, key: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        text = utf8(value) if isinstance(value, bytes) else str(value)
        if text is None or not is_text(text):
            raise ConnectionConfigError(f"Connection {self.name}: {key!r} is bytes that are no UTF-8.")
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return dict(value) if isinstance(value, Mapping) else str(value)
