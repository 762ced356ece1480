"""The replications and the pipeline of docs/transforms.md and docs/hooks.md run as they stand there."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from mainstem import replicate
from mainstem.connections import ConnectionBook
from mainstem.events import Event, HookFinished
from mainstem.expressions import ENCODINGS, FUNCTIONS, NOT_BUILT
from mainstem.hooks import KINDS
from mainstem.hooks.checking import POLICIES
from mainstem.pipeline import run_pipeline
from mainstem.testing.place import Place

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Place, Place]:
    source, target = (
        Place("duckdb", f"duckdb://{tmp_path / name}.duckdb", "main") for name in ("source", "target")
    )
    amounts = pa.array([1, 500], pa.decimal64(10, 2))
    source.put(
        "people",
        pa.table([pa.array([" Ann ", "Bo"]), pa.array(["a@x", ""]), amounts], ["name", "mail", "amount"]),
    )
    return source, target


def test_the_transforms(places: tuple[Place, Place]) -> None:
    source, target = places
    for block in blocks("transforms.md"):
        replicate(block, {"SRC": source.url, "TGT": target.url})
    assert target.rows("all_columns") == [("Ann", "a@x", Decimal("1.00")), ("Bo", None, Decimal("500.00"))]
    assert [len(row[1]) for row in target.rows("single_columns")] == [64, 64]
    assert target.rows("staged", ["label", "size", "region"]) == [
        ("Ann <a@x>", "small", "eu"),
        ("Bo <>", "big", "eu"),
    ]


def test_the_hooks(places: tuple[Place, Place]) -> None:
    source, target = places
    told: list[Event] = []
    block, _ = blocks("hooks.md")
    replicate(block, {"SRC": source.url, "TGT": target.url}, on_event=told.append)
    assert [event.said for event in told if isinstance(event, HookFinished) and event.said] == [
        "2 rows in 1 streams"
    ]
    assert target.rows("audit") == [("people", 2)]


def test_the_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORK", str(tmp_path / "out"))
    _, block = blocks("hooks.md")
    told = [event.said for event in run_pipeline(block, ConnectionBook()) if event.said]
    assert told == ["wrote b.txt"]


def test_every_function_type_and_policy_is_on_the_pages() -> None:
    transforms, hooks = ((DOCS / page).read_text() for page in ("transforms.md", "hooks.md"))
    words = set(re.findall(r"\w+", transforms))
    encodings = {f"{way}_{name}" for name in ENCODINGS for way in ("decode", "encode")}
    assert {*FUNCTIONS, *NOT_BUILT} - encodings - words == set()
    assert ENCODINGS.keys() <= words
    assert [name for name in (*KINDS, "group", *POLICIES) if f"`{name}`" not in hooks] == []
