"""An assets definition with other dependencies: in what it shows, and in the order in which it is run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

__all__ = ["rewired"]


def rewired(
    assets_def: dg.AssetsDefinition,
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
    moved: Mapping[dg.AssetKey, Sequence[dg.AssetKey]],
) -> dg.AssetsDefinition:
    """Return a definition with other specs, run after what these depend on.

    ``dg.map_asset_specs`` alone changes what is shown: a run would still begin it before its new upstream.

    Args:
        assets_def: The definition.
        specs: All its specs, as they are to be.
        moved: By a dependency's key, the keys of what it turned out to be.
    """
    first = {key: others[0] for key, others in moved.items()}
    # A check on what is upstream, such as a test of a dbt source, moves along.
    made = assets_def.with_attributes(asset_key_replacements=first)
    attributes = made.get_attributes_dict()
    checks = {name: _check(spec, moved) for name, spec in attributes["check_specs_by_output_name"].items()}
    shown = {spec.key: {dep.asset_key for dep in spec.deps} for spec in made.specs}
    wanted = {key: {dep.asset_key for dep in spec.deps} for key, spec in specs.items()}
    if not specs or shown != wanted or checks != attributes["check_specs_by_output_name"]:
        made = _remade(assets_def, {**attributes, "check_specs_by_output_name": checks}, specs, moved)
    if not specs:  # it is checks alone
        return made
    [named] = dg.map_asset_specs(lambda spec: specs[spec.key], [made])
    return named


def _check(spec: dg.AssetCheckSpec, moved: Mapping[dg.AssetKey, Sequence[dg.AssetKey]]) -> dg.AssetCheckSpec:
    """A check, reading besides its asset what that turned out to be."""
    if not any(dep.asset_key in moved for dep in spec.additional_deps):
        return spec
    keys = (key for dep in spec.additional_deps for key in moved.get(dep.asset_key, [dep.asset_key]))
    return spec._replace(additional_deps=[dg.AssetDep(key) for key in dict.fromkeys(keys)])


def _remade(
    assets_def: dg.AssetsDefinition,
    attributes: Mapping[str, Any],
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
    moved: Mapping[dg.AssetKey, Sequence[dg.AssetKey]],
) -> dg.AssetsDefinition:
    """A dependency is one input: each further asset that it turned out to be is an input more."""
    known = attributes["keys_by_input_name"]
    more = dict.fromkeys(key for others in moved.values() for key in others if key not in known.values())
    inputs = {f"joined_{number}": key for number, key in enumerate(more, 1)}
    changed = {**attributes, "specs": list(specs.values())}
    if inputs:
        ins = {**assets_def.op.ins, **{name: dg.In(dg.Nothing) for name in inputs}}
        changed["node_def"] = assets_def.op.with_replaced_properties(name=assets_def.op.name, ins=ins)
        changed["keys_by_input_name"] = {**known, **inputs}
    with warnings.catch_warnings():
        # How it is executed is copied, and in beta: nothing to tell our users.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return type(assets_def)(**changed)
