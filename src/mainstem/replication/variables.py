"""The runtime variables of a stream, and their substitution into `object` (spec §2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

__all__ = ["StreamNames", "render_object"]

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_UNCLEAN = re.compile(r"[^0-9A-Za-z_]")
# Substituted as they are; everything else is cleaned, so that a name cannot break out of its place.
_VERBATIM = frozenset({"run_timestamp", "stream_full_name"})


@dataclass(frozen=True)
class StreamNames:
    """What the variables of one stream are made of.

    Attributes:
        stream: The stream's key in the document.
        schema: The source table's schema.
        table: The source table's name.
        source: The source connection's name and type.
        target: The target connection's name and type.
        target_schema: The schema of the target connection.
        started: When the run began, in local time.
    """

    stream: str
    schema: str
    table: str
    source: tuple[str, str]
    target: tuple[str, str]
    target_schema: str
    started: datetime

    def variables(self) -> Mapping[str, str]:
        """Every variable that has a value, by its flat name."""
        cases: Mapping[str, Callable[[str], str]] = {"": str, "_lower": str.lower, "_upper": str.upper}
        names = {"stream_schema": self.schema, "stream_table": self.table}
        return {
            **{
                f"{name}{case}": change(value)
                for name, value in names.items()
                for case, change in cases.items()
            },
            "stream_name": self.stream.lower(),
            "stream_full_name": f'"{self.schema}"."{self.table}"',
            "source_name": self.source[0].lower(),
            "source_type": self.source[1],
            "target_name": self.target[0].lower(),
            "target_type": self.target[1],
            "target_schema": self.target_schema,
            "run_timestamp": self.started.strftime("%Y_%m_%d_%H%M%S"),
            "YYYY": self.started.strftime("%Y"),
            "YY": self.started.strftime("%y"),
            "MM": self.started.strftime("%m"),
            "DD": self.started.strftime("%d"),
            "HH": self.started.strftime("%H"),
            "mm": self.started.strftime("%M"),
            "ss": self.started.strftime("%S"),
        }


def render_object(template: str, names: StreamNames) -> tuple[str, list[str]]:
    """Put the variables' values into an ``object``.

    Args:
        template: Such as ``{stream_schema}_{stream_table}``, or with dots: ``{stream.schema}``.
        names: What the variables are made of.

    Returns:
        The object's name, and the variables that have no value here. Those are removed, as in Sling.

    Example:
        >>> from datetime import datetime
        >>> names = StreamNames("a b.c", "a b", "c", ("S", "x"), ("T", "y"), "main", datetime(2024, 1, 2))
        >>> render_object("{stream_schema}_{stream.table}{nope}", names)
        ('a_b_c', ['nope'])
    """
    values = names.variables()
    unresolved: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match.group(1).replace(".", "_")
        if name not in values:
            unresolved.append(match.group(1))
            return ""
        return values[name] if name in _VERBATIM else _cleaned(values[name])

    return _VARIABLE.sub(value, template), unresolved


def _cleaned(value: str) -> str:
    clean = _UNCLEAN.sub("_", value)
    return f"_{clean}" if clean[:1].isdigit() else clean
