"""From what is selected in Dagster to the arguments that make dbt run just that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import accumulate
from pathlib import PurePosixPath

import dagster as dg

from mainstem.assets import ExecutionContext
from mainstem.dbt.manifest import (
    Manifest,
    Node,
    fqns_of,
    is_asset,
    is_asset_id,
    is_test_id,
    node_of,
    upstream_ids,
)
from mainstem.dbt.nodes import RunNodes
from mainstem.dbt.specs import DbtDefinition

__all__ = ["selection_arguments", "takes_selection"]

_COMMANDS_WITHOUT_SELECTION = frozenset(
    {"clean", "debug", "deps", "init", "parse", "retry", "run-operation", "serve"}
)
# What is no asset, and is run all the same.
_TESTED = frozenset({"test", "unit_test", "function"})
_PLAIN = re.compile(r"[\w.-]+")
_EXACTLY = {"DBT_INDIRECT_SELECTION": "empty"}
_WITH_THEIR_TESTS = {"DBT_INDIRECT_SELECTION": "cautious"}
# From so many names on, it is worth finding out which tests need none.
_MANY = 50


def takes_selection(command: str) -> bool:
    """Whether the dbt command has ``--select``."""
    return command not in _COMMANDS_WITHOUT_SELECTION


def selection_arguments(
    context: ExecutionContext, definition: DbtDefinition, nodes: RunNodes
) -> tuple[list[str], Mapping[str, str]]:
    """Return the arguments, and the environment, that make dbt run what is selected.

    Where everything is selected, dbt gets the selection of ``@dbt_assets`` as it was written. Otherwise each
    node and each test is named, or a folder of them, and dbt adds no test by itself. Each name is an argument
    of its own: the system bounds their sum (2 MB on Linux, some 30,000 nodes), not the selection as one
    string (128 KB).

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
    wanted_tests = [*sorted(tests), *_other_tests(definition, assets, tests)]
    by_name = definition.translator.settings.enable_dbt_selection_by_name
    criteria = _criteria(definition.manifest, [*sorted(assets), *wanted_tests], by_name=by_name)
    if len(criteria) < _MANY:
        return ["--select", *criteria], _EXACTLY
    added = _added_by_dbt(definition.manifest, assets, wanted_tests)
    named = [*sorted(assets), *(uid for uid in wanted_tests if uid not in added)]
    criteria = _criteria(definition.manifest, named, by_name=by_name, added=added)
    return ["--select", *criteria], _WITH_THEIR_TESTS if added else _EXACTLY


def _added_by_dbt(manifest: Manifest, assets: set[str], wanted_tests: Sequence[str]) -> Set[str]:
    """Return the tests that need no name: those where all that they read is selected, if dbt may add these.

    It may not where it would also add one that is not wanted.
    """
    wanted, added = set(wanted_tests), set()
    for uid in filter(is_test_id, (*manifest["nodes"], *(manifest.get("unit_tests") or ()))):
        parents = (node_of(manifest, uid).get("depends_on") or {}).get("nodes") or ()
        # A folder may bring an ephemeral model.
        others = {parent for parent in parents if parent not in assets}
        if any(parent.startswith("source.") or _does_something(manifest, parent) for parent in others):
            continue
        if uid not in wanted:
            return frozenset()
        # What dbt does about the rest depends on what else is named.
        if uid.startswith("test.") and not others:
            added.add(uid)
    return added


def _other_tests(definition: DbtDefinition, assets: set[str], tests: set[str]) -> Iterator[str]:
    """Yield the tests that are no checks, and whose every parent is selected.

    They belong to the nodes as the checks do, so they run unless a check of the same nodes is deselected.
    """
    if any(about in assets and uid not in tests for uid, about in definition.tests.items()):
        return
    for uid in sorted(definition.other_tests):
        parents = upstream_ids(definition.manifest, node_of(definition.manifest, uid))
        if parents and assets.issuperset(parents):
            yield uid


def _criteria(
    manifest: Manifest, unique_ids: Sequence[str], *, by_name: bool, added: Set[str] = frozenset()
) -> Sequence[str]:
    """Name the nodes such that dbt selects them, and nothing else that it would build or test.

    dbt compares each of its nodes with each criterion, which takes minutes for some thousands of both. So a
    folder is named in the place of the nodes in it, where all of them are wanted.

    Args:
        manifest: dbt's manifest.
        unique_ids: The nodes.
        by_name: Whether assets go by their short names.
        added: What is wanted as well, and needs no name.
    """
    wanted = set(unique_ids)
    paths: dict[str, Sequence[str]] = {}
    unwanted: set[str] = set()
    for uid, fqn in fqns_of(manifest):
        if uid in wanted:
            paths[uid] = fqn
        elif uid not in added and _does_something(manifest, uid):
            unwanted |= _names(fqn)
    folders = {} if by_name else {uid: _folder(path, unwanted) for uid, path in paths.items()}
    criteria = (
        folders.get(uid) or _criterion(node_of(manifest, uid), unwanted, by_name=by_name)
        for uid in unique_ids
    )
    return list(dict.fromkeys(criteria))


def _does_something(manifest: Manifest, unique_id: str) -> bool:
    """Whether dbt would do something about a node that is selected for no reason."""
    kind = unique_id.partition(".")[0]
    return kind in _TESTED or is_asset_id(manifest, unique_id)


def _folder(path: Sequence[str], unwanted: Set[str]) -> str | None:
    """Name the outermost folder of a node in which everything is wanted, if there is one."""
    folders = accumulate(path[:-1], _joined)
    next(folders)  # the package: it may have the name of a node
    found = next((folder for folder in folders if folder not in unwanted and _PLAIN.fullmatch(folder)), None)
    return f"fqn:{found}" if found else None


def _criterion(node: Node, unwanted: Set[str], *, by_name: bool) -> str:
    by_name = by_name and is_asset(node) and not node.get("version")
    name = node["name"] if by_name else ".".join(node["fqn"])
    # A blank and a comma mean something to dbt; a question mark stands for any one letter.
    criterion = "fqn:" + re.sub(r"[\s,]", "?", name)
    if name not in unwanted and not node.get("version"):
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
