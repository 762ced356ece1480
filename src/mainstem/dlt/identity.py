"""The physical tables of dlt resources: those that the pipeline loads, and those that it reads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import dagster as dg
from dlt.common.configuration.specs import ConnectionStringCredentials
from dlt.common.destination.client import JobClientBase
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.extract.resource import DltResource

from mainstem.assets import AssetTables, ReadTable, WrittenTable
from mainstem.dlt.columns import database_table
from mainstem.dlt.definition import DltDefinition, resource_assets
from mainstem.dlt.translator import DagsterDltTranslator
from mainstem.identity import Instance, PhysicalTable, instance_of

__all__ = ["tables_of_resources"]

# What dlt's credentials call a property, by our name for it, the first that is given.
_PROPERTIES: Mapping[str, Sequence[str]] = {
    "host": ("host", "server_hostname"),
    "port": ("port",),
    "database": ("database", "catalog"),
    "instance": ("database",),
    "account": ("host",),
    "project": ("project_id",),
}

_STORES: Mapping[str, Sequence[str]] = {
    "endpoint": ("endpoint_url",),
    "account": ("azure_storage_account_name",),
}


def tables_of_resources(
    definition: DltDefinition, specs: Sequence[dg.AssetSpec]
) -> Mapping[dg.AssetKey, AssetTables]:
    """Return the tables of assets, and of the database tables that they are read from.

    Args:
        definition: The source and the pipeline.
        specs: The assets.
    """
    wanted = {spec.key for spec in specs}
    destination = _Destination(definition)
    found: dict[dg.AssetKey, AssetTables] = {}
    for assets in resource_assets(definition):
        resource = definition.source.resources[assets.resource]
        name = _table_name(definition, resource)
        unknown = destination.unknown
        if name is None:
            unknown = [*unknown, f"The dlt resource {resource.name} spreads its rows over several tables."]
        reads = _reads(assets.spec, resource)
        own = {assets.spec.key: name, **{spec.key: table for table, spec in assets.nested.items()}}
        for key, table in own.items():
            if key in wanted:
                written = destination.table(table) if table else None
                what = f"dlt resource {resource.name}"
                nested = f"{written.table.removesuffix('/**')}__" if written else ""
                writes = [WrittenTable(written, what, nested=nested)] if written else []
                found[key] = AssetTables(writes, reads if key == assets.spec.key else (), unknown)
    return found


class _Destination:
    """Where a pipeline loads, as dlt resolves it now."""

    def __init__(self, definition: DltDefinition) -> None:
        self.unknown: Sequence[str] = ()
        self._client: JobClientBase | None = None
        self._instance: Instance | None = None
        pipeline, schema = definition.pipeline, definition.source.schema.name
        try:
            known = [schema] if schema in pipeline.schema_names else []
            self._client = pipeline.destination_client(*known)
            kind = self._client.config.destination_type.rpartition(".")[2]
            self._instance = _instance(kind, getattr(self._client.config, "credentials", None))
        except Exception as error:  # what a destination lacks has many classes, and may tell a secret
            self.unknown = [
                f"The destination of the pipeline {pipeline.pipeline_name}: {type(error).__name__}."
            ]

    def table(self, name: str) -> PhysicalTable | None:
        if isinstance(self._client, FilesystemClient):
            return self._files(self._client, name)
        if self._instance is None or not isinstance(self._client, SqlJobClientBase):
            return None
        path = self._client.sql_client.make_qualified_table_name_path(name, quote=False)
        database, schema, table = [None, None, *path][-3:]
        return self._instance.table(str(table), schema, database, quoted=True)

    def _files(self, client: FilesystemClient, name: str) -> PhysicalTable | None:
        """The files of a table: a folder, or all whose names begin so."""
        prefix = client.get_table_prefix(name)
        key = prefix if prefix.endswith(("/", os.sep)) else f"{prefix}*"
        url = urlsplit(client.config.bucket_url)
        if client.is_local_filesystem:
            store = instance_of(url.scheme, {})
        else:
            key = key.removeprefix(f"{url.netloc}/")
            store = instance_of(
                url.scheme, {"bucket": url.netloc, **_given(client.config.credentials, _STORES)}
            )
        return store.object(key) if store else None


def _table_name(definition: DltDefinition, resource: DltResource) -> str | None:
    hint = resource.table_name
    return definition.source.schema.naming.normalize_tables_path(hint) if isinstance(hint, str) else None


def _reads(spec: dg.AssetSpec, resource: DltResource) -> Sequence[ReadTable]:
    """The table of a database that a resource is, where it is one."""
    arguments = database_table(resource)
    keys = [dep.asset_key for dep in spec.deps]
    if arguments is None or len(keys) != 1:
        return []
    credentials = arguments.get("credentials")
    if isinstance(credentials, str):
        credentials = ConnectionStringCredentials(credentials)
    instance = _instance("", credentials)
    if instance is None:
        return []
    usual = keys == list(DagsterDltTranslator().get_deps_asset_keys(resource))
    schema = arguments.get("schema")
    found = [instance.table(arguments["table"], schema, quoted=quoted) for quoted in (True, False)]
    what = f"dlt resource {resource.name}"
    return [ReadTable(keys[0], list(dict.fromkeys(found)), what, usual=usual)]


def _instance(kind: str, credentials: object) -> Instance | None:
    """Where credentials, or an engine, lead to."""
    credentials = getattr(credentials, "url", credentials)
    driver = getattr(credentials, "drivername", None)
    if isinstance(driver, str) and kind in {"", "sqlalchemy"}:
        kind = driver.partition("+")[0]
    if not kind or credentials is None:
        return None
    return instance_of(kind, _given(credentials, _PROPERTIES))


def _given(credentials: object, names: Mapping[str, Sequence[str]]) -> Mapping[str, str | None]:
    """Properties by our names, as far as credentials have them."""
    return {
        name: next((str(value) for key in keys if (value := getattr(credentials, key, None))), None)
        for name, keys in names.items()
    }
