"""How a dlt resource becomes an asset."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dlt import Pipeline
from dlt.common.destination import Destination
from dlt.extract.pipe import Pipe
from dlt.extract.resource import DltResource

from mainstem.assets import condition_of_policy, table_metadata


@dataclass(frozen=True, eq=False)
class DltResourceTranslatorData:
    """What a translator is given for one asset.

    Attributes:
        resource: The dlt resource.
        pipeline: The pipeline that loads it. ``None`` where it is not known.
    """

    resource: DltResource
    pipeline: Pipeline | None = None

    @property
    def destination(self) -> Destination[Any, Any] | None:
        """The pipeline's destination, if both are known."""
        return self.pipeline.destination if self.pipeline else None


class DagsterDltTranslator:
    """Decides what asset a dlt resource is. Override `get_asset_spec` to decide otherwise.

    The small ``get_…`` methods give the single attributes. Projects from before `get_asset_spec` override
    those, and may go on to do so.

    Example::

        class InRaw(DagsterDltTranslator):
            def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
                spec = super().get_asset_spec(data)
                return spec.replace_attributes(key=["raw", data.resource.name], deps=[])
    """

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        """Return the asset that ``data.resource`` is.

        Args:
            data: The resource, and the pipeline that loads it.
        """
        resource, destination = data.resource, data.destination
        storage = destination.destination_name if destination else None
        return dg.AssetSpec(
            key=self.get_asset_key(resource),
            deps=self.get_deps_asset_keys(resource),
            description=self.get_description(resource),
            group_name=self.get_group_name(resource),
            metadata={**self.get_metadata(resource), **table_metadata(None, storage)},
            owners=self.get_owners(resource),
            tags=self.get_tags(resource),
            kinds=self.get_kinds(resource, destination),
            automation_condition=self.get_automation_condition(resource),
        )

    def get_nested_asset_spec(
        self,
        data: DltResourceTranslatorData,
        spec: dg.AssetSpec,
        table: str,
    ) -> dg.AssetSpec:
        """Return the asset that a nested table of ``data.resource`` is, where it is to be one of its own.

        It is downstream of the resource's asset and has its group, kinds, owners and tags. Its key is that of
        the resource's asset with the nested table's own part: ``dlt_shop_users__tags``.

        Args:
            data: The resource, and the pipeline that loads it.
            spec: The resource's own asset.
            table: The nested table's name in dlt, such as ``users__tags``.
        """
        resource = data.resource
        named = resource.table_name if isinstance(resource.table_name, str) else resource.name
        below = table[len(named) :] if table.startswith(named) else f"__{table}"
        *prefix, last = spec.key.path
        return dg.AssetSpec(
            key=dg.AssetKey([*prefix, f"{last}{below}"]),
            deps=[spec.key],
            description=f"What is nested in the rows of {named}.",
            group_name=spec.group_name,
            metadata=table_metadata(table, spec.metadata.get("dagster/storage_kind")),
            owners=spec.owners,
            tags=spec.tags,
            automation_condition=spec.automation_condition,
        )

    def get_source_asset_spec(self, data: DltResourceTranslatorData, key: dg.AssetKey) -> dg.AssetSpec:
        """Return the asset upstream of ``data.resource``, which dlt reads and nobody materializes.

        Its kind is the database's name where the resource is a table of one, otherwise the source's name.

        Args:
            data: The resource, and the pipeline that loads it.
            key: The upstream asset's key, which is one of the deps of the resource's asset.
        """
        resource = data.resource
        arguments: Mapping[str, Any] = {}
        with suppress(TypeError):  # it has none
            arguments = resource.explicit_args or {}
        database = _database(arguments.get("credentials"))
        parts = (arguments.get("schema"), arguments.get("table")) if database else ()
        return dg.AssetSpec(
            key=key,
            description=f"What the dlt resource {resource.name} reads.",
            kinds={database or resource.source_name},
            metadata=table_metadata(".".join(str(part) for part in parts if part) or None, database),
        )

    def get_asset_key(self, resource: DltResource) -> dg.AssetKey:
        """The asset's key: ``dlt_<source>_<resource>``."""
        return dg.AssetKey(f"dlt_{resource.source_name}_{resource.name}")

    def get_deps_asset_keys(self, resource: DltResource) -> Iterable[dg.AssetKey]:
        """The upstream assets: ``<source>_<resource>``, named after the root of a transformer's parents."""
        # dlt has no public way from a transformer to its parent.
        pipe: Pipe = resource._pipe
        while pipe.has_parent and not pipe.parent.is_empty:
            pipe = pipe.parent
        return [dg.AssetKey(f"{resource.source_name}_{pipe.name}")]

    def get_description(self, resource: DltResource) -> str | None:
        """The description: the docstring of the resource's function."""
        pipe: Pipe = resource._pipe
        function: Any = None if pipe.is_empty else pipe.gen
        while isinstance(function, functools.partial):
            function = function.func
        # The docstring of an iterator or of a callable object is that of its class, and says nothing here.
        return inspect.getdoc(function) if inspect.isroutine(function) else None

    def get_group_name(self, resource: DltResource) -> str | None:  # noqa: ARG002 - for overriding
        """The group: Dagster's default one."""
        return None

    def get_metadata(self, resource: DltResource) -> Mapping[str, Any]:
        """The metadata: the table's name. A resource that names its tables row by row has its own name."""
        table = resource.table_name
        return table_metadata(table if isinstance(table, str) else resource.name, None)

    def get_owners(self, resource: DltResource) -> Sequence[str] | None:  # noqa: ARG002 - for overriding
        """The owners: none."""
        return None

    def get_tags(self, resource: DltResource) -> Mapping[str, str]:  # noqa: ARG002 - for overriding
        """The tags: none."""
        return {}

    def get_kinds(
        self,
        resource: DltResource,  # noqa: ARG002 - for overriding
        destination: Destination[Any, Any] | None,
    ) -> set[str]:
        """The kinds: ``dlt`` and the destination's name."""
        return {"dlt", destination.destination_name} if destination else {"dlt"}

    def get_automation_condition(
        self,
        resource: DltResource,
    ) -> dg.AutomationCondition[Any] | None:
        """When Dagster runs the asset by itself: never, unless an older project's policy says so."""
        return condition_of_policy(self, resource)

    def get_auto_materialize_policy(
        self,
        resource: DltResource,  # noqa: ARG002 - for overriding
    ) -> dg.AutoMaterializePolicy | None:
        """An older project's way to say the condition: none."""
        return None


def _database(credentials: object) -> str | None:
    """The database that credentials, or an engine, are for: ``postgresql+psycopg2`` is ``postgresql``."""
    dialect = getattr(getattr(credentials, "dialect", None), "name", None)
    driver = dialect or getattr(credentials, "drivername", None)
    return driver.partition("+")[0] if isinstance(driver, str) else None
