"""Replications as a Dagster component: named in YAML."""

# No postponed annotations here: Dagster makes the YAML's schema of them.

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import BaseModel, ConfigDict

from mainstem.assets import AssetEvent
from mainstem.assets.component import (
    BackfillModel,
    PartitionsModel,
    Translation,
    resolve_backfill_policy,
    resolve_partitions,
    resolve_translation,
)
from mainstem.replication import read_document
from mainstem.sling.connection import SlingConnectionResource
from mainstem.sling.decorator import sling_assets
from mainstem.sling.resource import SlingResource
from mainstem.sling.scaffolder import SlingReplicationComponentScaffolder
from mainstem.sling.translator import DagsterSlingTranslator, StreamDefinition

__all__ = ["SlingReplicationCollectionComponent", "SlingReplicationSpecModel"]

_CODE_REFERENCES = "dagster/code_references"


class ConnectionModel(BaseModel):
    """A connection: its type, and a connection string or the properties of its system."""

    model_config = ConfigDict(extra="allow")

    type: str
    connection_string: str | None = None


class NamedConnectionModel(ConnectionModel):
    """A connection in a list."""

    name: str


class ResourceModel(dg.Model):
    """What older projects write under ``sling``."""

    connections: Sequence[NamedConnectionModel] = ()


def _connections(
    context: dg.ResolutionContext, given: Mapping[str, ConnectionModel]
) -> list[SlingConnectionResource]:
    return [
        SlingConnectionResource(**{**context.resolve_value(model.model_dump()), "name": name})
        for name, model in given.items()
    ]


def _resource(context: dg.ResolutionContext, given: ResourceModel | None) -> SlingResource | None:
    if given is None:
        return None
    warnings.warn("`sling` is deprecated: say `connections`, by name.", DeprecationWarning, stacklevel=2)
    named = {model.name: model for model in given.connections}
    return SlingResource(connections=_connections(context, named))


@dataclass
class SlingOp(dg.Resolvable):
    """What is said of the op that runs a replication.

    Attributes:
        name: Its name. By default that of the replication's file.
        tags: Its tags.
        description: What it is.
        pool: Its concurrency pool.
        backfill_policy: How a backfill of many partitions is run.
    """

    name: str | None = None
    tags: dict[str, Any] | None = None
    description: str | None = None
    pool: str | None = None
    backfill_policy: Annotated[
        dg.BackfillPolicy | None, dg.Resolver(resolve_backfill_policy, model_field_type=BackfillModel)
    ] = None


@dataclass
class SlingReplicationSpecModel(dg.Resolvable):
    """One replication.

    Attributes:
        path: Its file, from the folder of the component's YAML.
        op: What is said of the op that runs it.
        translation: What is different about its assets. Templates see ``spec`` and ``stream_definition``.
        include_metadata: What to fetch of each target: ``column_metadata``, ``row_count``, ``preview``.
        partitions_def: The partitions of its assets.
    """

    path: str
    op: SlingOp | None = None
    translation: Annotated[
        Translation | None,
        dg.Resolver(
            resolve_translation, model_field_type=str | dg.AssetAttributesModel, inject_before_resolve=False
        ),
    ] = None
    include_metadata: list[Literal["column_metadata", "row_count", "preview"]] = field(default_factory=list)
    partitions_def: Annotated[
        dg.PartitionsDefinition[Any] | None,
        dg.Resolver(resolve_partitions, model_field_type=PartitionsModel),
    ] = None


