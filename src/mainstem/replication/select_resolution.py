"""What the items of a `select` mean for the columns of one source (spec §1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mainstem.replication.scanner import did_you_mean, named
from mainstem.replication.select_items import (
    EVERYTHING,
    Declared,
    Item,
    Named,
    Pattern,
    Place,
    SelectExpression,
    is_everything,
    is_excluded,
    is_wildcard,
)

__all__ = ["SelectedColumn", "resolved"]

_MOST_LISTED = 12


@dataclass(frozen=True)
class SelectedColumn:
    """A column that is read.

    Attributes:
        source: Its name in the source.
        target: Its name from then on.
    """

    source: str
    target: str


def resolved(
    items: Sequence[Item], columns: Sequence[str], declared: Sequence[str]
) -> Sequence[SelectedColumn | SelectExpression]:
    """Return what is read, in order.

    Args:
        items: At least one item.
        columns: The source's columns, in its order.
        declared: The columns that are declared under `columns`.

    Raises:
        ReplicationError: See `Select.resolve`.
    """
    return _Resolution(items, _Columns(columns), declared).fields()


class _Columns:
    """The columns of a source, to be found by name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._exact = frozenset(names)
        self._in_any_case: dict[str, list[str]] = {}
        for name in names:
            self._in_any_case.setdefault(name.lower(), []).append(name)

    def find(self, name: str, place: Place, *, declared: bool = False) -> str:
        if name in self._exact:
            return name
        found = self._in_any_case.get(name.lower(), [])
        if len(found) == 1:
            return found[0]
        if found:
            raise place.error(
                f"{named(name)} may be {' or '.join(map(named, found))}.", hint="Write it as it is."
            )
        what = f"`columns` declares {named(name)}, but" if declared else ""
        raise place.error(f"{what} there is no column {named(name)}.".lstrip(), hint=self._hint(name))

    def _hint(self, name: str) -> str:
        guess = did_you_mean(name, self.names)
        if guess:
            return guess
        listed = ", ".join(map(named, self.names[:_MOST_LISTED]))
        more = len(self.names) - _MOST_LISTED
        return f"The columns are {listed or 'none'}{f' and {more} more' if more > 0 else ''}."


class _Resolution:
    """Puts the items of one `select` and the columns of one source together."""

    def __init__(self, items: Sequence[Item], columns: _Columns, declared: Sequence[str]) -> None:
        self._columns = columns
        self._declared = declared
        # Exclusions alone mean: everything else.
        everything = Pattern(items[0].place, EVERYTHING)
        self._items = (*items, everything) if all(map(is_excluded, items)) else items
        self._excluded: dict[str, Item] = {}
        self._pinned: dict[str, Named] = {}
        self._renamed: dict[str, Named] = {}
        for item in items:
            self._take(item)
        self._refuse_contradictions()

    def fields(self) -> Sequence[SelectedColumn | SelectExpression]:
        expanded = self._expanded()
        covered = {column for columns in expanded.values() for column in columns}
        fields: list[SelectedColumn | SelectExpression] = []
        for index, item in enumerate(self._items):
            if isinstance(item, SelectExpression):
                fields.append(item)
            elif index in expanded:
                fields += map(self._selected, expanded[index])
            elif isinstance(item, Named) and not item.excluded:
                column = self._columns.find(item.name, item.place)
                # A new name alone moves no column that a wildcard or its own name puts somewhere.
                if item.alias is None or (column not in covered and column not in self._pinned):
                    fields.append(self._selected(column))
        if not fields:
            raise self._items[0].place.error("no column is left.")
        self._refuse_doubles(fields)
        return tuple(fields)

    def _take(self, item: Item) -> None:
        if isinstance(item, Pattern) and item.excluded:
            self._excluded |= {name: item for name in self._columns.names if item.matches(name)}
        elif isinstance(item, Named):
            column = self._columns.find(item.name, item.place)
            kept: Mapping[str, Item] = self._renamed if item.alias is not None else self._pinned
            if item.excluded:
                self._excluded[column] = item
            elif column in kept:
                raise item.place.error(f"{named(column)} is selected twice.")
            elif item.alias is not None:
                self._renamed[column] = item
            else:
                self._pinned[column] = item

    def _refuse_contradictions(self) -> None:
        for column, item in {**self._pinned, **self._renamed}.items():
            if column in self._excluded:
                raise item.place.error(
                    f"{named(column)} is both selected and left out.",
                    hint=f"It is left out by {named(_written(self._excluded[column]))}.",
                )
        if not any(map(is_wildcard, self._items)):
            for column, item in self._renamed.items():
                if column in self._pinned:
                    raise item.place.error(f"{named(column)} is selected twice.")

    def _expanded(self) -> Mapping[int, Sequence[str]]:
        """Return what each wildcard means: a column goes to the first, and to `*` only if no other has it."""
        taken = {*self._pinned, *self._excluded}
        expanded: dict[int, Sequence[str]] = {}
        wildcards = [(index, item) for index, item in enumerate(self._items) if is_wildcard(item)]
        for index, item in sorted(wildcards, key=lambda each: is_everything(each[1])):
            expanded[index] = [column for column in self._meant(item) if column not in taken]
            taken.update(expanded[index])
        return expanded

    def _meant(self, item: Item) -> Iterator[str]:
        if isinstance(item, Pattern):
            yield from filter(item.matches, self._columns.names)
        elif isinstance(item, Declared):
            # A declared `*` is a type for every column, and no column.
            names = [name for name in self._declared if name != EVERYTHING]
            if not names:
                raise item.place.error("`@columns` needs `columns`, and none are declared.")
            found = (self._columns.find(name, item.place, declared=True) for name in names)
            yield from dict.fromkeys(found)

    def _selected(self, column: str) -> SelectedColumn:
        renamed = self._renamed.get(column)
        alias = renamed.alias if renamed else None
        return SelectedColumn(column, column if alias is None else alias)

    def _refuse_doubles(self, fields: Sequence[SelectedColumn | SelectExpression]) -> None:
        seen: dict[str, Place | None] = {}
        for field in fields:
            name = field.alias if isinstance(field, SelectExpression) else field.target
            place = self._place_of(field)
            if name in seen:
                where = place or seen[name] or self._items[0].place
                raise where.error(
                    f"two columns would be called {named(name)}.", hint="Leave one out, or rename it."
                )
            seen[name] = place

    def _place_of(self, field: SelectedColumn | SelectExpression) -> Place | None:
        """Return where a field got its name; ``None`` where it kept its own."""
        if isinstance(field, SelectExpression):
            return field.place
        renamed = self._renamed.get(field.source)
        return renamed.place if renamed else None


def _written(item: Item) -> str:
    name = item.pattern if isinstance(item, Pattern) else item.name if isinstance(item, Named) else ""
    return f"-{name}"
