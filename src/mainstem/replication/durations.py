"""Lengths of time, as documents and the environment write them."""

from __future__ import annotations

import re

__all__ = ["seconds_of"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")
_UNITS = {"s": 1.0, "ms": 0.001, "m": 60.0, "h": 3600.0}


def seconds_of(text: str, unit: str = "s") -> float | None:
    """A time in seconds; ``None`` where the text is none.

    Args:
        text: A number with ``ms``, ``s``, ``m`` or ``h``.
        unit: What a number without one is in.

    Example:
        >>> seconds_of("500ms"), seconds_of("2"), seconds_of("2", "m"), seconds_of("soon")
        (0.5, 2.0, 120.0, None)
    """
    found = _DURATION.fullmatch(text.strip())
    return None if found is None else float(found.group(1)) * _UNITS[found.group(2) or unit]
