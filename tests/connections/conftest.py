"""A machine of the test's own: nothing outside of it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from mainstem.connections import ConnectionBook, ConnectionLike


@dataclass
class Machine:
    """A home, a working directory and an environment."""

    home: Path
    cwd: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def env_yaml(self) -> Path:
        return self.home / ".sling" / "env.yaml"

    @property
    def profiles(self) -> Path:
        return self.home / ".dbt" / "profiles.yml"

    @property
    def dotenv(self) -> Path:
        return self.cwd / ".env.sling"

    def write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dedent(text).encode())
        return path

    def book(self, connections: Mapping[str, ConnectionLike] | None = None) -> ConnectionBook:
        return ConnectionBook(connections or {}, self.environment, self.cwd)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "work").mkdir()
    return Machine(tmp_path / "home", tmp_path / "work", {"HOME": str(tmp_path / "home")})
