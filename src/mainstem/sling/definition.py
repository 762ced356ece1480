"""A replication as the adapter sees it: its streams, their asset specs, and the way back from a key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dagster as dg

from mainstem.errors import NotSupportedYetError
from mainstem.plan import is_wildcard
from mainstem.replication import Replication, ReplicationLike, load_replication, select_streams
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["SlingDefinition"]


@dataclass(frozen=True)
class SlingDefinition:
    """A replication and the translator that makes assets of its streams.

    Attributes:
        replication: The document, checked.
        translator: The user's, or the default one.
    """

    # Not in its repr: the values of `env` are in it.
    replication: Replication = field(repr=False)
    translator: DagsterSlingTranslator

    @classmethod
    def of(
        cls, config: ReplicationLike | Replication, translator: DagsterSlingTranslator | None
    ) -> SlingDefinition:
        """Load a replication for the adapter.

        Raises:
            ReplicationError: Something is wrong with it, or a stream is a wildcard.
        """
        replication = load_replication(config)
        for stream in replication.streams:
            if is_wildcard(stream.name) and not stream.disabled:
                raise NotSupportedYetError(
                    f"The wildcard {stream.name} has no assets yet, one for each of its tables.",
                    position=stream.position,
                    hint="Name the tables, or run this replication without Dagster.",
                )
        return cls(replication, translator or DagsterSlingTranslator())

    @cached_property
    def specs(self) -> Mapping[str, dg.AssetSpec]:
        """The asset spec of each stream that is not disabled, by the stream's name."""
        return {stream.name: self._spec(stream.name) for stream in select_streams(self.replication)}

    def streams_of(self, keys: Collection[dg.AssetKey]) -> Sequence[str]:
        """The streams that write these assets, in the order of the document."""
        return [name for name, spec in self.specs.items() if spec.key in keys]

    def source_of(self, stream: str) -> dg.AssetKey | None:
        """The asset that a stream's columns come from; ``None`` where its dependencies do not tell.

        A single dependency is the source. Of several, it is the one that the stream has by default.
        """
        upstream = [dep.asset_key for dep in self.specs[stream].deps]
        if len(upstream) > 1:
            usual = set(self.translator.get_deps_asset_key({"name": stream, "config": self._config(stream)}))
            upstream = [key for key in upstream if key in usual]
        return upstream[0] if len(upstream) == 1 else None

    def _spec(self, name: str) -> dg.AssetSpec:
        written = self.replication.document.written
        spec = self.translator.get_asset_spec({"name": name, "config": self._config(name)})
        if spec.code_version is None:
            # The text as it was written: a value that came through `env` may be a secret.
            rest = [written.get(key) for key in ("source", "target", "defaults", "env")]
            spec = spec.replace_attributes(code_version=_hash([name, *rest, self._written(name)]))
        return spec

    def _config(self, name: str) -> Mapping[str, Any] | None:
        """The stream's own mapping as it was written, with the `meta.dagster` of `defaults` beneath its own.

        It is shown in the UI. Only the target's name and what Dagster reads have the values of `env` in them.
        """
        values = self.replication.document.values
        expanded: dict[str, Any] = values["streams"][name] or {}
        written = self._written(name)
        inherited = ((values.get("defaults") or {}).get("meta") or {}).get("dagster") or {}
        if written is None and not inherited:
            return None
        config = {**(written or {}), **{key: expanded[key] for key in ("object", "meta") if key in expanded}}
        if inherited:
            meta = dict(config.get("meta") or {})
            config["meta"] = {**meta, "dagster": {**inherited, **(meta.get("dagster") or {})}}
        return config

    def _written(self, name: str) -> Mapping[str, Any] | None:
        """The stream's mapping as it was written; its name may have been a variable."""
        document = self.replication.document
        names, written = list(document.values["streams"]), list(document.written["streams"].values())
        found: Mapping[str, Any] | None = written[names.index(name)] if len(names) == len(written) else None
        return found


def _hash(values: Any) -> str:
    # A digest to compare versions by, of one stream alone: editing a stream leaves the others' as they are.
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
