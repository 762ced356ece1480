"""A manifest that is parsed node by node is the manifest that it is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mainstem.dbt import DbtProject
from mainstem.dbt.manifest_file import ManifestFile

NODE = {"resource_type": "model", "unique_id": "model.a.b", "config": {"materialized": "table"}}


@pytest.fixture(scope="module")
def content(jaffle: DbtProject) -> bytes:
    return jaffle.manifest_path.read_bytes()


def test_it_is_what_the_file_says(content: bytes) -> None:
    assert dict(ManifestFile(content)) == json.loads(content)


def test_each_node_is_what_the_file_says_by_itself(content: bytes) -> None:
    manifest, whole = ManifestFile(content), json.loads(content)
    collections = [name for name, value in whole.items() if isinstance(manifest[name], Mapping)]
    assert {"nodes", "sources", "macros", "groups", "unit_tests", "metadata"} <= set(collections)
    for name in collections:
        assert dict(manifest[name]) == whole[name]
        assert len(manifest[name]) == len(whole[name])
    assert "model.jaffle.customers" in manifest["nodes"]
    assert "model.jaffle.nowhere" not in manifest["nodes"]
    assert manifest["nodes"].get("model.jaffle.nowhere") is None


def test_a_node_is_found_without_parsing_the_file(content: bytes) -> None:
    first, second = list(json.loads(content)["nodes"])[:2]
    # From the second node on, it is not even JSON any more.
    at = content.index(f'"{second}": {{'.encode())
    manifest = ManifestFile(content[:at] + b"what is this")
    assert manifest["nodes"][first]["unique_id"] == first
    assert manifest["metadata"]["project_name"] == "jaffle"
    with pytest.raises(ValueError, match="column"):
        manifest["selectors"]


def test_it_knows_what_dbt_does_not_build(content: bytes) -> None:
    assert ManifestFile(content).ephemeral == {"model.jaffle.order_totals"}


def test_the_paths_of_names_are_found_without_parsing_the_rest(content: bytes) -> None:
    manifest, whole = ManifestFile(content), json.loads(content)
    for collection in ("nodes", "unit_tests", "exposures"):
        paths = {uid: node["fqn"] for uid, node in whole[collection].items()}
        assert dict(manifest.fqns(collection)) == paths
    odd = {**NODE, "fqn": ["a", 'b"]', "c\\", "d, [e]"], "raw_code": '"fqn": ["not", "one"]'}
    for order in (odd, dict(reversed(odd.items()))):
        text = json.dumps({"metadata": {}, "nodes": {"model.a.b": order}})
        assert list(ManifestFile(text.encode()).fqns("nodes")) == [("model.a.b", odd["fqn"])]


@pytest.mark.parametrize("options", [{"separators": (",", ":")}, {"indent": 2}])
def test_json_of_another_shape_is_parsed_as_a_whole(content: bytes, options: dict[str, Any]) -> None:
    whole = json.loads(content)
    manifest = ManifestFile(json.dumps(whole, **options).encode())
    assert dict(manifest) == whole
    assert manifest["nodes"] == whole["nodes"]
    assert manifest.ephemeral == {"model.jaffle.order_totals"}
    assert dict(manifest.fqns("nodes")) == {uid: node["fqn"] for uid, node in whole["nodes"].items()}


@pytest.mark.parametrize(
    "misleading",
    [
        {"meta": {"unique_id": "model.a.b", "model.a.b": {"unique_id": "model.a.b"}}},
        {"meta": {"model.x.y": {"unique_id": "model.x.y"}}},
        {"meta": {"other": {}, "model.x.y": {"unique_id": "model.x.y"}}},
        {"raw_code": "{% if true %}{{{{ '{' }}"},
        {"raw_code": 'select \'"unique_id": "model.a.b"\', \'{"model.a.b": {\''},
        {"description": 'ends in a brace and a comma }, "sources": {'},
        {"description": 'Umlaute äöü, 日本 and \\ " quotes'},
    ],
)
def test_nothing_that_a_node_says_is_taken_for_a_node(misleading: dict[str, Any]) -> None:
    second = {**NODE, "unique_id": "model.a.c", **misleading}
    whole: dict[str, dict[str, Any]] = {
        "metadata": {"project_name": "a"},
        "nodes": {"model.a.b": {**NODE, **misleading}, "model.a.c": second},
        "sources": {"source.a.s.t": {"unique_id": "source.a.s.t", **misleading}},
        "disabled": {"model.a.d": [{**NODE, "unique_id": "model.a.d"}]},
        "child_map": {"model.a.b": ["model.a.c"]},
    }
    manifest = ManifestFile(json.dumps(whole).encode())
    for collection in ("nodes", "sources"):
        for unique_id, node in whole[collection].items():
            assert manifest[collection][unique_id] == node
        assert list(manifest[collection]) == list(whole[collection])
    assert manifest["child_map"] == whole["child_map"]


def test_what_is_no_json_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="column"):
        ManifestFile(b"{")
