"""The user's definitions: found as Dagster's own commands find them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import tomli

from mainstem.errors import ConfigError

__all__ = ["load_definitions"]

_HINT = "Name them with -m MODULE or -f FILE, or in the pyproject.toml under [tool.dagster] or [tool.dg]."


def load_definitions(module: str | None = None, file: str | None = None) -> dg.Definitions:
    """Load definitions by a module's name, by a file, or as the ``pyproject.toml`` of this folder says.

    Args:
        module: Such as ``shop.definitions``, found from the working directory on.
        file: The path of a Python file.

    Raises:
        ConfigError: There are none.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if file is not None:
        return _definitions_in(_from_file(Path(file)))
    name = module or _configured(Path("pyproject.toml"))
    if name is None:
        raise ConfigError("It is not said where the definitions are.", hint=_HINT)
    try:
        return _definitions_in(importlib.import_module(name))
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"There is no module {name} in {here}.", hint=_HINT) from error
        raise


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"There is no Python file {path}.", hint=_HINT)
    sys.path.insert(0, str(path.parent.resolve()))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _configured(path: Path) -> str | None:
    tool = _toml(path).get("tool", {}) if path.is_file() else {}
    dagster, project = tool.get("dagster", {}), tool.get("dg", {}).get("project", {})
    modules = dagster.get("modules") or [{}]
    root = project.get("root_module")
    found = (
        dagster.get("module_name"),
        modules[0].get("name"),
        project.get("code_location_target_module"),
        f"{root}.definitions" if root else None,
    )
    return next((str(name) for name in found if name), None)


def _definitions_in(module: ModuleType) -> dg.Definitions:
    values = vars(module)
    found = [value for value in values.values() if isinstance(value, dg.Definitions)]
    if not found:
        # What `@dg.definitions` makes is called for them.
        lazy = [value for value in values.values() if type(value).__name__ == "LazyDefinitions"]
        made: list[Any] = [each() for each in lazy]
        found = [value for value in made if isinstance(value, dg.Definitions)]
    if not found:
        return dg.load_definitions_from_module(module)
    return found[0] if len(found) == 1 else dg.Definitions.merge(*found)


def _toml(path: Path) -> Mapping[str, Any]:
    # Dagster depends on it; Python has one of its own from 3.11 on.
    found: Mapping[str, Any] = tomli.loads(path.read_text(encoding="utf-8"))
    return found
