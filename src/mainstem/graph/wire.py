"""`wire`: the tools' assets joined by physical table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mainstem.assets import WIRED, wired_keys
from mainstem.graph.joints import Joint, Wiring, find_joints
from mainstem.graph.nodes import nodes_of
from mainstem.graph.rewired import rewired

__all__ = ["explained", "wire"]

_LINEAGE = "dagster/column_lineage"
# By a dependency's key, what it turned out to be.
_Joined = Mapping[dg.AssetKey, Sequence[Joint]]


def wire(defs: dg.Definitions) -> dg.Definitions:
    """Join the assets of all tools by the tables that they physically are.

    A dependency of an asset that is the table of another becomes that asset: a dbt source that Sling, dlt or
    a Python asset writes, a Sling source that dbt builds. A key that the user has given wins: the name of an
    asset that is there, or one that the tool's own file states for the dependency.

    Nothing is connected to. Connections are read from the resources of the definitions, whose environment
    variables have to be set for that: a table whose connection is not known joins nothing, and
    ``mainstem graph --explain`` tells why.

    Args:
        defs: The definitions of all tools.

    Returns:
        The same definitions, with the dependencies joined. Under ``mainstem/wired`` an asset says which, and
        why.

    Raises:
        ConfigError: Two assets make one table, or the joints close a circle. Both are named.

    Example::

        defs = mainstem.wire(
            dg.Definitions(
                assets=[postgres_sling_assets, shop_dbt_assets], resources={"sling": sling, "dbt": dbt}
            )
        )
    """
    joined: dict[dg.AssetKey, dict[dg.AssetKey, list[Joint]]] = {}
    for joint in explained(defs).joints:
        joined.setdefault(joint.consumer, {}).setdefault(joint.dependency, []).append(joint)
    assets = [_wired(each, joined) for each in defs.assets or ()]
    more: dict[str, Any] = {"component_tree": defs.component_tree} if defs.component_tree else {}
    return dg.Definitions(
        assets=assets,
        schedules=defs.schedules,
        sensors=defs.sensors,
        jobs=defs.jobs,
        resources=defs.resources,
        executor=defs.executor,
        loggers=defs.loggers,
        asset_checks=[_moved_check(each, joined) for each in defs.asset_checks or ()],
        metadata=defs.metadata,
        **more,
    )


def explained(defs: dg.Definitions) -> Wiring:
    """Find what `wire` would join, without joining it.

    Args:
        defs: The definitions.

    Raises:
        ConfigError: As in `wire`.
    """
    return find_joints(nodes_of(defs))


def _wired(each: Any, joined: Mapping[dg.AssetKey, _Joined]) -> Any:
    if isinstance(each, dg.AssetSpec):
        return _respecified(each, joined.get(each.key, {}))
    if not isinstance(each, dg.AssetsDefinition) or not any(key in joined for key in each.keys):
        return each
    moved: dict[dg.AssetKey, dict[dg.AssetKey, None]] = {}
    for key in each.keys:
        for dependency, joints in joined.get(key, {}).items():
            moved.setdefault(dependency, {}).update(dict.fromkeys(joint.producer for joint in joints))
    specs = {spec.key: _respecified(spec, joined.get(spec.key, {})) for spec in each.specs}
    return rewired(each, specs, {dependency: list(keys) for dependency, keys in moved.items()})


def _moved_check(each: Any, joined: Mapping[dg.AssetKey, _Joined]) -> Any:
    """A check of what is no asset any more: on what all its readers found it to be."""
    asked = {key for spec in each.check_specs for key in (spec.asset_key, *_additional(spec))}
    found: dict[dg.AssetKey, set[dg.AssetKey]] = {}
    for joints in joined.values():
        for dependency in asked & joints.keys():
            found.setdefault(dependency, set()).update(joint.producer for joint in joints[dependency])
    moved = {key: list(others) for key, others in found.items() if len(others) == 1 and key not in others}
    return rewired(each, {}, moved) if moved else each


def _additional(spec: dg.AssetCheckSpec) -> Sequence[dg.AssetKey]:
    return [dep.asset_key for dep in spec.additional_deps]


def _respecified(spec: dg.AssetSpec, joints: _Joined) -> dg.AssetSpec:
    if not joints:
        return spec
    deps: dict[dg.AssetKey, dg.AssetDep] = {}
    for dep in spec.deps:
        for key in _now(dep.asset_key, joints):
            # What a dependency stated of its table is found out by now.
            own = dg.AssetDep(key, partition_mapping=dep.partition_mapping)
            deps.setdefault(key, dep if key == dep.asset_key else own)
    metadata = {**spec.metadata, WIRED: dg.MetadataValue.json(_said(joints))}
    lineage = spec.metadata.get(_LINEAGE)
    if lineage is not None:
        metadata[_LINEAGE] = _moved(lineage, wired_keys(metadata))
    return spec.replace_attributes(deps=list(deps.values()), metadata=metadata)


def _now(dependency: dg.AssetKey, joints: _Joined) -> Sequence[dg.AssetKey]:
    return [joint.producer for joint in joints[dependency]] if dependency in joints else [dependency]


def _said(joints: _Joined) -> Mapping[str, Any]:
    return {
        dependency.to_user_string(): [
            {"asset": joint.producer.to_user_string(), "because": joint.because} for joint in found
        ]
        for dependency, found in joints.items()
    }


def _moved(lineage: Any, wired: Mapping[dg.AssetKey, dg.AssetKey]) -> dg.TableColumnLineage:
    given = lineage.value if isinstance(lineage, dg.MetadataValue) else lineage
    columns: Mapping[str, Sequence[dg.TableColumnDep]] = given.deps_by_column
    return dg.TableColumnLineage(
        {
            name: [
                dg.TableColumnDep(wired.get(dep.asset_key, dep.asset_key), dep.column_name) for dep in deps
            ]
            for name, deps in columns.items()
        }
    )
