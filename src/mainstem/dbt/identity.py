"""The physical tables of dbt's nodes: schemas and names of the manifest, the instance of the profile."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from mainstem.assets import AssetTables, ReadTable, WrittenTable
from mainstem.connections import Connection
from mainstem.connections.dbt_profiles import read_dbt_target
from mainstem.dbt.manifest import Manifest, Node, dagster_meta, node_of, upstream_ids
from mainstem.dbt.project import DbtProject
from mainstem.dbt.props import asset_key, relation_parts
from mainstem.dbt.resource import DbtCliResource
from mainstem.dbt.translator import UNIQUE_ID, DagsterDbtTranslator, key_of
from mainstem.errors import ConnectionConfigError
from mainstem.identity import Instance, PhysicalTable, instance_of

__all__ = ["tables_of_nodes"]

_FILE = "profiles.yml"
# How SQL quotes a name.
_QUOTES = ('"{}"', "`{}`", "[{}]")
_LITERAL = re.compile(r"'([^']+)'")


def tables_of_nodes(
    manifest: Manifest,
    translator: DagsterDbtTranslator,
    project: DbtProject | None,
    specs: Sequence[dg.AssetSpec],
    resources: Mapping[str, object],
) -> Mapping[dg.AssetKey, AssetTables]:
    """Return the tables of assets, and of the sources that they read.

    Args:
        manifest: dbt's manifest.
        translator: Says which asset a node is.
        project: The project, where ``@dbt_assets`` was given one.
        specs: The assets.
        resources: A `DbtCliResource` among them says which profile and target are run.
    """
    try:
        warehouse = _warehouse(project, resources)
    except ConnectionConfigError as error:
        unknown = AssetTables(unknown=[f"dbt's profile is not known: {error}"])
        return {spec.key: unknown for spec in specs}
    found: dict[dg.AssetKey, AssetTables] = {}
    sources: dict[str, ReadTable | None] = {}
    for spec in specs:
        unique_id = spec.metadata.get(UNIQUE_ID)
        if unique_id is None:
            continue
        node = node_of(manifest, unique_id)
        read = [uid for uid in upstream_ids(manifest, node) if uid.startswith("source.")]
        for uid in read:
            if uid not in sources:
                source = node_of(manifest, uid)
                sources[uid] = _read(source, key_of(translator, manifest, uid, project), warehouse)
        found[spec.key] = AssetTables(
            writes=[WrittenTable(table, _name(node)) for table in warehouse.tables(node)],
            reads=[each for uid in read if (each := sources[uid]) is not None],
        )
    return found


def _read(source: Node, key: dg.AssetKey, warehouse: _Warehouse) -> ReadTable | None:
    tables = warehouse.tables(source)
    if not tables:
        return None
    explicit = bool(dagster_meta(source).get("asset_key"))
    return ReadTable(key, tables, _name(source), explicit=explicit, usual=key == asset_key(source))


def _name(node: Node) -> str:
    if node["resource_type"] == "source":
        return f"dbt source {node['source_name']}.{node['name']}"
    return f"dbt {node['resource_type']} {node['name']}"


@dataclass(frozen=True)
class _Warehouse:
    """Where dbt writes.

    Attributes:
        instance: The profile's; ``None`` for a database in memory.
        folder: The project's, from which the paths of files begin.
        name: The database of that instance, where its tables' names have none.
        attached: By their names in lower case, databases that are attached to it.
    """

    instance: Instance | None
    folder: Path
    name: str | None = None
    attached: Mapping[str, Instance | None] = field(default_factory=dict)

    def tables(self, node: Node) -> Sequence[PhysicalTable]:
        """The table of a node or a source, and the files that it is, as far as they are known."""
        files = [file for text in _locations(node) if (file := self._file(text)) is not None]
        return files if files and node["resource_type"] == "source" else [*self._table(node), *files]

    def _file(self, location: str) -> PhysicalTable | None:
        scheme, _, rest = location.rpartition("://")
        instance = instance_of(scheme or "file", {"bucket": rest.partition("/")[0]}, self.folder)
        return instance.object(location) if instance is not None and instance.has_keys else None

    def _table(self, node: Node) -> Sequence[PhysicalTable]:
        database, schema, table = relation_parts(node)
        instance = self.instance
        if self.name is not None and database and database.lower() != self.name:
            instance = self.attached.get(database.lower())
        if instance is None:
            return []
        relation = node.get("relation_name")
        quoted = not relation or any(quote.format(table) in relation for quote in _QUOTES)
        return [instance.table(table, schema, database, quoted=quoted)]


def _locations(node: Node) -> Sequence[str]:
    """The files that a source is read from, or that a model is written to, where dbt-duckdb does that."""
    if node["resource_type"] == "source":
        found: Sequence[str] = _LITERAL.findall(node.get("relation_name") or "")[:1]
        return found if (node.get("meta") or {}).get("external_location") else []
    location = node["config"].get("location") if node["config"].get("materialized") == "external" else None
    return [str(location)] if location else []


def _warehouse(project: DbtProject | None, resources: Mapping[str, object]) -> _Warehouse:
    run_by = next((each for each in resources.values() if isinstance(each, DbtCliResource)), None)
    if run_by is None and project is None:
        raise ConnectionConfigError("there is no DbtProject and no DbtCliResource.")
    folder = project.project_dir if project else Path(run_by.project_dir if run_by else ".")
    chosen: Any = run_by or project
    connection = _connection(folder, chosen.profiles_dir, chosen.profile, chosen.target)
    instance = instance_of(connection.type, _plain(connection), folder)
    path = connection.text("instance")
    if path is None:
        return _Warehouse(instance, folder)
    # Without a server, the database is called after its file, and others are attached by a name.
    return _Warehouse(instance, folder, Path(path).stem.lower(), dict(_attached(connection, folder)))


def _connection(folder: Path, profiles_dir: object, profile: str | None, target: str | None) -> Connection:
    name = profile or DbtProject(folder).profile_name
    for place in _places(folder, profiles_dir):
        if (place / _FILE).is_file():
            text = (place / _FILE).read_text(encoding="utf-8")
            return read_dbt_target(text, str(place / _FILE), name, target, os.environ)
    raise ConnectionConfigError(f"there is no {_FILE} in {folder} or ~/.dbt.")


def _places(folder: Path, profiles_dir: object) -> Iterable[Path]:
    given = profiles_dir or os.environ.get("DBT_PROFILES_DIR")
    return [Path(str(given))] if given else [folder, Path.home() / ".dbt"]


def _plain(connection: Connection) -> dict[str, str | None]:
    """The properties that are no secret."""
    return {key: value for key, value in connection.properties.items() if isinstance(value, str)}


def _attached(connection: Connection, folder: Path) -> Iterable[tuple[str, Instance | None]]:
    with suppress(ValueError, TypeError, AttributeError):
        for item in json.loads(connection.text("attach") or "[]"):
            path = str(item["path"]) if "path" in item else ""
            yield (
                str(item.get("alias") or Path(path).stem).lower(),
                instance_of(item.get("type") or connection.type, {"instance": path}, folder),
            )
