"""What a type of hook gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mainstem.breaking import Breaker
from mainstem.connections import Connection, ConnectionBook
from mainstem.endpoints import SqlTarget
from mainstem.errors import HookError, Position
from mainstem.expressions import shown
from mainstem.hooks.places import Places
from mainstem.hooks.routines import Routines
from mainstem.hooks.scope import Scope

__all__ = ["Call", "Result", "Services"]


class Replicate(Protocol):
    """Runs a replication within a hook."""

    def __call__(
        self, config: Any, keys: Mapping[str, Any], depth: int, breaker: Breaker
    ) -> Mapping[str, Any]:
        """Run it, and tell what became of it: ``status``, ``total_rows``, ``total_bytes``, ``streams``."""


def _none(config: Any, keys: Mapping[str, Any], depth: int, breaker: Breaker) -> Mapping[str, Any]:  # noqa: ARG001
    raise HookError("No replication can be run here.")


@dataclass(frozen=True)
class Services:
    """What hooks may use.

    Attributes:
        book: The connections.
        source: The source's connection, where there is one: `source` names it.
        target: The target's: `target` names it.
        allow_commands: Whether a `command` may run.
        replicate: Runs a replication.
        retry_delay: Seconds before a hook is tried again.
        breaker: Breaks them off.
        routines: What a `routine` may call.
        open_target: The target within its publishing transaction; ``None`` outside of one.
        depth: How many replications this one is within.
    """

    book: ConnectionBook
    source: Connection | None = None
    target: Connection | None = None
    allow_commands: bool = False
    replicate: Replicate = _none
    retry_delay: float = 5.0
    breaker: Breaker = field(default_factory=Breaker)
    routines: Routines = field(default_factory=lambda: Routines(None))
    open_target: SqlTarget | None = None
    depth: int = 0

    def connection(self, name: str) -> Connection:
        """The connection that a hook names; ``source`` and ``target`` are the replication's.

        Raises:
            ConnectionConfigError: There is none of this name.
        """
        own = {"source": self.source, "target": self.target}.get(name.lower())
        return own or self.book.find(name)

    def known(self, name: str) -> Connection | None:
        """The connection of a name; ``None`` where there is none, as where a path begins with a folder.

        Raises:
            ConnectionConfigError: Its definition is malformed.
        """
        if name.lower() in ("source", "target"):
            return self.source if name.lower() == "source" else self.target
        return self.book.find(name) if name.upper() in self.book.names() else None

    @property
    def places(self) -> Places:
        """Where files are."""
        own = [each for each in (self.source, self.target) if each is not None]
        return Places(self.known, self.book.find, own, self.breaker)


@dataclass(frozen=True)
class Result:
    """What a hook left.

    Attributes:
        state: For ``state.<id>``.
        main: For ``into``.
        said: For people.
        level: ``debug``, ``info``, ``warn`` or ``error``.
    """

    state: Mapping[str, Any] = field(default_factory=dict)
    main: Any = None
    said: str = ""
    level: str = "info"


@dataclass(frozen=True)
class Call:
    """One run of one hook.

    Attributes:
        keys: Its keys, with the variables in place.
        raw: Its keys as they were written.
        scope: What it knows.
        services: What it may use.
        position: Where it stands.
    """

    keys: Mapping[str, Any]
    raw: Mapping[str, Any]
    scope: Scope
    services: Services
    position: Position

    def text(self, key: str) -> str:
        """A key that must be there, as text.

        Raises:
            HookError: It is not.
        """
        value = self.keys.get(key)
        if value is None or value == "":
            raise HookError(f"`{key}` is missing.", hint=f"Say `{key}: …`.")
        return shown(value)

    def flag(self, key: str) -> bool:
        """A key that is true or false; false where it is not there."""
        value = self.keys.get(key, False)
        if not isinstance(value, bool):
            raise HookError(f"`{key}` is true or false.")
        return value
