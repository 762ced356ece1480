"""`sheet`: which sheet of a workbook, and which cells of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mainstem.errors import ConfigError

__all__ = ["Cells", "parse_sheet"]

_CELLS = re.compile(r"\$?([A-Za-z]{1,3})?\$?(\d+)?(?::\$?([A-Za-z]{1,3})?\$?(\d+)?)?")


@dataclass(frozen=True)
class Cells:
    """Some cells of a workbook.

    Attributes:
        sheet: The sheet's name; ``None`` for the first one.
        columns: The columns, such as ``A:C``; ``None`` for all.
        first_row: The first row, counted from 1; ``None`` for the first that has anything.
        last_row: The last row; ``None`` for all.
    """

    sheet: str | None = None
    columns: str | None = None
    first_row: int | None = None
    last_row: int | None = None


def parse_sheet(text: str | None) -> Cells:
    """Read what `sheet` says: a sheet, cells of it behind a `!`, or cells of the first sheet.

    Raises:
        ConfigError: The cells are none.

    Example:
        >>> parse_sheet("Sheet1!A2:C10")
        Cells(sheet='Sheet1', columns='A:C', first_row=2, last_row=10)
        >>> parse_sheet("'my sheet'!B1:H")
        Cells(sheet='my sheet', columns='B:H', first_row=1, last_row=None)
    """
    if not text:
        return Cells()
    sheet, mark, cells = text.rpartition("!")
    if not mark:
        alone = ":" in text and _CELLS.fullmatch(text)
        sheet, cells = ("", text) if alone else (text, "")
    name = sheet.strip("'").replace("''", "'") or None
    found = _CELLS.fullmatch(cells)
    if found is None:
        raise ConfigError(
            f"`sheet: {text}` names no cells: {cells!r}.", hint="Write them as in `Sheet1!A1:C10`."
        )
    left, first, right, last = found.groups()
    return Cells(
        name,
        f"{left or 'A'}:{right or ''}" if (left or right) and ":" in cells else left and f"{left}:{left}",
        int(first) if first else None,
        int(last) if last else None,
    )
