"""What a run wrote, so that nobody has to read it again to report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from mainstem.files.formats.base import FileFormat
from mainstem.schema import Column
from mainstem.types import type_name

__all__ = ["Written", "written_columns"]


@dataclass(frozen=True)
class Written:
    """What a run wrote.

    Attributes:
        schema: The columns, as they were staged.
        total: Rows of the whole object; ``None`` where others were there before.
    """

    schema: pa.Schema
    total: int | None


def written_columns(kind: FileFormat, schema: pa.Schema) -> Sequence[Column]:
    """Columns as a reader of the files finds them."""
    columns = []
    for field in schema:
        found = kind.written_type(field).type
        columns.append(Column(field.name, type_name(found), found, field.nullable))
    return columns
