"""A replication as the adapter sees it: its streams, their asset specs, and the way back from a key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import dagster as dg

from mainstem.assets import AssetColumns, AssetTables, definition_metadata
from mainstem.assets.source_changes import SourceChange
from mainstem.connections import ConnectionBook
from mainstem.endpoints import open_source
from mainstem.errors import ReplicationError
from mainstem.plan import expand_wildcards
from mainstem.replication import Replication, ReplicationLike, Stream, select_streams
from mainstem.sling.catalog import CatalogSnapshot, SnapshotTable
from mainstem.sling.expansion import expanded, is_expanded
from mainstem.sling.loading import load_config
from mainstem.sling.meta import dagster_meta
from mainstem.sling.snapshot import Connections, expand_for_definitions
from mainstem.sling.translator import DagsterSlingTranslator, spec_attributes
from mainstem.sling.written import WrittenStreams

__all__ = ["SlingDefinition"]


@dataclass(frozen=True)
class SlingDefinition:
    """A replication and the translator that makes assets of its streams.

    Attributes:
        replication: The document, checked.
        translator: The user's, or the default one.
        connections: Where connections are found, besides a resource and the environment.
    """

    # Not in its repr: the values of `env` are in it.
    replication: Replication = field(repr=False)
    translator: DagsterSlingTranslator
    connections: Connections | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        config: ReplicationLike | Replication,
        translator: DagsterSlingTranslator | None,
        connections: Connections | None = None,
    ) -> SlingDefinition:
        """Load a replication for the adapter, its wildcards expanded by the catalogue's snapshot.

        Args:
            config: The replication.
            translator: How a stream becomes an asset; ``None`` takes the defaults.
            connections: Where the source of a snapshot that is to be taken is found, besides the environment.

        Raises:
            ReplicationError: Something is wrong with it, or there is no snapshot for a wildcard.
        """
        replication = expand_for_definitions(load_config(config), connections)
        return cls(replication, translator or DagsterSlingTranslator(), connections)

    @classmethod
    def live(
        cls,
        replication: Replication,
        translator: DagsterSlingTranslator | None,
        connections: ConnectionBook,
    ) -> SlingDefinition:
        """Take a replication for an op, its wildcards expanded by what the source has now.

        Raises:
            ReplicationError: All tables of a wildcard would get the same object.
            MainstemError: The source is not reached.
        """
        patterns = [each.name for each in replication.streams if is_expanded(each) and not each.disabled]
        if patterns:
            with open_source(connections.find(replication.source)) as source:
                names = [each.name for each in expand_wildcards(replication, replication.streams, source)]
                relations = [source.relation(name) for name in names]
                tables = [SnapshotTable(each.schema or "", each.name) for each in relations]
                now = CatalogSnapshot(source.connection.type, source.default_schema, patterns, tables)
            replication = expanded(replication, now)
        return cls(replication, translator or DagsterSlingTranslator())

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """The streams that are not disabled, by name, in the order of the document."""
        return {stream.name: stream for stream in select_streams(self.replication)}

    @cached_property
    def specs(self) -> Mapping[str, dg.AssetSpec]:
        """What the translator makes of each stream that is not disabled, by the stream's name.

        With this note for the resource, and with a code version of its own.

        Raises:
            ReplicationError: Two streams are the same asset.
        """
        note = definition_metadata(self)
        specs = {name: self._spec(stream, note) for name, stream in self.streams.items()}
        first: dict[dg.AssetKey, str] = {}
        for name, spec in specs.items():
            if first.setdefault(spec.key, name) != name:
                raise ReplicationError(
                    f"The streams {first[spec.key]} and {name} are one asset, {spec.key.to_user_string()}.",
                    position=self.streams[name].position,
                    hint="Give one of them an `object` or a `meta.dagster.asset_key` of its own.",
                )
        return specs

    @cached_property
    def order(self) -> Mapping[str, Collection[str]]:
        """By a stream's name, the streams whose assets its own depends on: they are published before it."""
        streams = {spec.key: name for name, spec in self.specs.items()}
        return {
            name: {streams[dep.asset_key] for dep in spec.deps if dep.asset_key in streams}
            for name, spec in self.specs.items()
        }

    @property
    def stream_definitions(self) -> Sequence[Mapping[str, Any]]:
        """What the translator is given for each stream that is not disabled."""
        return [self._definition(stream) for stream in self.streams.values()]

    @cached_property
    def written(self) -> WrittenStreams:
        """The streams as they were written."""
        return WrittenStreams(self.replication)

    def asset_specs(self, partitions_def: dg.PartitionsDefinition[Any] | None) -> Sequence[dg.AssetSpec]:
        """The specs of the assets.

        Args:
            partitions_def: The partitions of all assets; ``None`` leaves those that the translator gave.
        """
        if partitions_def is None:
            return list(self.specs.values())
        return [spec.replace_attributes(partitions_def=partitions_def) for spec in self.specs.values()]

    def tables_of(
        self, specs: Sequence[dg.AssetSpec], resources: Mapping[str, object]
    ) -> Mapping[dg.AssetKey, AssetTables]:
        """Return the tables that the assets' streams read and write."""
        from mainstem.sling.identity import tables_of_streams  # noqa: PLC0415 - only `wire` asks

        return tables_of_streams(self, specs, resources)

    def columns_of(self, specs: Sequence[dg.AssetSpec]) -> Mapping[dg.AssetKey, AssetColumns]:
        """Return what the assets' columns are made of, as far as the document tells."""
        from mainstem.sling.planned_columns import planned_columns  # noqa: PLC0415 - only lineage asks

        return planned_columns(self, specs)

    def source_changes(
        self,
        specs: Sequence[dg.AssetSpec],
        resources: Mapping[str, object],
        latest: Callable[[dg.AssetKey], Mapping[str, Any]],
    ) -> Sequence[SourceChange]:
        """Connect to the source, and tell which of its columns are not what they were."""
        from mainstem.sling.source_changes import changes_of_sources  # noqa: PLC0415 - only `impact` asks

        return changes_of_sources(self, specs, resources, latest)

    def streams_of(self, keys: Collection[dg.AssetKey]) -> Sequence[str]:
        """The streams that write these assets, in the order of the document."""
        return [name for name, spec in self.specs.items() if spec.key in keys]

    def stream_with_meta(self, name: str) -> Stream:
        """A stream with the ``meta.dagster`` that a translator sees: key by key over that of ``defaults``."""
        stream = self.streams[name]
        return replace(stream, meta={**stream.meta, "dagster": self.dagster_meta(name)})

    def dagster_meta(self, name: str) -> Mapping[str, Any]:
        """The ``meta.dagster`` of a stream that a translator sees."""
        return dagster_meta(self._definition(self.streams[name]))

    def source_of(self, stream: str) -> dg.AssetKey | None:
        """The asset that a stream's columns come from; ``None`` where its dependencies do not tell.

        A single dependency is the source. Of several, it is the one that the stream has by default.
        """
        upstream = [dep.asset_key for dep in self.specs[stream].deps]
        if len(upstream) > 1:
            usual = set(self.translator.get_deps_asset_key(self._definition(self.streams[stream])))
            upstream = [key for key in upstream if key in usual]
        return upstream[0] if len(upstream) == 1 else None

    def _spec(self, stream: Stream, note: Mapping[str, Any]) -> dg.AssetSpec:
        given = self._definition(stream)
        method = getattr(self.translator.get_asset_spec, "__func__", None)
        if method is DagsterSlingTranslator.get_asset_spec:
            # At once: to make a spec takes longer than all else here, and to change it is to make another.
            said = spec_attributes(self.translator, given)
            metadata = {**(said.pop("metadata") or {}), **note}
            code_version = self.written.code_version(stream)
            return dg.AssetSpec(**said, metadata=metadata, code_version=code_version, skippable=True)
        spec = self.translator.get_asset_spec(given)
        return spec.replace_attributes(
            code_version=spec.code_version or self.written.code_version(stream),
            metadata={**spec.metadata, **note},
            skippable=True,
        )

    def _definition(self, stream: Stream) -> Mapping[str, Any]:
        """What a translator is given."""
        return {"name": stream.name, "config": self.written.shown(stream)}
