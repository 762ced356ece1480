"""What hooks know of a run: its variables, what hooks left behind, what became of its streams (spec §2)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mainstem.errors import Position, ReplicationError
from mainstem.expressions import evaluated, looked_up, shown
from mainstem.sqltext import Sql, in_sql

__all__ = ["Fit", "Scope", "nested"]

# Makes a value fit for where it is put.
Fit = Callable[[str], str]

_BRACES = re.compile(r"\{([^{}\n]+)\}")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.\w[\w-]*|\[\d+\]|\[\"[^\"]*\"\]|\['[^']*'\])*")
_PART = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")
_WITH_DOTS = ("stream", "object", "source", "target", "run")


class Scope:
    """The names of hooks, nested: a stream's own in front of the run's, a loop's in front of those.

    Several threads may use the same.

    Args:
        names: By name.
        above: What is looked at behind them.
    """

    def __init__(self, names: Mapping[str, Any], above: Scope | None = None) -> None:
        self._own: dict[str, Any] = dict(names)
        self._above = above
        self._lock: threading.RLock = above._lock if above else threading.RLock()
        if above is None:
            self._own.setdefault("store", {})
        self._own.setdefault("state", {})

    def below(self, names: Mapping[str, Any]) -> Scope:
        """A scope with names of its own in front of these."""
        return Scope(names, self)

    def set(self, name: str, value: Any) -> None:
        """Give a name a value."""
        with self._lock:
            self._own[name] = value

    @contextmanager
    def changing(self, name: str) -> Iterator[dict[str, Any]]:
        """Change a mapping of these names, alone."""
        with self._lock:
            yield self._own[name]

    def left(self, hook: str, state: Mapping[str, Any]) -> None:
        """Keep what a hook left: for this scope's hooks, and for those above, where the last one counts."""
        with self._lock:
            scope: Scope | None = self
            while scope is not None:
                scope._own["state"] = {**scope._own["state"], hook: dict(state)}
                scope = scope._above

    def store(self, key: str, value: Any) -> None:
        """Keep a value for the rest of the run; ``None`` takes it away."""
        with self._lock:
            root = self
            while root._above is not None:
                root = root._above
            kept = {name: each for name, each in root._own["store"].items() if name != key}
            root._own["store"] = kept if value is None else {**kept, key: value}

    @property
    def names(self) -> dict[str, Any]:
        """All names, as they are now."""
        with self._lock:
            above = self._above.names if self._above else {}
            state = {**above.get("state", {}), **self._own["state"]}
            return {**above, **self._own, "state": state}

    def filled(self, value: Any, fit: Fit | None = None) -> Any:
        """Put values where ``{name}`` stands, in texts, lists and mappings. What is no name is kept.

        Args:
            value: What has the names in it.
            fit: Makes a value, as text, fit for its place, or refuses it.

        Example:
            >>> Scope({"run": {"rows": 3}}).filled(["{run.rows} rows", "{run.rows}", "{else}"])
            ['3 rows', 3, '{else}']
        """
        return _filled(value, self.names, fit)

    def in_sql(self, sql: str, dialect: str) -> str:
        """Put values where ``{name}`` stands in SQL. They stay values there.

        SQL that is a single name is the SQL that this name has.

        Raises:
            ReplicationError: A value would become SQL where it stands.
        """
        names = self.names
        alone = _BRACES.fullmatch(sql.strip())
        if alone:
            found, value = _looked_up(alone.group(1), names)
            return shown(value) if found else sql

        def find(match: re.Match[str]) -> str | None:
            found, value = _looked_up(match.group(1), names)
            return (Sql("null") if value is None else shown(value)) if found else None

        return in_sql(sql, _BRACES, find, dialect)

    def holds(self, condition: Any, position: Position, what: str) -> bool:
        """Whether a condition holds; NULL does not.

        Raises:
            ReplicationError: It is no expression, or is neither true nor false.
        """
        found = condition
        if isinstance(condition, str):
            # `{run.status}` means run.status here.
            text = _BRACES.sub(
                lambda match: match.group(1) if _is_path(match.group(1)) else match.group(), condition
            )
            found = evaluated(text, self.names, position, what)
        if found not in (True, False, None):
            raise ReplicationError(f"{what} is neither true nor false.", position=position)
        return bool(found)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Flat variables with dots as mappings in mappings; ``stream_table`` is ``stream.table`` as well.

    Example:
        >>> nested({"stream_table": "t", "timestamp.unix": "1"})
        {'stream_table': 't', 'stream': {'table': 't'}, 'timestamp': {'unix': '1'}}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        first, dot, rest = name.partition(".")
        if dot:
            found.setdefault(first, {})[rest] = value
            continue
        found[name] = value
        owner, _, part = name.partition("_")
        if owner in _WITH_DOTS and part:
            found.setdefault(owner, {})[part] = value
    return found


def _is_path(text: str) -> bool:
    return _PATH.fullmatch(text.strip()) is not None


def _filled(value: Any, names: Mapping[str, Any], fit: Fit | None) -> Any:
    if isinstance(value, str):
        return _in_text(value, names, fit)
    if isinstance(value, Mapping):
        return {key: _filled(each, names, fit) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, names, fit) for each in value]
    return value


def _in_text(text: str, names: Mapping[str, Any], fit: Fit | None) -> Any:
    alone = _BRACES.fullmatch(text.strip())
    if alone:
        found, value = _looked_up(alone.group(1), names)
        if found:
            return value if fit is None or value is None else fit(shown(value))

    def put(match: re.Match[str]) -> str:
        found, value = _looked_up(match.group(1), names)
        if not found:
            return match.group()
        return shown(value) if fit is None else fit(shown(value))

    return _BRACES.sub(put, text)


def _looked_up(text: str, names: Mapping[str, Any]) -> tuple[bool, Any]:
    text = text.strip()
    if _is_path(text):
        keys = [part.strip("\"'") for part in _PART.findall(text)]
        return looked_up(names, keys)
    word = re.match(r"[A-Za-z_]\w*", text)
    if word is None or (word.group() not in names and not text[word.end() :].startswith("(")):
        return False, None
    try:
        return True, evaluated(text, names, Position("<hook>"), "The value")
    except ReplicationError:
        # Braces of the text's own, such as JSON's.
        return False, None
