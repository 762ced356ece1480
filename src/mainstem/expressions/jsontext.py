"""Values of a run as JSON: for conditions, payloads, and texts that a value is put into."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_text", "shown"]


def json_text(value: Any) -> str:
    """A value as JSON; what JSON has no word for is text.

    Example:
        >>> from decimal import Decimal
        >>> json_text({"a": Decimal("1.10"), "b": None})
        '{"a": "1.10", "b": null}'
    """
    return json.dumps(value, default=str, ensure_ascii=False)


def shown(value: Any) -> str:
    """A value as it stands within a text: a text as it is, nothing for ``None``, otherwise JSON.

    Example:
        >>> shown("a"), shown(None), shown([1])
        ('a', '', '[1]')
    """
    if value is None:
        return ""
    return (
        value
        if isinstance(value, str)
        else json_text(value)
        if isinstance(value, dict | list | bool)
        else str(value)
    )
