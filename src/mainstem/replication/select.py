"""The `select` of a stream: which columns are read, in which order, under which names (spec §1.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mainstem.errors import Position
from mainstem.replication.scanner import named
from mainstem.replication.select_items import (
    Declared,
    Item,
    SelectExpression,
    is_everything,
    is_excluded,
    is_wildcard,
)
from mainstem.replication.select_reader import read_items
from mainstem.replication.select_resolution import SelectedColumn, resolved

__all__ = ["Select", "SelectExpression", "SelectedColumn", "parse_select", "parse_select_text"]


@dataclass(frozen=True)
class Select:
    """Which columns are read. An empty one means all.

    Attributes:
        items: The items, in the order of the document.
    """

    items: Sequence[Item] = ()

    @property
    def has_expressions(self) -> bool:
        """Whether it can be used with custom SQL only."""
        return any(isinstance(item, SelectExpression) for item in self.items)

    def resolve(self, columns: Sequence[str], declared: Sequence[str] = ()) -> Sequence[SelectedColumn]:
        """Return the columns of a table or a file that are read, in order.

        A name means the column of exactly that name, or else the only one that differs in case alone.

        Args:
            columns: The source's columns, in its order.
            declared: The columns that are declared under `columns`, for ``@columns``.

        Raises:
            ReplicationError: A name means no column, or more than one; a column is selected twice, or both
                selected and excluded; two would have the same name; none is left; or there is an expression.

        Example:
            >>> select = parse_select_text("c, *, -b")
            >>> [column.source for column in select.resolve(["a", "b", "c", "d"])]
            ['c', 'a', 'd']
        """
        for item in self.items:
            if isinstance(item, SelectExpression):
                raise item.place.error(
                    f"the expression {named(item.text)} can be used with custom SQL only.",
                    hint="Write `sql` with {fields} in it. A column of that name stands in double quotes.",
                )
        fields = self.fields(columns, declared)
        return tuple(each for each in fields if isinstance(each, SelectedColumn))

    def fields(
        self, columns: Sequence[str], declared: Sequence[str] = ()
    ) -> Sequence[SelectedColumn | SelectExpression]:
        """Return what the ``{fields}`` of custom SQL stands for, in order.

        Args:
            columns: The columns of the custom SQL where ``{fields}`` is ``*``.
            declared: The columns that are declared under `columns`.

        Raises:
            ReplicationError: As in `resolve`, but for expressions.

        Example:
            >>> for field in parse_select_text("id, null as note").fields(["id", "name"]):
            ...     print(field)
            SelectedColumn(source='id', target='id')
            SelectExpression(text='null', alias='note')
        """
        if not self.items:
            return tuple(SelectedColumn(column, column) for column in columns)
        return resolved(self.items, columns, declared)


def parse_select(items: Sequence[str], position_of: Callable[[int], Position]) -> Select:
    """Read a `select` as it stands in a document: a list.

    Args:
        items: One column, pattern or expression each.
        position_of: Where the item of an index stands.

    Raises:
        ReplicationError: An item is of no form that there is, ``@columns`` is not the first, or columns to
            read and columns to leave out are mixed without a wildcard.

    Example:
        >>> select = parse_select(["id", "name as full_name"], lambda index: Position("a.yaml"))
        >>> select.resolve(["ID", "name"])[0]
        SelectedColumn(source='ID', target='ID')
    """
    read: list[Item] = []
    for index, text in enumerate(items):
        first, *more = read_items(text, position_of(index))
        if more:
            hint = "Each is an item of its own; a name with a comma in it stands in double quotes."
            raise more[0].place.error("an item of the list has more than one column.", hint=hint)
        read.append(first)
    return Select(_checked(read))


def parse_select_text(text: str, position: Position | None = None) -> Select:
    """Read a `select` as it stands on the command line: with commas between.

    Args:
        text: The items; empty for all columns.
        position: Where it stands.

    Raises:
        ReplicationError: As in `parse_select`.
    """
    if not text.strip():
        return Select()
    return Select(_checked(list(read_items(text, position or Position("--select")))))


def _checked(items: Sequence[Item]) -> Sequence[Item]:
    """Check what can be checked before the columns are known."""
    stars = [item for item in items if is_everything(item)]
    if len(stars) > 1:
        raise stars[1].place.error("`*` is there twice.")
    for item in items[1:]:
        if isinstance(item, Declared):
            raise item.place.error("`@columns` must be the first item.")
    excluded = [item for item in items if is_excluded(item)]
    if excluded and len(excluded) < len(items) and not any(map(is_wildcard, items)):
        raise excluded[0].place.error(
            "columns to read and columns to leave out cannot be mixed without a wildcard.",
            hint="Add `*` for all others, or remove one of the two.",
        )
    return tuple(items)
