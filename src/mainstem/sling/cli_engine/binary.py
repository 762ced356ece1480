"""Where Sling's program is. It is looked for, never fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from mainstem.errors import ConfigError

__all__ = ["find_binary"]

_VARIABLE = "SLING_BINARY"


def find_binary(environment: Mapping[str, str] | None = None) -> str:
    """Return the path of Sling's program.

    Args:
        environment: ``SLING_BINARY`` names it; otherwise it is looked for on ``PATH``. ``None`` reads the
            process environment.

    Raises:
        ConfigError: It is in neither place.
    """
    known = os.environ if environment is None else environment
    named = known.get(_VARIABLE)
    found = shutil.which(named or "sling", path=known.get("PATH", os.defpath))
    if found is not None:
        return found
    if named:
        raise ConfigError(
            f"{_VARIABLE} is {named!r}, which is no program that can be run.",
            hint="Give the path of Sling's program, or take engine='embedded', which needs none.",
        )
    raise ConfigError(
        f"engine='cli' runs Sling's own program, and there is no `sling` on the path, nor a {_VARIABLE}.",
        hint="Install Sling, or take engine='embedded', which needs no program.",
    )
