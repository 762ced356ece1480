"""`wire`: the tools' assets joined by physical table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mainstem.assets import WIRED
from mainstem.graph.joints import Joint, Wiring, find_joints
from mainstem.graph.nodes import nodes_of

__all__ = ["explained", "wire"]

_LINEAGE = "dagster/column_lineage"
_Joined = Mapping[dg.AssetKey, Joint]


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
    joints = explained(defs).joints
    joined: dict[dg.AssetKey, dict[dg.AssetKey, Joint]] = {}
    for joint in joints:
        joined.setdefault(joint.consumer, {})[joint.dependency] = joint
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
        asset_checks=defs.asset_checks,
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
        return _explained(_respecified(each, joined.get(each.key, {})), joined.get(each.key, {}))
    if not isinstance(each, dg.AssetsDefinition) or not any(key in joined for key in each.keys):
        return each
    moved = {joint.dependency: joint.producer for key in each.keys for joint in joined.get(key, {}).values()}
    # A test of a dbt source moves along: it is a check on the asset that the source turned out to be.
    wired = each.with_attributes(asset_key_replacements=moved)
    return wired.map_asset_specs(lambda spec: _explained(spec, joined.get(spec.key, {})))


def _respecified(spec: dg.AssetSpec, joints: _Joined) -> dg.AssetSpec:
    if not joints:
        return spec
    deps: dict[dg.AssetKey, dg.AssetDep] = {}
    for dep in spec.deps:
        joint = joints.get(dep.asset_key)
        key = joint.producer if joint else dep.asset_key
        deps.setdefault(key, dg.AssetDep(key, partition_mapping=dep.partition_mapping))
    return spec.replace_attributes(deps=list(deps.values()))


def _explained(spec: dg.AssetSpec, joints: _Joined) -> dg.AssetSpec:
    if not joints:
        return spec
    said = {
        joint.dependency.to_user_string(): {
            "asset": joint.producer.to_user_string(),
            "because": joint.because,
        }
        for joint in joints.values()
    }
    metadata = {**spec.metadata, WIRED: dg.MetadataValue.json(said)}
    lineage = spec.metadata.get(_LINEAGE)
    if lineage is not None:
        metadata[_LINEAGE] = _moved(lineage, joints)
    return spec.replace_attributes(metadata=metadata)


def _moved(lineage: Any, joints: _Joined) -> dg.TableColumnLineage:
    given = lineage.value if isinstance(lineage, dg.MetadataValue) else lineage

    def moved(dep: dg.TableColumnDep) -> dg.TableColumnDep:
        joint = joints.get(dep.asset_key)
        return dg.TableColumnDep(joint.producer, dep.column_name) if joint else dep

    columns: Mapping[str, Sequence[dg.TableColumnDep]] = given.deps_by_column
    return dg.TableColumnLineage({name: [moved(dep) for dep in deps] for name, deps in columns.items()})
