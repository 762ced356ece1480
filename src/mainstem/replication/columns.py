"""The `columns` of a stream (spec §1.7), and how they are merged with those of `defaults` (§1.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from mainstem.errors import Position, ReplicationError
from mainstem.replication.column_spec import ColumnSpec, Constraint, parse_column
from mainstem.replication.column_types import ColumnType, GeneralType
from mainstem.replication.scanner import did_you_mean, named

__all__ = [
    "EVERY_COLUMN",
    "ColumnSpec",
    "ColumnType",
    "Constraint",
    "GeneralType",
    "column_for",
    "merge_columns",
    "parse_column",
    "parse_columns",
]

EVERY_COLUMN = "*"

T = TypeVar("T")


def parse_columns(
    given: Mapping[str, object] | Sequence[object], position_of: Callable[[str | int], Position]
) -> Sequence[ColumnSpec]:
    """Read all columns of a stream.

    Args:
        given: A mapping from names to texts, or the older form, a list of ``{name: …, type: …}``.
        position_of: Where the value of a key stands, or the item of an index.

    Returns:
        The columns, in the order of the document.

    Raises:
        ReplicationError: Something is wrong; all that is wrong is told at once.

    Example:
        >>> given = {"id": "bigint", "*": "string"}
        >>> [str(spec) for spec in parse_columns(given, lambda key: Position("a.yaml"))]
        ['bigint', 'string']
    """
    specs: dict[str, ColumnSpec] = {}
    problems: list[ReplicationError] = []
    entries = given.items() if isinstance(given, Mapping) else enumerate(given)
    for key, value in entries:
        position = position_of(key)
        try:
            name, text = (key, value) if isinstance(key, str) else _listed(value, position)
            spec = parse_column(name, _text(name, text, position), position)
            if (first := specs.get(name.lower())) is not None:
                raise ReplicationError(
                    f"Column {named(name)} is described twice, first as {named(first.name)}.",
                    position=position,
                    hint="Names are compared in lower case.",
                )
            specs[name.lower()] = spec
        except ReplicationError as error:
            problems.append(error)
    if len(problems) > 1:
        raise ReplicationError("\n".join(str(problem) for problem in problems))
    if problems:
        raise problems[0]
    return tuple(specs.values())


def column_for(specs: Iterable[ColumnSpec], name: str) -> ColumnSpec | None:
    """Return what is said of a column: of itself, or else of every column.

    Args:
        specs: What the replication says.
        name: The column's name, in any case.

    Example:
        >>> specs = parse_columns({"id": "bigint", "*": "string"}, lambda key: Position("a.yaml"))
        >>> str(column_for(specs, "ID")), str(column_for(specs, "name"))
        ('bigint', 'string')
    """
    by_name = {spec.name.lower(): spec for spec in specs}
    return by_name.get(name.lower(), by_name.get(EVERY_COLUMN))


def merge_columns(
    defaults: Mapping[str, T | None], own: Mapping[str, T | None] | None
) -> dict[str, T | None]:
    """Merge a stream's columns with those of the defaults (spec §1.3).

    The stream's replace the defaults', unless at least one of their keys begins with ``+``. Then they are
    added to the defaults', the stream's winning, and ``+col: ~`` takes ``col`` away. Names are compared in
    lower case.

    Args:
        defaults: The columns of ``defaults``: texts, or anything that a caller wants to keep with them.
        own: The stream's; ``None`` where it has no such key.

    Returns:
        The columns, in the order of the defaults and then of the stream, with no ``+``.

    Example:
        >>> defaults = {"id": "bigint", "note": "text"}
        >>> merge_columns(defaults, {"+ID": "string", "+note": None, "age": "integer"})
        {'ID': 'string', 'age': 'integer'}
    """
    if own is None:
        own, merged = defaults, False
    else:
        merged = any(name.startswith("+") for name in own)
    by_name = {name.lower(): (name, value) for name, value in defaults.items()} if merged else {}
    for key, value in own.items():
        name = key.removeprefix("+")
        if key != name and value is None:
            by_name.pop(name.lower(), None)
        else:
            by_name[name.lower()] = (name, value)
    return dict(by_name.values())


def _listed(item: object, position: Position) -> tuple[str, object]:
    """Return the name and the text of an item of the older form."""
    known = ("name", "type")
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise ReplicationError(
            "An item of `columns` must be a mapping with a name and a type.",
            position=position,
            hint="For example {name: id, type: bigint}, or write `columns` as a mapping: id: bigint.",
        )
    for key in item:
        if key not in known:
            raise ReplicationError(
                f"An item of `columns` has no key {named(str(key))}.",
                position=position,
                hint=did_you_mean(str(key), known) or "Its keys are name and type.",
            )
    return item["name"], item.get("type")


def _text(name: str, value: object, position: Position) -> str:
    if isinstance(value, str):
        return value
    raise ReplicationError(
        f"Column {named(name)} has no type." if value is None else f"Column {named(name)} must be text.",
        position=position,
        hint="For example `decimal(12, 2) not_null`."
        + (f" To take a default away, write `+{name}: ~`." if value is None else ""),
    )
