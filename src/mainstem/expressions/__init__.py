"""One small language for transforms, constraints and conditions, computed on whole columns.

Text → :func:`parse` → parts with their places → SQL of DuckDB, which runs confined to this process's memory.
No Python runs per row, and nothing is ever passed to `eval`.
"""

from mainstem.expressions.encodings import ENCODINGS, decoded, encoded
from mainstem.expressions.functions import FUNCTIONS, NOT_BUILT
from mainstem.expressions.jsontext import json_text, shown
from mainstem.expressions.parser import Expression, parse
from mainstem.expressions.rows import Computed, Entry, Program, ProgramBuilder, json_rows
from mainstem.expressions.sqltext import family
from mainstem.expressions.values import evaluated, looked_up

__all__ = [
    "ENCODINGS",
    "FUNCTIONS",
    "NOT_BUILT",
    "Computed",
    "Entry",
    "Expression",
    "Program",
    "ProgramBuilder",
    "decoded",
    "encoded",
    "evaluated",
    "family",
    "json_rows",
    "json_text",
    "looked_up",
    "parse",
    "shown",
]
