"""Names to connections, in Sling's order (spec §5)."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NoReturn

from mainstem.connections.contents import Contents, Entry
from mainstem.connections.dbt_profiles import read_dbt_profiles
from mainstem.connections.definition import ConnectionLike, connection_of
from mainstem.connections.dotenv import read_dotenv
from mainstem.connections.env_yaml import read_env_yaml
from mainstem.connections.model import Connection
from mainstem.connections.places import EnvironmentPlace, Place, file_contents, variable_contents
from mainstem.connections.url import connection_from_url, looks_like_url, scheme_of
from mainstem.connections.variables import Variables
from mainstem.errors import ConnectionConfigError

__all__ = ["ConnectionBook", "ConnectionLike", "ListedConnection"]

# Both hold the body of an env.yaml.
_BODIES = ("SLING_ENV_YAML", "ENV_YAML")
# What may be shown when it is no connection's name. Anything else may be a mistyped URL, with its password.
_NAME = re.compile(r"[\w .${}\-]{1,100}")


@dataclass(frozen=True)
class ListedConnection:
    """A line of ``conns list``.

    Attributes:
        name: In upper case.
        type: The kind of system; ``unknown`` where a broken definition does not tell.
        source: Where it comes from: ``explicit``, ``env variable``, ``env.yaml``, ``dbt profiles`` or
            ``built-in``.
        problem: Why it cannot be used; ``None`` for one that can.
    """

    name: str
    type: str
    source: str
    problem: str | None = None


class ConnectionBook:
    """All connections that a replication may name. Names are case-insensitive, as in Sling.

    The first place that has a name gives the connection; the places behind it are not even read:

    1. what was handed over in Python, which Sling does not have;
    2. environment variables whose value is a URL, or JSON, YAML or base64 of these with ``type`` or ``url``;
       ``.env.sling`` in the working directory adds variables that are not set;
    3. the body of an ``env.yaml`` in ``SLING_ENV_YAML``, then in ``ENV_YAML``;
    4. ``env.yaml`` in ``SLING_HOME_DIR``, else in ``~/.sling``;
    5. ``profiles.yml`` in ``DBT_PROFILES_DIR``, else in ``~/.dbt``: ``PROFILE_TARGET``;
    6. the built-in ``LOCAL``, this machine's files.

    Spec §5 writes 2 to 6 from the end, for there "later wins". Nothing is exported into the process.

    A definition of the wanted name that is malformed is an error, never a reason to take the next place's:
    that might be another database. A file that is malformed as a whole is passed over, and told when the name
    is found nowhere.

    Args:
        connections: By name, each a :class:`Connection`, a URL, or a mapping with ``type`` or ``url``; or
            the :class:`Connection` objects alone.
        environment: The environment, with ``HOME`` and the variables above. By default the process's.
        cwd: The working directory. By default the process's.

    Raises:
        ConnectionConfigError: One of ``connections`` is malformed.

    Example:
        >>> book = ConnectionBook({"MY_DUCKDB": "duckdb:///tmp/shop.duckdb"}, environment={})
        >>> book.find("my_duckdb").type
        'duckdb'
        >>> book.names()
        ['LOCAL', 'MY_DUCKDB']
    """

    def __init__(
        self,
        connections: Mapping[str, ConnectionLike] | Iterable[Connection] = (),
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        if not isinstance(connections, Mapping):
            connections = {connection.name: connection for connection in connections}
        given = {name.upper(): connection_of(name, value) for name, value in connections.items()}
        process = os.environ if environment is None else environment
        self._cwd = Path() if cwd is None else cwd
        dotenv = cache(lambda: read_dotenv(self._cwd / ".env.sling"))
        known = Variables(lambda: process, lambda: dotenv().variables)
        self._places: list[Place] = [
            _fixed("explicit", "handed over", given),
            EnvironmentPlace("env variable", known, dotenv),
        ]
        bodies: Sequence[Callable[[Variables], Contents]] = [
            partial(variable_contents, name, read_env_yaml) for name in _BODIES
        ]
        for load in (*bodies, self._env_yaml):
            place = Place("env.yaml", partial(load, known))
            self._places.append(place)
            known = known.over(place.variables)
        self._variables = known
        self._places.append(Place("dbt profiles", partial(self._profiles, known)))
        self._places.append(_fixed("built-in", "built-in", {"LOCAL": Connection("LOCAL", "file")}))

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment, with what ``.env.sling`` and every ``env.yaml`` add to it, and override nothing.

        Its values may be secret; it prints none of them.
        """
        return self._variables

    def find(self, name: str) -> Connection:
        """Return the connection that a ``source`` or ``target`` means.

        Args:
            name: A connection's name, or a URL.

        Raises:
            ConnectionConfigError: There is none, and the message tells every place that was looked at; or
                its definition is malformed, and the message tells where that stands.
        """
        if looks_like_url(name):
            return connection_from_url(scheme_of(name).upper() or "URL", name)
        for place in self._places:
            found = place.find(name.upper())
            if found is not None:
                return found.open()
        raise self._unknown(name)

    def names(self) -> Sequence[str]:
        """Return the names of all connections, in upper case, sorted."""
        return [listed.name for listed in self.list()]

    def list(self) -> Sequence[ListedConnection]:
        """Return all connections, sorted by name, each as :meth:`find` would return it.

        A variable that is a web page's address is none of them, though :meth:`find` takes it by its name.
        """
        found: dict[str, ListedConnection] = {}
        for place in self._places:
            for name, entry in place.contents.entries.items():
                found.setdefault(name, ListedConnection(name, entry.type, place.kind, entry.problem))
        return [found[name] for name in sorted(found)]

    def problems(self) -> Sequence[str]:
        """Return what could not be read in any of the files: each with its position, none with its text."""
        return [problem for place in self._places for problem in place.contents.problems]

    def __repr__(self) -> str:
        given = ", ".join(self._places[0].contents.entries)
        return f"ConnectionBook({given})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A book of connections is not pickled: it holds secrets.")

    def _env_yaml(self, known: Variables) -> Contents:
        folder = self._folder("SLING_HOME_DIR", ".sling", known)
        return file_contents(folder and folder / "env.yaml", "~/.sling/env.yaml", read_env_yaml, known)

    def _profiles(self, known: Variables) -> Contents:
        folder = self._folder("DBT_PROFILES_DIR", ".dbt", known)
        return file_contents(
            folder and folder / "profiles.yml", "~/.dbt/profiles.yml", read_dbt_profiles, known
        )

    def _folder(self, variable: str, otherwise: str, known: Variables) -> Path | None:
        home = known.get("HOME") or known.get("USERPROFILE")
        said = known.get(variable) or (f"~/{otherwise}" if home else None)
        if said is None:
            return None
        if home and (said == "~" or said.startswith("~/")):
            said = f"{home}{said[1:]}"
        return self._cwd / said

    def _unknown(self, name: str) -> ConnectionConfigError:
        shown = name if _NAME.fullmatch(name) else None
        looked = "\n".join(f"  - {place.account(name.upper() if shown else None)}" for place in self._places)
        near = difflib.get_close_matches(name.upper(), self.names(), n=1)
        hint = (
            f"Did you mean {near[0]}?" if near else "Define it in one of these, or write a URL in its place."
        )
        what = f"connection named {name}" if shown else "such connection"
        return ConnectionConfigError(f"There is no {what}. Looked at:\n{looked}", hint=f"\n{hint}")


def _fixed(kind: str, where: str, connections: Mapping[str, Connection]) -> Place:
    entries = {name: Entry(connection.type, connection) for name, connection in connections.items()}
    return Place(kind, lambda: Contents(where, entries))