@dg.scaffold_with(SlingReplicationComponentScaffolder)
@dataclass
class SlingReplicationCollectionComponent(dg.Component, dg.Resolvable):
    """Make assets of replications.

    Attributes:
        connections: The connections, by name.
        replications: The replications.
        engine: What runs them: ``embedded``, or ``cli`` for Sling's own program.
        resource: Runs them, in place of one with the connections above. Only in Python.

    Example::

        type: mainstem.sling.SlingReplicationCollectionComponent
        attributes:
          connections:
            MY_POSTGRES:
              type: postgres
              connection_string: "{{ env.POSTGRES_URL }}"
            MY_DUCKDB:
              type: duckdb
              connection_string: duckdb:///var/tmp/duckdb.db
          replications:
            - path: replication.yaml
              translation:
                group_name: "{{ stream_definition.name.split('.')[0] }}"
    """

    connections: Annotated[
        list[SlingConnectionResource],
        dg.Resolver(_connections, model_field_type=Mapping[str, ConnectionModel]),
    ] = field(default_factory=list)
    replications: Sequence[SlingReplicationSpecModel] = field(default_factory=list)
    engine: Literal["embedded", "cli"] = "embedded"
    resource: Annotated[
        SlingResource | None,
        dg.Resolver(_resource, model_field_name="sling", model_field_type=ResourceModel | None),
    ] = None

    @cached_property
    def sling_resource(self) -> SlingResource:
        """What runs the replications."""
        return self.resource or SlingResource(connections=self.connections, engine=self.engine)

    def get_asset_spec(self, stream_definition: StreamDefinition) -> dg.AssetSpec:
        """Return the asset that a stream is, before the YAML's translation. Override it to have another.

        Args:
            stream_definition: The stream, as :class:`DagsterSlingTranslator` is given it.
        """
        return DagsterSlingTranslator().get_asset_spec(stream_definition)

    def build_asset(
        self, context: dg.ComponentLoadContext, replication_spec_model: SlingReplicationSpecModel
    ) -> dg.AssetsDefinition:
        """Return the assets of one replication.

        Args:
            context: Where the component's YAML is.
            replication_spec_model: The replication.
        """
        path = context.path / replication_spec_model.path
        op = replication_spec_model.op or SlingOp()

        @sling_assets(
            replication_config=path,
            dagster_sling_translator=_ComponentTranslator(self, replication_spec_model, path),
            name=op.name or Path(replication_spec_model.path).stem,
            description=op.description,
            partitions_def=replication_spec_model.partitions_def,
            backfill_policy=op.backfill_policy,
            op_tags=op.tags,
            pool=op.pool,
            connections=self.sling_resource.connections,
        )
        def replicate(context: dg.AssetExecutionContext) -> Iterator[AssetEvent]:
            yield from self.execute(
                context=context, sling=self.sling_resource, replication_spec_model=replication_spec_model
            )

        return replicate

    def execute(
        self,
        context: dg.AssetExecutionContext,
        sling: SlingResource,
        replication_spec_model: SlingReplicationSpecModel,
    ) -> Iterator[AssetEvent]:
        """Run a replication for the selected assets. Override it to do something before or after.

        Args:
            context: The context of the assets that run.
            sling: What runs the replication.
            replication_spec_model: The replication.
        """
        events = sling.replicate(context=context)
        if "column_metadata" in replication_spec_model.include_metadata:
            events = events.fetch_column_metadata()
        if "row_count" in replication_spec_model.include_metadata:
            events = events.fetch_row_count()
        if "preview" in replication_spec_model.include_metadata:
            events = events.fetch_preview()
        yield from events

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the assets of all replications."""
        return dg.Definitions(assets=[self.build_asset(context, each) for each in self.replications])


class _ComponentTranslator(DagsterSlingTranslator):
    """What the component says, then what the YAML says; and where in the file the stream stands."""

    def __init__(
        self,
        component: SlingReplicationCollectionComponent,
        spec_model: SlingReplicationSpecModel,
        path: Path,
    ) -> None:
        super().__init__()
        self._component = component
        self._translation = spec_model.translation
        self._path = path

    def get_asset_spec(self, stream_definition: StreamDefinition) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(stream_definition)
        if self._translation is not None:
            spec = self._translation(spec, {"stream_definition": stream_definition})
        here = dg.LocalFileCodeReference(
            file_path=str(self._path),
            line_number=self._document.position("streams", stream_definition["name"]).line,
        )
        known = spec.metadata.get(_CODE_REFERENCES)
        others = known.code_references if isinstance(known, dg.CodeReferencesMetadataValue) else []
        references = dg.CodeReferencesMetadataValue(code_references=[*others, here])
        return spec.merge_attributes(metadata={_CODE_REFERENCES: references})

    @cached_property
    def _document(self) -> Any:
        return read_document(self._path)
