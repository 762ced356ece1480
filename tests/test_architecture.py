"""What docs/architecture.md promises of the code's shape."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "mainstem"

# The picture of docs/architecture.md, from the bottom up: what each room may import, besides itself.
WORDS = {"errors", "schema", "report", "events"}
DOCUMENT = WORDS | {"connections", "replication"}
PLANNING = DOCUMENT | {"endpoints", "plan", "types", "expressions"}
MAY_IMPORT = {
    "_version": set(),
    "errors": set(),
    "schema": set(),
    "report": set(),
    "events": {"errors", "report"},
    # The boundaries of a run, at which a test can make it die.
    "faults": set(),
    # Which tables are one and the same; the adapters state them, the graph compares them.
    "identity": set(),
    "connections": {"errors"},
    # Values in SQL.
    "sqltext": {"errors"},
    "replication": {"errors", "connections", "sqltext"},
    "types": set(),
    # Where files live and what is in them; the endpoint `files` reads and writes them.
    "files": {"errors", "connections", "types", "schema"},
    # Work that another thread may break off.
    "breaking": set(),
    # One small language for transforms, constraints and conditions.
    "expressions": {"errors", "replication", "types"},
    "endpoints": WORDS | {"connections", "types", "files", "faults", "sqltext"},
    "plan": DOCUMENT | {"endpoints", "types", "expressions"},
    "strategies": PLANNING,
    "settings": {"errors", "plan", "replication"},
    "transform": {"errors", "plan", "types"},
    # What a replication does besides moving rows.
    "hooks": {"errors", "events", "connections", "endpoints", "expressions", "replication", "types", "files"}
    | {"breaking", "sqltext"},
    # The stages at which hooks run.
    "hooking": PLANNING | {"hooks", "breaking"},
    # Rows that break a constraint.
    "constraint": {"errors", "report", "expressions", "plan", "types"},
    "quarantine": {"schema", "endpoints", "constraint"},
    "state": {"errors", "schema", "connections", "endpoints", "files"},
    "widening": {"errors", "events"},
    # Batches that are read while others are written.
    "ahead": set(),
    "transfer": PLANNING
    | {"strategies", "settings", "transform", "constraint", "quarantine", "state", "hooking", "ahead"}
    | {"faults"},
    # A run for the user's own monitoring.
    "telemetry": {"errors", "events", "report"},
    # Streams through an open source and target, with their attempts; which stream is next; several at once.
    "session": PLANNING | {"faults", "settings", "state", "transfer", "hooking", "widening", "breaking"},
    "queueing": DOCUMENT,
    "parallel": DOCUMENT | {"session", "queueing", "breaking"},
    "engine": PLANNING
    | {"strategies", "settings", "state", "transfer", "session", "queueing", "parallel"}
    | {"hooking", "hooks", "telemetry", "breaking"},
    # Steps, one after another.
    "pipeline": DOCUMENT | {"engine", "hooks", "settings", "breaking", "sqltext"},
    # Source against target, each computed in its own database.
    "reconcile": PLANNING,
    "api": PLANNING | {"settings", "engine"},
    "assets": {"errors", "report", "identity"},
    # Ready-made conditions, for assets of any tool.
    "automation": set(),
    # Above the core of the adapters, beside them: it knows none of them.
    "graph": {"errors", "identity", "connections", "assets"},
    # The adapters are strangers to each other; only Sling's has the engine as its tool.
    "sling": PLANNING | {"engine", "assets", "identity", "reconcile", "settings", "constraint"},
    "dlt": {"errors", "report", "assets", "identity", "connections"},
    "dbt": {"_version", "errors", "report", "assets", "identity", "connections"},
    # The command line knows the engine and all below it, the graph, and no adapter.
    "cli": PLANNING | {"_version", "settings", "engine", "pipeline", "telemetry", "api", "graph", "breaking"},
    # Real servers, and the suites that every endpoint is held to.
    "testing": PLANNING | {"engine", "api", "files", "faults"},
    "__init__": {"_version", "api", "graph"},
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
    return named & set(MAY_IMPORT)


def test_every_room_of_the_package_is_in_the_picture() -> None:
    assert {room for room, _ in modules()} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_the_picture_allows(room: str) -> None:
    for found, path in modules():
        if found == room:
            beyond = rooms(path) - MAY_IMPORT[room] - {room}
            assert not beyond, f"{path} reaches {beyond}"


def test_the_picture_has_no_circle() -> None:
    done: set[str] = set()
    while done < set(MAY_IMPORT):
        ready = {room for room, below in MAY_IMPORT.items() if room not in done and below <= done}
        assert ready, f"a circle among {set(MAY_IMPORT) - done}"
        done |= ready


def test_the_engine_knows_neither_dagster_nor_dlt_nor_dbt() -> None:
    below = set(MAY_IMPORT) - {"assets", "automation", "graph", "sling", "dlt", "dbt", "testing"}
    for room, path in modules():
        if room in below:
            tools = {name.split(".")[0] for name in imports(path)} & {"dagster", "dlt", "dbt"}
            assert not tools, f"{path} imports {tools}"


def test_nothing_private_of_dagster_is_imported_anywhere() -> None:
    """Official fault 11: there, private modules are imported 127 times, and break when they move."""
    folders = ("src", "tests", "demo", "examples")
    private = re.compile(r"^\s*(?:from|import)\s+(?:dagster(?:\.\w+)*\._|dagster_shared)", re.MULTILINE)
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert files
    for path in files:
        assert not private.search(path.read_text()), f"{path} imports a private module of Dagster"


def test_no_file_of_the_engine_says_a_systems_name_outside_of_its_own() -> None:
    systems = {"postgres", "postgresql", "duckdb", "mysql", "mariadb", "sqlite", "snowflake"}
    # Where names are data: which file knows which system, and how URLs and profiles spell them.
    data = {
        "registry.py",
        "systems.py",
        "url.py",
        "dbt_profiles.py",
        "contents.py",
        "definition.py",
        "scaffolder.py",
        "dialect.py",
    }
    for room, path in modules():
        own = room == "endpoints" and path.relative_to(PACKAGE).parts[1].removesuffix(".py") in systems
        if room in {"testing", "dlt", "dbt", "cli"} or path.name in data or own:
            continue
        said = {
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not said & systems, f"{path} names {said & systems}"


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


PUBLIC = {
    "mainstem": {"ReplicationReport", "__version__", "replicate", "table_dep", "table_identity", "wire"},
    "mainstem.sling": {
        *("DagsterSlingTranslator", "SlingConnectionResource", "SlingEventIterator", "SlingMode"),
        *("SlingResource", "sling_assets"),
    },
    "mainstem.dlt": {
        *("DagsterDltResource", "DagsterDltTranslator", "DltEventIterator", "DltResourceTranslatorData"),
        *("build_dlt_asset_specs", "dlt_assets"),
    },
    "mainstem.dbt": {
        *("DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "DbtCliEventMessage", "DbtCliInvocation"),
        *("DbtCliResource", "DbtManifestAssetSelection", "DbtProject", "build_dbt_asset_selection"),
        *("build_schedule_from_dbt_selection", "dbt_assets", "get_asset_key_for_model"),
        *("get_asset_key_for_source", "get_asset_keys_by_output_name_for_source"),
    },
}


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_offers_exactly_its_public_names(package: str) -> None:
    module = importlib.import_module(package)
    assert PUBLIC[package] <= set(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)
    shown = {name for name in vars(module) if not name.startswith("_")}
    theirs = {name for name in shown if not isinstance(getattr(module, name), ModuleType)}
    assert theirs - {"annotations", "TYPE_CHECKING", "Any"} <= set(module.__all__)


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    for requirement in lock.replace("\\\n", "").splitlines():
        assert re.match(r"[A-Za-z0-9_.\[\],-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
