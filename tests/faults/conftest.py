"""Every target that a fault can befall."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.conftest import SYSTEMS

from mainstem.testing.fault_targets import FileVictim, TableVictim, Victim
from mainstem.testing.faults import Action

_ANYWHERE = frozenset({Action.RAISE, Action.KILL, Action.STALL})
WIRED = _ANYWHERE | {Action.CUT}
# The process writes the files itself. The disk of a server is its own: tests/faults has it fill elsewhere.
FILED = _ANYWHERE | {Action.FULL}

# The modes that merge; those that keep their cursor in the target, or in its database.
_MERGES = frozenset(
    {"merge", "merge by key", "insert", "update", "update_insert", "delete_insert", "backfill"}
)
_MERGES_WITH_STATE = frozenset({"merge, cursor in a folder"})
_IN_DATABASE = frozenset({"append, cursor in the target", "merge, cursor in the target"})
_NOT_IN_FILES = _MERGES | _MERGES_WITH_STATE | _IN_DATABASE | {"append"}

# In a sample, each target has so many modes; an emulator takes its time.
_SAMPLED = 2
_MATRIX = "test_a_target_is_whole_whatever_befalls_the_run"
_SLOW = frozenset({"snowflake"})

VICTIMS = (*SYSTEMS, "delta", "iceberg", "file", "folder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sample the modes of each target."""
    if os.environ.get("MAINSTEM_ALL") == "1":
        return
    chance = random.Random(os.environ["MAINSTEM_SEED"])  # noqa: S311 - a sample, no secret
    by_victim: dict[str, list[pytest.Item]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.originalname == _MATRIX:
            by_victim.setdefault(str(item.callspec.params["victim"]), []).append(item)
    left_out = {
        item
        for victim, found in by_victim.items()
        for item in chance.sample(found, max(0, len(found) - (1 if victim in _SLOW else _SAMPLED)))
    }
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def victim_of(name: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Victim]:
    if name in SYSTEMS:
        with SYSTEMS[name](request, folder) as place:
            alone = name == "duckdb"
            actions = FILED if name in ("duckdb", "sqlite") else WIRED
            below = folder if actions is FILED else None
            yield TableVictim(name, place.url, actions, alone, below, schema=place.schema)
    elif name in ("delta", "iceberg"):
        lake = folder / "lake"
        lake.mkdir()
        url = {"type": name, "path": str(lake)}
        yield TableVictim(name, url, FILED, folder=lake, refuses=_IN_DATABASE, schema="shop")
    else:
        below = folder / "files"
        below.mkdir()
        refuses = _NOT_IN_FILES | ({"append, cursor in a folder", "snapshot"} if name == "file" else set())
        yield FileVictim(name, "file://", FILED, folder=below, refuses=refuses, shows_parts=name == "folder")


@pytest.fixture(params=VICTIMS)
def victim(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Victim]:
    """Where a stream writes to; its temporary files are the test's own."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    yield from victim_of(request.param, request, tmp_path)
