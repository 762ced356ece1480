"""From what is selected in Dagster to the arguments that make dbt run just that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import PurePosixPath

import dagster as dg

from mainstem.assets import ExecutionContext
from mainstem.dbt.manifest import Manifest, Node, fqns_of, is_asset, node_of, upstream_ids
from mainstem.dbt.nodes import RunNodes
from mainstem.dbt.specs import DbtDefinition

__all__ = ["selection_arguments", "takes_selection"]

_COMMANDS_WITHOUT_SELECTION = frozenset(
    {"clean", "debug", "deps", "init", "parse", "retry", "run-operation", "serve"}
)
_EXACTLY = {"DBT_INDIRECT_SELECTION": "empty"}


def takes_selection(command: str) -> bool:
    """Whether the dbt command has ``--select``."""
    return command not in _COMMANDS_WITHOUT_SELECTION


def selection_arguments(
    context: ExecutionContext, definition: DbtDefinition, nodes: RunNodes
) -> tuple[list[str], Mapping[str, str]]:
    """Return the arguments, and the environment, that make dbt run what is selected.

    Where everything is selected, dbt gets the selection of ``@dbt_assets`` as it was written. Otherwise each
    node and each test is named, and dbt adds no test by itself. Each name is an argument of its own: the
    system bounds their sum (2 MB on Linux, some 30,000 nodes), not the selection as one string (128 KB).

    Args:
        context: The context of the assets that run.
        definition: What their decorator left.
        nodes: Which node is which asset.
    """
    try:
        keys, check_keys = context.selected_asset_keys, context.selected_asset_check_keys
    except dg.DagsterError:  # the asset is called as a function: nothing is selected
        return definition.selection.arguments(), {}
    assets = {uid for uid, key in nodes.assets.items() if key in keys}
    tests = {uid for uid, key in nodes.checks.items() if key in check_keys}
    own_tests = {uid for uid, about in definition.tests.items() if about in definition.nodes}
    if assets == definition.nodes and own_tests <= tests:
        return definition.selection.arguments(), {}
    wanted = [*sorted(assets), *sorted(tests), *_other_tests(definition, assets, tests)]
    by_name = definition.translator.settings.enable_dbt_selection_by_name
    return ["--select", *_criteria(definition.manifest, wanted, by_name=by_name)], _EXACTLY


def _other_tests(definition: DbtDefinition, assets: set[str], tests: set[str]) -> Iterator[str]:
    """Yield the tests that are no checks, and whose every parent is selected.

    They belong to the nodes as the checks do, so they run unless a check of the same nodes is deselected.
    """
    if any(about in assets and uid not in tests for uid, about in definition.tests.items()):
        return
    manifest = definition.manifest
    for uid in (*manifest["nodes"], *(manifest.get("unit_tests") or ())):
        if not uid.startswith(("test.", "unit_test.")) or uid in definition.tests:
            continue
        parents = upstream_ids(manifest, node_of(manifest, uid))
        if parents and assets.issuperset(parents):
            yield uid


def _criteria(manifest: Manifest, unique_ids: Iterable[str], *, by_name: bool) -> Sequence[str]:
    """Name each node such that dbt selects it and no other."""
    matches = Counter(name for fqn in fqns_of(manifest) for name in _names(fqn))
    return [_criterion(node_of(manifest, uid), matches, by_name=by_name) for uid in unique_ids]


def _criterion(node: Node, matches: Mapping[str, int], *, by_name: bool) -> str:
    by_name = by_name and is_asset(node) and not node.get("version")
    name = node["name"] if by_name else ".".join(node["fqn"])
    # A blank and a comma mean something to dbt; a question mark stands for any one letter.
    criterion = "fqn:" + re.sub(r"[\s,]", "?", name)
    if matches[name] == 1 and not node.get("version"):
        return criterion
    # dbt reads a name as a folder's too, and each folder as all that is in it.
    file = PurePosixPath(node["original_file_path"].replace("\\", "/")).name
    return f"{criterion},file:{file},resource_type:{node['resource_type']},package:{node['package_name']}"


def _names(fqn: Sequence[str]) -> set[str]:
    """All names by which dbt finds a node: its last part, or its parts from the first or second on."""
    parts = ".".join(fqn).split(".")
    return {fqn[-1], *accumulate(parts, _joined), *accumulate(parts[1:], _joined)}


def _joined(before: str, part: str) -> str:
    return f"{before}.{part}"
