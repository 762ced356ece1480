"""Which column a name means, where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mainstem.dbt.lineage.dialects import Language
from mainstem.dbt.lineage.relation import Relation, together
from mainstem.dbt.lineage.tables import Origins, UntracedError

__all__ = ["Scope", "Seen"]


@dataclass(frozen=True)
class Seen:
    """A relation, by the name that it has in a query.

    Attributes:
        path: The parts of its name in lower case: its alias, or database, schema and name.
        relation: The relation.
    """

    path: tuple[str, ...]
    relation: Relation


@dataclass
class Scope:
    """The names that an expression may use.

    Attributes:
        language: How names are looked up.
        outer: The query around, whose columns may be used as well.
        seen: What stands in ``from``.
        merged: Columns that ``using`` made one of, by their names in lower case.
        aliases: What the select has given names to so far.
        windows: Its named windows.
    """

    language: Language
    outer: Scope | None = None
    seen: list[Seen] = field(default_factory=list)
    merged: dict[str, Origins | None] = field(default_factory=dict)
    aliases: dict[str, Origins | None] = field(default_factory=dict)
    windows: dict[str, Any] = field(default_factory=dict)

    def find(self, parts: Sequence[str]) -> Origins:
        """Return what a column is made of.

        Args:
            parts: Its name, as it is written: with its table before, or with fields behind.

        Raises:
            UntracedError: It is not there, or there may be several.
        """
        found = self._look(parts)
        if found is None:
            raise UntracedError(f"{'.'.join(parts)} cannot be told")
        return together([found.origins])

    def chosen(self, parts: Sequence[str]) -> Origins:
        """As `find`, where a name that the select gives may be meant as well: all that it may be.

        Raises:
            UntracedError: It is not there, or there may be several.
        """
        alias = self.aliases.get(parts[0].lower()) if len(parts) == 1 else None
        try:
            return together([self.find(parts), alias or frozenset()])
        except UntracedError:
            if alias is None or any(seen.relation.rest for seen in self.seen):
                raise
            return alias

    def matching(self, path: Sequence[str]) -> Seen | None:
        """Return the relation that a name means; ``None`` where there is none.

        Raises:
            UntracedError: There are several.
        """
        wanted = tuple(part.lower() for part in path)
        found = [seen for seen in self.seen if seen.path[-len(wanted) :] == wanted]
        if len(found) > 1:
            raise UntracedError(f"{'.'.join(path)} may be several tables")
        return found[0] if found else None

    def _look(self, parts: Sequence[str]) -> _Found | None:
        """Return what a name means; ``None`` where this scope and those around do not know it."""
        found = self._qualified(parts) if len(parts) > 1 else None
        around = len(parts) > 1 and self.outer is not None and self.outer._names(parts)
        # A table around is rather meant than a field of a column of which nothing is known.
        if found is None and not (around and any(seen.relation.rest for seen in self.seen)):
            found = self._column(parts[0], alone=len(parts) == 1)
        if found is None and self.outer is not None:
            return self.outer._look(parts)
        return found

    def _qualified(self, parts: Sequence[str]) -> _Found | None:
        """A column behind the name of its table; what stands behind it are fields."""
        maybe = None
        for end in range(len(parts) - 1, 0, -1):
            seen = self.matching(parts[:end])
            if seen is None:
                continue
            own = seen.relation.named.get(parts[end].lower())
            if own is not None and maybe is None:
                return _Found(own.origins)
            if own is not None or (maybe is not None and seen.relation.rest is not None):
                raise UntracedError(f"{'.'.join(parts)} may be a column or a field")
            if seen.relation.rest is not None:
                maybe = _Found(seen.relation.rest(parts[end]))
            elif parts[0].lower() not in seen.relation.named:
                raise UntracedError(f"there is no column {'.'.join(parts)}")
        if maybe is not None and any(parts[0].lower() in seen.relation.named for seen in self.seen):
            raise UntracedError(f"{'.'.join(parts)} may be a column or a field")
        return maybe

    def _column(self, name: str, *, alone: bool) -> _Found | None:
        key = name.lower()
        alias = key in self.aliases and self.language.reuses_aliases
        if key in self.merged:
            return _Found(self.merged[key])
        known = [seen.relation.named[key] for seen in self.seen if key in seen.relation.named]
        if known:
            if len(known) > 1 or (alias and self.language.aliases_first):
                raise UntracedError(f"{name} may be several columns")
            return _Found(known[0].origins)
        if any(seen.relation.rest for seen in self.seen):
            return self._unknown(name, alias=alias)
        if alias:
            return _Found(self.aliases[key])
        whole = self.matching([name]) if alone else None
        return _Found(whole.relation.all_origins()) if whole is not None else None

    def _unknown(self, name: str, *, alias: bool) -> _Found:
        """A column of a table whose columns are not all known: of the only one that it can be."""
        rests = [seen.relation.rest for seen in self.seen if seen.relation.rest is not None]
        elsewhere = self.outer is not None and self.outer._knows(name)
        if len(rests) > 1 or alias or elsewhere or self.matching([name]) is not None:
            raise UntracedError(f"{name} may be several columns, as not all columns of a table are known")
        return _Found(rests[0](name))

    def _names(self, parts: Sequence[str]) -> bool:
        """Whether the name begins with that of a table here or around."""
        here = any(self.matching(parts[:end]) is not None for end in range(1, len(parts)))
        return here or (self.outer is not None and self.outer._names(parts))

    def _knows(self, name: str) -> bool:
        """Whether the name may mean something here or around."""
        here = any(name.lower() in seen.relation.named or seen.relation.rest for seen in self.seen)
        return (
            here
            or self._names([name, ""])
            or name.lower() in self.merged
            or (self.outer is not None and self.outer._knows(name))
        )


@dataclass(frozen=True)
class _Found:
    """Something that a name means.

    Attributes:
        origins: What it is made of; ``None`` where that cannot be told.
    """

    origins: Origins | None
