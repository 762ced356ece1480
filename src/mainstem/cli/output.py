"""What commands write to standard output: tables for people, JSON, CSV and Arrow for programs."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from functools import singledispatch
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

__all__ = ["Output", "as_json", "chosen_output", "json_line", "print_rows", "show", "table_of"]

# What no terminal has: wide enough for a table as it is.
_UNBOUNDED = 1_000_000


class Output(str, Enum):
    """The forms of rows."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    ARROW = "arrow"


def chosen_output(flag: Output | None, environment: Mapping[str, str] | None = None) -> Output:
    """Return the flag's form, else that of ``SLING_OUTPUT``, else text.

    Example:
        >>> chosen_output(None, {"SLING_OUTPUT": "JSON"}).value
        'json'
    """
    said = (os.environ if environment is None else environment).get("SLING_OUTPUT", "").lower()
    return flag or next((form for form in Output if form.value == said), Output.TEXT)


def as_json(value: Any) -> Any:
    r"""Return a value as JSON has it, without loss: what JSON has no type for becomes text.

    Example:
        >>> from decimal import Decimal
        >>> as_json([Decimal("1.10"), b"\x01", float("nan"), datetime(2024, 1, 2), None, 7])
        ['1.10', '01', 'NaN', '2024-01-02T00:00:00', None, 7]
    """
    return _plain(value)


@singledispatch
def _plain(value: Any) -> Any:
    return str(value)


@_plain.register(type(None))
@_plain.register(bool)
@_plain.register(int)
@_plain.register(str)
def _(value: Any) -> Any:
    return value


@_plain.register
def _(value: float) -> Any:
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    return value if abs(value) != float("inf") else f"{'-' if value < 0 else ''}Infinity"


@_plain.register
def _(value: bytes) -> str:
    return value.hex()


@_plain.register(datetime)
@_plain.register(date)
@_plain.register(time)
def _(value: date | time) -> str:
    return value.isoformat()


@_plain.register(list)
@_plain.register(tuple)
def _(value: Sequence[Any]) -> list[Any]:
    return [_plain(item) for item in value]


@_plain.register
def _(value: dict) -> dict[str, Any]:  # type: ignore[type-arg]  # singledispatch takes no parameters
    return {str(key): _plain(item) for key, item in value.items()}


def json_line(data: Any) -> None:
    """Write a line of JSON, at once."""
    sys.stdout.write(json.dumps(as_json(data), ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_rows(fields: Sequence[str], rows: Sequence[Sequence[Any]], output: Output) -> None:
    """Write rows as text, CSV or JSON (``{"fields": […], "rows": [[…]]}``, as Sling does)."""
    if output is Output.JSON:
        json_line({"fields": fields, "rows": rows})
    elif output is Output.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(fields)
        writer.writerows([_csv_cell(value) for value in row] for row in rows)
    else:
        show(table_of([field.upper() for field in fields], rows))


def table_of(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table for a person. Control characters are written out: a value does not steer the terminal."""
    table = Table(box=box.ASCII2 if not sys.stdout.isatty() else box.ROUNDED)
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*[Text(_visible(value)) for value in row])
    return table


def show(*parts: RenderableType) -> None:
    """Write to standard output. A terminal folds what is too wide; a file or a pipe gets all of it."""
    console = Console()
    for part in parts:
        if console.is_terminal:
            console.print(part)
        else:
            widest = Measurement.get(console, console.options.update(max_width=_UNBOUNDED), part).maximum
            console.print(part, width=max(widest, 1), soft_wrap=isinstance(part, str | Text))


def _csv_cell(value: Any) -> Any:
    plain = as_json(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict | bool) else plain


def _visible(value: Any) -> str:
    r"""A value on one line.

    Example:
        >>> _visible("a\x1b[31m\n"), _visible(None), _visible([1, None])
        ('a\\x1b[31m\\n', '', '[1, null]')
    """
    plain = as_json(value)
    if plain is None:
        return ""
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
