"""What docs/architecture.md promises of the code's shape."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "mainstem"

# From the bottom up. A layer may import those before it, and itself.
LAYERS = (
    "_version",
    "errors",
    "schema",
    "report",
    "events",
    "connections",
    "replication",
    "endpoints",
    "plan",
    "strategies",
    "settings",
    "transform",
    "engine",
    "api",
    "assets",
    "sling",
    "dlt",
    "dbt",
)
# Beside the layers: what each of these may import. The command line knows the engine and no adapter.
BESIDE = {
    "cli": {
        "_version",
        "errors",
        "schema",
        "report",
        "events",
        "connections",
        "replication",
        "endpoints",
        "plan",
        "engine",
        "api",
        "cli",
    },
    "testing": {"errors", "testing"},
    "__init__": {"_version", "api"},
}
# The adapters are strangers to each other, and their shared core needs no engine.
STRANGERS = {
    "sling": {"dlt", "dbt"},
    "dlt": {"sling", "dbt", "engine", "endpoints", "replication"},
    "dbt": {"sling", "dlt", "engine", "endpoints", "replication"},
    "assets": {"engine", "endpoints", "replication", "connections", "plan", "strategies", "api"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in PACKAGE.rglob("*.py"):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms(path: Path) -> set[str]:
    """The top-level rooms of mainstem that a file imports."""
    named = {found.split(".")[1] for found in imports(path) if found.startswith("mainstem.")}
    return {room for room in named if room in {*LAYERS, *BESIDE}}


def test_every_room_of_the_package_is_in_the_picture() -> None:
    assert {room for room, _ in modules()} == {*LAYERS, *BESIDE}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_upwards(layer: str) -> None:
    allowed = set(LAYERS[: LAYERS.index(layer) + 1]) - STRANGERS.get(layer, set())
    for room, path in modules():
        if room == layer:
            assert rooms(path) <= allowed, f"{path} reaches {rooms(path) - allowed}"


@pytest.mark.parametrize("room", BESIDE)
def test_what_stands_beside_the_layers_keeps_to_its_neighbours(room: str) -> None:
    for found, path in modules():
        if found == room:
            assert rooms(path) <= BESIDE[room], f"{path} reaches {rooms(path) - BESIDE[room]}"


def test_the_engine_knows_neither_dagster_nor_dlt_nor_dbt() -> None:
    below = set(LAYERS[: LAYERS.index("assets")]) | {"cli", "__init__"}
    for room, path in modules():
        if room in below:
            tools = {name.split(".")[0] for name in imports(path)} & {"dagster", "dlt", "dbt"}
            assert not tools, f"{path} imports {tools}"


def test_nothing_private_of_dagster_is_imported_anywhere() -> None:
    folders = ("src", "tests", "demo", "examples")
    private = re.compile(r"^\s*(?:from|import)\s+(?:dagster(?:\.\w+)*\._|dagster_shared)", re.MULTILINE)
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert files
    for path in files:
        assert not private.search(path.read_text()), f"{path} imports a private module of Dagster"


def test_no_file_of_the_engine_branches_on_a_systems_name() -> None:
    systems = {"postgres", "duckdb", "mysql", "mariadb", "sqlite", "snowflake"}
    own = {PACKAGE / "endpoints" / "registry.py", PACKAGE / "connections" / "url.py"}
    for room, path in modules():
        if room in {"testing", "dlt", "dbt"} or path in own or path.stem in systems:
            continue
        compared = {
            constant.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Compare | ast.Match)
            for constant in ast.walk(node)
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
        }
        assert not compared & systems, f"{path} branches on {compared & systems}"


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_mainstem_imports_no_tool() -> None:
    loaded = python("import mainstem, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))")
    assert not {"dagster", "dlt", "dbt", "duckdb", "adbc_driver_postgresql"} & set(loaded.split())


def test_the_engine_runs_without_importing_any_tool() -> None:
    loaded = python("import mainstem, sys; mainstem.replicate; print(*sorted(sys.modules))")
    assert not {"dagster", "dlt", "dbt"} & set(loaded.split())


def test_importing_mainstem_takes_at_most_a_fifth_of_a_second_more_than_pyarrow() -> None:
    timed = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
    pyarrow, mainstem = (
        min(float(python(timed.format(name))) for _ in range(3)) for name in ("pyarrow", "mainstem")
    )
    assert mainstem < pyarrow + 0.2


def test_all_names_exactly_what_a_package_offers() -> None:
    names = python(
        "import mainstem, mainstem.sling as s, mainstem.dlt as d, mainstem.dbt as b\n"
        "print(all(getattr(m, n, None) is not None for m in (mainstem, s, d, b) for n in m.__all__))"
    )
    assert names.strip() == "True"


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    for requirement in lock.replace("\\\n", "").splitlines():
        assert re.match(r"[A-Za-z0-9_.\[\],-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
