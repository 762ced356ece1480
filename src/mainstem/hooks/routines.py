"""Routines: steps with a name, in files of a folder (`SLING_ROUTINES_DIR`), for any hook or pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mainstem.errors import Position, ReplicationError
from mainstem.replication.hooks import Hook
from mainstem.replication.reader import load_routines
from mainstem.replication.scanner import did_you_mean

__all__ = ["Routine", "Routines"]

_REQUIRED = re.compile(r"^\s*#\s*required_params:\s*\[([^\]]*)\]\s*$")
_NAME = re.compile(r"^\s+[\"']?([^\s\"':#][^\"':]*)[\"']?\s*:\s*(?:#.*)?$")


@dataclass(frozen=True)
class Routine:
    """One of them.

    Attributes:
        steps: What it does.
        required: The parameters that it cannot do without.
    """

    steps: Sequence[Hook]
    required: Sequence[str] = ()


class Routines:
    """The routines of a folder. Its files are read when the first one is asked for.

    Args:
        folder: The folder; ``None`` where nobody has named one.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder).expanduser() if folder else None

    def called_by(self, hook: Hook) -> Routine:
        """The routine that a hook calls.

        Raises:
            ReplicationError: There is none of this name, or a parameter is missing.
        """
        name = str(hook.keys.get("routine") or "")
        found = self._all(hook.position).get(name)
        if found is None:
            raise ReplicationError(
                f"There is no routine {name!r} in {self._folder}." if name else "`routine` names a routine.",
                position=hook.position,
                hint=did_you_mean(name, list(self._known))
                or f"There are {', '.join(self._known) or 'none'}.",
            )
        given: Any = hook.keys.get("params") or {}
        missing = [each for each in found.required if each not in given]
        if missing:
            raise ReplicationError(
                f"The routine {name!r} needs `params`: {', '.join(missing)}.", position=hook.position
            )
        return found

    def _all(self, position: Position) -> Mapping[str, Routine]:
        if self._folder is None or not self._folder.is_dir():
            what = "is not set" if self._folder is None else f"names no folder: {self._folder}"
            raise ReplicationError(
                f"SLING_ROUTINES_DIR {what}.", position=position, hint="Routines are in its YAML files."
            )
        return self._known

    @cached_property
    def _known(self) -> Mapping[str, Routine]:
        found: dict[str, Routine] = {}
        for path in sorted(self._folder.glob("*.y*ml")) if self._folder else ():
            required = _required(path)
            for name, steps in load_routines(path).items():
                if name in found:
                    raise ReplicationError(f"{path}: there is another routine {name!r} already.")
                found[name] = Routine(steps, required.get(name, ()))
        return found


def _required(path: Path) -> Mapping[str, Sequence[str]]:
    """What stands in a comment above a routine's name: ``# required_params: [a, b]``."""
    found: dict[str, Sequence[str]] = {}
    waiting: Sequence[str] | None = None
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        comment, name = _REQUIRED.match(line), _NAME.match(line)
        if comment:
            waiting = [part.strip().strip("\"'") for part in comment.group(1).split(",") if part.strip()]
        elif name and waiting is not None:
            found[name.group(1).strip()] = waiting
            waiting = None
    return found
