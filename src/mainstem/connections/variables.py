"""Variables: the process environment, and what files add to it, without a change to the process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from mainstem.errors import ConnectionConfigError

__all__ = ["Variables", "expand"]

_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
# A variable's name as people write it. Anything else between ${ and } may be a part of a password.
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class Variables(Mapping[str, str]):
    """Layers of variables, the first that has a name wins. A layer is read when those before it have not.

    Its values may be secret: it shows none of them, and is not pickled.

    Example:
        >>> variables = Variables(lambda: {"A": "1"}, lambda: {"A": "2", "B": "3"})
        >>> variables["A"], variables["B"], variables
        ('1', '3', Variables(***))
    """

    def __init__(self, *layers: Callable[[], Mapping[str, str]]) -> None:
        self._layers = layers

    def over(self, layer: Callable[[], Mapping[str, str]]) -> Variables:
        """Return these variables with one more layer below them."""
        return Variables(*self._layers, layer)

    def __getitem__(self, name: str) -> str:
        for layer in self._layers:
            value = layer().get(name)
            if value is not None:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in self._layers for name in layer()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return "Variables(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Variables are not pickled: they may hold secrets.")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put the variables' values in the place of ``${NAME}`` and ``$NAME``.

    A ``$NAME`` that is not set stays as it is: a password may well hold a dollar.

    Raises:
        ConnectionConfigError: A ``${NAME}`` is not set.

    Example:
        >>> expand("${USER}:pa$$word@$HOST", {"USER": "me", "HOST": "db"})
        'me:pa$$word@db'
    """

    def value(match: re.Match[str]) -> str:
        braced, bare = match.groups()
        found = variables.get(braced or bare)
        if found is not None:
            return found
        if bare:
            return match[0]
        which = f"The variable {braced}" if _NAME.fullmatch(braced) else "A variable"
        raise ConnectionConfigError(f"{which} that it refers to is not set.")

    return _REFERENCE.sub(value, text)
