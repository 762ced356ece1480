"""Values where more than text is made of them: in paths, and in a shell's lines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from mainstem.errors import HookError
from mainstem.hooks.scope import Fit
from mainstem.sqltext import Written

__all__ = ["PATHS", "in_shell"]


def _in_path(value: str) -> str:
    """A value within a path: it leads to no folder above, for a table's or a file's name may be anyone's."""
    if not isinstance(value, Written) and (".." in value.replace("\\", "/").split("/") or "\0" in value):
        raise HookError(f"The value {value!r} would lead out of its folder: it is refused.")
    return value


def in_shell(value: str) -> str:
    """A value within a shell's line: what is a word there, and nothing that a shell understands.

    Raises:
        HookError: It is more.
    """
    if not isinstance(value, Written) and shlex.quote(value) != value:
        raise HookError(
            f"The value {value!r} would be understood by the shell: it is refused.",
            hint="Hand it over by the command's `env`, or leave `shell` out.",
        )
    return value


# The keys of hooks that are paths.
PATHS: Mapping[str, Fit] = dict.fromkeys(
    ("from", "to", "location", "write_to", "working_dir", "path"), _in_path
)
