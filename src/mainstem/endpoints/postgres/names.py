"""Identifiers and texts, as they stand in a statement."""

from __future__ import annotations

from mainstem.errors import EndpointError

__all__ = ["quoted", "text_literal"]


def quoted(identifier: str) -> str:
    """Quote an identifier.

    Example:
        >>> print(quoted('a "b" c'))
        "a ""b"" c"
    """
    return '"' + identifier.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    r"""Render a text as a literal, whatever the server's `standard_conforming_strings` says.

    Raises:
        EndpointError: No statement can hold it.

    Example:
        >>> print(text_literal("it's"), text_literal("a\\b"))
        'it''s' E'a\\b'
    """
    if "\0" in text:
        raise EndpointError("A text with a zero byte cannot be part of a PostgreSQL statement.")
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"
