"""How a stream becomes an asset, and where a user says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mainstem.assets import condition_of_policy
from mainstem.errors import ConfigError
from mainstem.sling.meta import automation_condition_of, dagster_meta, freshness_policy_of

__all__ = ["DagsterSlingTranslator", "StreamDefinition", "spec_attributes"]

StreamDefinition = Mapping[str, Any]


@dataclass
class DagsterSlingTranslator:
    """Turns a stream into a Dagster asset spec.

    A stream definition is ``{"name": <the stream's name>, "config": <its mapping in the YAML, or None>}``.
    Override :meth:`get_asset_spec`, and begin with ``super()``; the smaller methods can be overridden too.

    What stands under ``meta: {dagster: …}`` in a stream, or in ``defaults``, is honoured: ``asset_key``,
    ``deps``, ``description``, ``group``, ``kinds``, ``tags``, ``owners``, ``freshness`` and ``automation``;
    of older projects, ``auto_materialize_policy`` and ``freshness_policy``.

    Attributes:
        target_prefix: The first part of the keys of target assets.

    Example:
        >>> spec = DagsterSlingTranslator().get_asset_spec({"name": "public.accounts", "config": None})
        >>> spec.key.to_user_string(), [dep.asset_key.to_user_string() for dep in spec.deps]
        ('target/public/accounts', ['public/accounts'])
    """

    target_prefix: str = "target"

    def get_asset_spec(self, stream_definition: StreamDefinition) -> dg.AssetSpec:
        """Return the asset that a stream writes, depending on the asset that it reads."""
        return dg.AssetSpec(**spec_attributes(self, stream_definition))

    def sanitize_stream_name(self, stream_name: str) -> str:
        """Return the name in lower case, with everything but letters, digits and dots as underscores.

        Example:
            >>> DagsterSlingTranslator().sanitize_stream_name('public."My Table"')
            'public.my_table'
        """
        return re.sub(r"[^a-z0-9_.]", "_", stream_name.replace('"', "").lower())

    def get_asset_key(self, stream_definition: StreamDefinition) -> dg.AssetKey:
        """Return the target's key: ``target``, then the parts of the stream's own ``object`` or its name."""
        given = dagster_meta(stream_definition).get("asset_key")
        if given:
            return self._key(given, stream_definition)
        config = stream_definition.get("config") or {}
        name = self.sanitize_stream_name(config.get("object") or stream_definition["name"])
        return dg.AssetKey([self.target_prefix, *name.split(".")])

    def get_deps_asset_key(self, stream_definition: StreamDefinition) -> Iterable[dg.AssetKey]:
        """Return the keys upstream: the parts of the stream's name, or what ``meta.dagster.deps`` says."""
        given = dagster_meta(stream_definition).get("deps")
        if given:
            listed = [given] if isinstance(given, str) else given
            return [self._key(item, stream_definition) for item in listed]
        return [dg.AssetKey(self.sanitize_stream_name(stream_definition["name"]).split("."))]

    def get_description(self, stream_definition: StreamDefinition) -> str | None:
        """Return the stream's SQL where it has some, else its description."""
        config = stream_definition.get("config") or {}
        found = (
            config.get("sql")
            or dagster_meta(stream_definition).get("description")
            or config.get("description")
        )
        return str(found) if found else None

    def get_metadata(self, stream_definition: StreamDefinition) -> Mapping[str, Any]:
        """Return the stream's configuration, to be read in the UI."""
        return {"stream_config": dg.MetadataValue.json(dict(stream_definition.get("config") or {}))}

    def get_tags(self, stream_definition: StreamDefinition) -> Mapping[str, str]:
        """Return the tags of ``meta.dagster.tags``: a mapping, or a list of names."""
        tags = dagster_meta(stream_definition).get("tags") or {}
        return (
            {str(tag): "" for tag in tags} if isinstance(tags, list) else {k: str(v) for k, v in tags.items()}
        )

    def get_kinds(self, stream_definition: StreamDefinition) -> set[str]:
        """Return the kinds: ``sling``, unless ``meta.dagster.kinds`` says otherwise."""
        return set(dagster_meta(stream_definition).get("kinds") or {"sling"})

    def get_group_name(self, stream_definition: StreamDefinition) -> str | None:
        """Return ``meta.dagster.group``."""
        return dagster_meta(stream_definition).get("group")

    def get_owners(self, stream_definition: StreamDefinition) -> Sequence[str] | None:
        """Return ``meta.dagster.owners``."""
        return dagster_meta(stream_definition).get("owners")

    def get_automation_condition(
        self, stream_definition: StreamDefinition
    ) -> dg.AutomationCondition[Any] | None:
        """Return the condition of ``meta.dagster.automation``."""
        found = automation_condition_of(dagster_meta(stream_definition), stream_definition["name"])
        return condition_of_policy(self, stream_definition) if found is None else found

    def get_auto_materialize_policy(
        self, stream_definition: StreamDefinition
    ) -> dg.AutoMaterializePolicy | None:
        """Return the eager policy where ``auto_materialize_policy`` is set; translators build on it."""
        wanted = "auto_materialize_policy" in dagster_meta(stream_definition)
        return dg.AutoMaterializePolicy.eager() if wanted else None

    def _key(self, given: str | Sequence[str], stream_definition: StreamDefinition) -> dg.AssetKey:
        """Read a key of the YAML: ``a.b`` and ``a/b`` have two parts, and so has the list ``[a, b]``."""
        parts = re.split(r"[./]", given) if isinstance(given, str) else list(given)
        for part in parts:
            if not part or self.sanitize_stream_name(part) != part:
                raise ConfigError(
                    f"Asset key {given!r} of stream {stream_definition['name']} has the part {part!r}.",
                    hint="Use lower-case letters, digits and underscores.",
                )
        return dg.AssetKey(parts)


def spec_attributes(
    translator: DagsterSlingTranslator, stream_definition: StreamDefinition
) -> dict[str, Any]:
    """What the default :meth:`DagsterSlingTranslator.get_asset_spec` hands to `dg.AssetSpec`, by name."""
    meta = dagster_meta(stream_definition)
    return {
        "key": translator.get_asset_key(stream_definition),
        "deps": list(translator.get_deps_asset_key(stream_definition)),
        "description": translator.get_description(stream_definition),
        "metadata": translator.get_metadata(stream_definition),
        "tags": translator.get_tags(stream_definition),
        "kinds": translator.get_kinds(stream_definition),
        "group_name": translator.get_group_name(stream_definition),
        "owners": translator.get_owners(stream_definition),
        "automation_condition": translator.get_automation_condition(stream_definition),
        "freshness_policy": freshness_policy_of(meta, stream_definition["name"]),
    }
