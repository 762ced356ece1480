"""The names that columns get in the target: `column_casing` (spec §4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["CASINGS", "cased"]

_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+|[^\W_]+")


def _words(name: str) -> list[str]:
    return _WORD.findall(name)


def _snake(name: str) -> str:
    return "_".join(word.lower() for word in _words(name)) or name


def _camel(name: str) -> str:
    first, *rest = _words(name) or [name]
    return first.lower() + "".join(word.capitalize() for word in rest)


_BY_NAME: Mapping[str, Callable[[str], str]] = {
    "source": str,
    "upper": str.upper,
    "lower": str.lower,
    "snake": _snake,
    "camel": _camel,
}

CASINGS = ("normalize", "target", *_BY_NAME)


def cased(name: str, casing: str, *, folds_to_upper: bool) -> str:
    """Return a column's name in the target.

    Args:
        name: Its name in the source.
        casing: One of :data:`CASINGS`.
        folds_to_upper: Whether the target's own case is the upper one.

    Example:
        >>> [cased(name, "normalize", folds_to_upper=False) for name in ("ID", "MixedCase", "with space")]
        ['id', 'MixedCase', 'with space']
        >>> cased("OrderID2 total", "snake", folds_to_upper=False)
        'order_id2_total'
    """
    if casing in _BY_NAME:
        return _BY_NAME[casing](name)
    is_plain = _PLAIN.fullmatch(name) is not None and name in (name.upper(), name.lower())
    if casing == "normalize" and not is_plain:
        return name
    return name.upper() if folds_to_upper else name.lower()
