"""Values where more than text is made of them: in paths, and in a shell's lines."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mainstem.errors import HookError
from mainstem.expressions import shown
from mainstem.hooks.scope import Fit, Scope
from mainstem.sqltext import Written

__all__ = ["PATHS", "in_shell"]

_PLACE = re.compile(r"\{[^{}\n]+\}")
_VARIABLE = "MAINSTEM_VALUE_"


def _in_path(value: str) -> str:
    """A value within a path: it leads to no folder above, for a table's or a file's name may be anyone's."""
    if not isinstance(value, Written) and (".." in value.replace("\\", "/").split("/") or "\0" in value):
        raise HookError(f"The value {value!r} would lead out of its folder: it is refused.")
    return value


def in_shell(text: str, scope: Scope) -> tuple[str, dict[str, str]]:
    r"""Put values where ``{name}`` stands in a shell's text: as its variables, which are no commands.

    Args:
        text: The text.
        scope: What is known.

    Returns:
        The text, and the variables.

    Example:
        >>> in_shell("echo \"{name}\" '{name}' ${HOME}", Scope({"name": "$(ls)"}))[0]
        'echo "${MAINSTEM_VALUE_1}" \'\'"${MAINSTEM_VALUE_2}"\'\' ${HOME}'
    """
    variables: dict[str, str] = {}
    written, at, quote = "", 0, ""
    while at < len(text):
        place = _PLACE.match(text, at)
        value = scope.filled(place.group()) if place else None
        if place and value != place.group():
            name = f"{_VARIABLE}{len(variables) + 1}"
            variables[name] = shown(value)
            # Nothing is put in between single quotes: they are left for it.
            written += f"'\"${{{name}}}\"'" if quote == "'" else f"${{{name}}}"
            at = place.end()
            continue
        length = 2 if text[at] == "\\" and quote != "'" else 1
        if text[at] in ("'", '"') and quote in ("", text[at]):
            quote = "" if quote else text[at]
        written += text[at : at + length]
        at += length
    return written, variables


# The keys of hooks that are paths.
PATHS: Mapping[str, Fit] = dict.fromkeys(
    ("from", "to", "location", "write_to", "working_dir", "path"), _in_path
)
