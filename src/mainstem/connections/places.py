"""The places where a name is looked for. Each is read when those before it do not know the name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from typing_extensions import override

from mainstem.connections.contents import Contents, Entry
from mainstem.connections.environment import connections_among, entry_of
from mainstem.connections.text import read_text
from mainstem.connections.variables import Variables
from mainstem.errors import ConnectionConfigError

__all__ = ["EnvironmentPlace", "Place", "Reader", "file_contents", "variable_contents"]

Reader = Callable[[str, str, Variables], Contents]

_MOST_NAMES = 20


class Place:
    """One place.

    Args:
        kind: What ``conns list`` calls it.
        load: Reads it; called once, when it is needed.
    """

    def __init__(self, kind: str, load: Callable[[], Contents]) -> None:
        self.kind = kind
        self._load = load

    @cached_property
    def contents(self) -> Contents:
        """What it holds."""
        return self._load()

    def variables(self) -> Mapping[str, str]:
        """What it adds to the environment."""
        return self.contents.variables

    def find(self, name: str) -> Entry | None:
        """Return the connection of this upper-case name, be it usable or not."""
        return self.contents.entries.get(name)

    def account(self, name: str | None) -> str:  # noqa: ARG002 - a place of variables tells of the name too
        """Tell what was found here, by names alone, when the wanted name was not.

        Args:
            name: The wanted name in upper case; ``None`` where it may not be shown.
        """
        contents = self.contents
        names = sorted(contents.entries)
        shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        nothing = contents.absent or (None if contents.problems else "no connection")
        return f"{contents.where}: {'; '.join(filter(None, [shown or nothing, *contents.problems]))}"


class EnvironmentPlace(Place):
    """The environment variables, with those of ``.env.sling`` below them."""

    def __init__(self, kind: str, variables: Variables, dotenv: Callable[[], Contents]) -> None:
        super().__init__(kind, self._listed)
        self._environment = variables
        self._dotenv = dotenv

    def _listed(self) -> Contents:
        dotenv = self._dotenv()
        where = "environment variables" if dotenv.absent else f"environment variables and {dotenv.where}"
        entries = connections_among(self._environment, "environment variable")
        return Contents(where, entries, problems=dotenv.problems)

    @override
    def find(self, name: str) -> Entry | None:
        variable = self._variable(name)
        if variable is None:
            return None
        return entry_of(variable, self._environment[variable], f"environment variable {variable}")

    @override
    def account(self, name: str | None) -> str:
        if name is None:
            return super().account(name)
        variable = self._variable(name)
        own = f"{name} is not set" if variable is None else f"{variable} is set, but is no connection"
        return f"{super().account(name)}; {own}"

    def _variable(self, name: str) -> str | None:
        """The variable of this name in whatever case, upper case first."""
        same = sorted(variable for variable in self._environment if variable.upper() == name)
        return same[0] if same else None


def file_contents(path: Path | None, otherwise: str, read: Reader, environment: Variables) -> Contents:
    """Read a file's contents; ``path`` is ``None`` where nothing says where ``otherwise`` is."""
    if path is None:
        return Contents(otherwise, absent="there is no HOME to look in")
    try:
        text = read_text(path)
    except ConnectionConfigError as error:
        return Contents(str(path), problems=[str(error)])
    return Contents(str(path), absent="not there") if text is None else read(text, str(path), environment)


def variable_contents(variable: str, read: Reader, environment: Variables) -> Contents:
    """Read the contents of an environment variable."""
    text = environment.get(variable)
    return Contents(variable, absent="not set") if not text else read(text, variable, environment)
