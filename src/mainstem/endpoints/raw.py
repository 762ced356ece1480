"""Rows as a system writes them itself: where the other end reads just that, nothing decodes them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RawForm", "RawRows"]


@dataclass(frozen=True)
class RawForm:
    """How rows are written as bytes. Two forms that are equal are written and read alike.

    Attributes:
        format: The format's name, such as ``PostgreSQL COPY binary``.
        columns: In what form each column stands in it, in order, in the format's own words.
    """

    format: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RawRows:
    """A piece of such rows. A row may begin in one and end in the next.

    Attributes:
        data: The bytes.
        rows: How many rows came with it: together, all pieces' are exact.
    """

    data: bytes | memoryview
    rows: int
