"""`env:` and its two-step substitution (spec §1.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mainstem.replication.document import Document
from mainstem.replication.syntax import Location, plain_scalar

__all__ = ["expand_variables", "substitute"]

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expand_variables(text: str, environment: Mapping[str, str]) -> str:
    """Put the values of ``$VAR`` and ``${VAR}`` into a text; a variable that is not set becomes empty.

    Example:
        >>> expand_variables("$A-${B}-$C", {"A": "1", "B": "2"})
        '1-2-'
    """
    return _VARIABLE.sub(lambda match: environment.get(match.group(1) or match.group(2), ""), text)


def substitute(document: Document, environment: Mapping[str, str]) -> tuple[Document, Mapping[str, str]]:
    """Carry ``env:`` out: expand its values, and put them wherever ``{KEY}`` stands in the document.

    Sling replaces text and parses again, so that a value may become anything in the document. Here a value
    stays a value: where ``{KEY}`` is all there is, it is read as YAML would read it unquoted, and inside a
    text it is text. It never becomes keys or another stream.

    Args:
        document: The document, as it was read.
        environment: The process environment.

    Returns:
        The document with the values in place, and the variables.
    """
    given = document.values.get("env")
    if not isinstance(given, Mapping):
        return document, {}
    variables = {
        key: expand_variables(value, environment) if isinstance(value, str) else _text(value)
        for key, value in given.items()
        if not isinstance(value, (Mapping, list))
    }
    if not variables:
        return document, {}
    pattern = re.compile("|".join(re.escape(f"{{{key}}}") for key in variables))
    replacer = _Replacer(variables, pattern, document.flow)
    values = {
        key: value if key == "env" else replacer.replaced(value, (key,))
        for key, value in document.values.items()
    }
    return document.with_values(values), variables


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


@dataclass(frozen=True)
class _Replacer:
    variables: Mapping[str, str]
    pattern: re.Pattern[str]
    flow: frozenset[Location]

    def replaced(self, value: Any, at: Location) -> Any:
        if isinstance(value, str):
            return self._in_text(value)
        if isinstance(value, list):
            return [self.replaced(item, (*at, index)) for index, item in enumerate(value)]
        if isinstance(value, dict):
            # `limit: {LIMIT}` without quotes is a mapping to YAML, and a variable to its author.
            if at in self.flow and len(value) == 1:
                ((key, inner),) = value.items()
                if inner is None and key in self.variables:
                    return plain_scalar(self.variables[key])
            return {self._in_text(key): self.replaced(inner, (*at, key)) for key, inner in value.items()}
        return value

    def _in_text(self, text: str) -> str:
        return self.pattern.sub(lambda match: self.variables[match.group()[1:-1]], text)
