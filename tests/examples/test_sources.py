"""What the examples consist of: imports that the official packages have too, and files that agree."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from tests.examples.conftest import EXAMPLES, Example

from mainstem.sling import SlingConnectionResource

# What dagster-sling, dagster-dlt and dagster-dbt 0.29 export at their top level, by the module of ours that
# stands in for each.
OFFICIAL_NAMES = {
    # Ours alone, in the stead of keys that are lined up by hand.
    "mainstem": {"table_identity", "wire"},
    "mainstem.sling": {
        "DagsterSlingTranslator",
        "SlingConnectionResource",
        "SlingMode",
        "SlingReplicationCollectionComponent",
        "SlingReplicationParam",
        "SlingReplicationSpecModel",
        "SlingResource",
        "sling_assets",
    },
    "mainstem.dlt": {
        "DagsterDltResource",
        "DagsterDltTranslator",
        "DltLoadCollectionComponent",
        "build_dlt_asset_specs",
        "dlt_assets",
    },
    "mainstem.dbt": {
        "DagsterDbtTranslator",
        "DagsterDbtTranslatorSettings",
        "DbtCliEventMessage",
        "DbtCliInvocation",
        "DbtCliResource",
        "DbtManifestAssetSelection",
        "DbtProject",
        "build_dbt_asset_selection",
        "build_freshness_checks_from_dbt_assets",
        "build_schedule_from_dbt_selection",
        "dbt_assets",
        "get_asset_key_for_model",
        "get_asset_key_for_source",
        "get_asset_keys_by_output_name_for_source",
    },
}
SOURCES = [path for path in sorted(EXAMPLES.rglob("*.py")) if ".local" not in path.parts]


def imports(source: Path) -> Iterator[tuple[str, str]]:
    """The modules that a file imports, each with a name that it takes from it (``*`` for the module)."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "*") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((str(node.module), alias.name) for alias in node.names)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_only_the_import_lines_differ_from_the_official_packages(source: Path) -> None:
    ours = [(module, name) for module, name in imports(source) if module.split(".")[0] == "mainstem"]
    unknown = [(module, name) for module, name in ours if name not in OFFICIAL_NAMES.get(module, ())]
    assert not unknown


def test_there_are_examples_for_all_three_tools() -> None:
    used = {module for source in SOURCES for module, _ in imports(source)}
    assert set(OFFICIAL_NAMES) <= used


@pytest.fixture
def load(
    example: Callable[[str], Example], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], ModuleType]:
    """Import a module of an example, with the values that it has where nobody says otherwise."""

    def module(name: str, inner: str) -> ModuleType:
        monkeypatch.delenv("POSTGRES_PORT", raising=False)
        monkeypatch.syspath_prepend(str(example(name).folder))
        for loaded in [key for key in sys.modules if key.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        return importlib.import_module(f"{name}.{inner}")

    return module


@pytest.mark.parametrize(("name", "inner"), [("sling_lesson", "definitions"), ("sling_guide", "resources")])
def test_compose_starts_the_database_that_the_connection_names(
    load: Callable[[str, str], ModuleType], monkeypatch: pytest.MonkeyPatch, name: str, inner: str
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "test_pass")
    source: SlingConnectionResource = load(name, inner).sling.connections[0]
    compose = yaml.safe_load((EXAMPLES / name / "compose.yaml").read_text())
    service = compose["services"]["postgres"]
    account = {key: unless_set(value) for key, value in service["environment"].items()}

    given = source.connection()
    assert given.type == "postgres"
    assert account == {
        "POSTGRES_DB": given.required("database"),
        "POSTGRES_USER": given.required("user"),
        "POSTGRES_PASSWORD": given.required("password"),
    }
    assert [unless_set(port) for port in service["ports"]] == [f"{given.required('port')}:5432"]
    assert given.required("host") == "localhost"


def unless_set(value: str) -> str:
    """Compose's ``${NAME:-default}`` where the variable is not set."""
    start, opening, rest = value.partition("${")
    if not opening:
        return value
    _, _, default = rest.partition(":-")
    default, _, end = default.partition("}")
    return start + default + end


def test_the_guides_python_dict_says_what_its_yaml_says(load: Callable[[str, str], ModuleType]) -> None:
    from_yaml = yaml.safe_load((EXAMPLES / "sling_guide" / "sling_guide" / "replication.yaml").read_text())
    assert load("sling_guide", "from_python").replication_config == from_yaml
