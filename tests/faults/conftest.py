"""Every target that a fault can befall."""

from __future__ import annotations

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

VICTIMS = (*SYSTEMS, "delta", "iceberg", "file", "folder")


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
