"""Assets of all tools, made without any server."""

# No `from __future__ import annotations`: Dagster reads those of the functions below.
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
import pytest

from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets
from mainstem.dlt import DagsterDltResource, dlt_assets
from mainstem.sling import SlingResource, sling_assets

Replicate = Callable[..., dg.AssetsDefinition]


@pytest.fixture
def replicate() -> Replicate:
    """Make the assets of a replication: ``replicate("PG", "DUCK", {"s.t": "raw.t"})``."""

    def made(source: str, target: str, streams: Mapping[str, Any], name: str = "replicated") -> Any:
        given = {
            stream: {"object": each} if isinstance(each, str) else each for stream, each in streams.items()
        }

        @sling_assets(
            replication_config={
                "source": source,
                "target": target,
                "defaults": {"mode": "full-refresh"},
                "streams": given,
            },
            name=name,
        )
        def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
            yield from sling.replicate(context=context)

        return assets

    return made


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replicate:
    """Make the assets of a dlt source with resources of these names."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")

    def made(name: str, tables: Sequence[str], destination: Any, dataset: str) -> Any:
        @dlt.source(name=name)
        def source() -> Any:
            return [dlt.resource([{"id": 1}], name=table) for table in tables]

        pipeline = dlt.pipeline(
            name, destination=destination, dataset_name=dataset, pipelines_dir=str(tmp_path / "pipelines")
        )

        @dlt_assets(dlt_source=source(), dlt_pipeline=pipeline, name=name)
        def assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[Any]:
            yield from dlt.run(context=context)

        return assets

    return made


class Project:
    """A dbt project that is a manifest and a profile.

    Args:
        folder: Where its two files are.
        name: Its name.
        output: The one output of its profile.
        database: The database of its nodes.
        quoted: Whether dbt quotes the names of tables.
    """

    def __init__(
        self, folder: Path, name: str, output: Mapping[str, Any], database: str, *, quoted: bool = True
    ) -> None:
        folder.mkdir()
        self.folder, self.name, self.database, self.quoted = folder, name, database, quoted
        (folder / "dbt_project.yml").write_text(f"name: {name}\nversion: '1'\nprofile: {name}\n")
        profile = {name: {"target": "dev", "outputs": {"dev": dict(output)}}}
        (folder / "profiles.yml").write_text(json.dumps(profile))
        self._adapter = output["type"]
        self._nodes: dict[str, Any] = {}
        self._sources: dict[str, Any] = {}

    def source(self, group: str, table: str, schema: str, **more: Any) -> str:
        """Declare a source, and return its id."""
        uid = f"source.{self.name}.{group}.{table}"
        own = {"source_name": group, "identifier": more.pop("identifier", table)}
        self._sources[uid] = {**self._node("source", uid, table, schema, own["identifier"]), **own, **more}
        return uid

    def model(
        self, name: str, schema: str, reads: Sequence[str], sql: str = "select 1 as id", **more: Any
    ) -> str:
        """Declare a model, and return its id."""
        uid = f"model.{self.name}.{name}"
        node = self._node("model", uid, name, schema, name)
        own = {"alias": name, "depends_on": {"nodes": list(reads)}, "raw_code": sql, "compiled_code": sql}
        self._nodes[uid] = {**node, **own, "language": "sql", **more}
        return uid

    def test(self, name: str, on: str) -> str:
        """Declare a generic test, and return its id."""
        uid = f"test.{self.name}.{name}.abc"
        node = self._node("test", uid, name, "tests", name)
        more = {"attached_node": on, "depends_on": {"nodes": [on]}, "alias": name}
        self._nodes[uid] = {**node, **more, "file_key_name": "sources.x" if on.startswith("source") else ""}
        return uid

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest."""
        metadata = {"adapter_type": self._adapter, "project_name": self.name}
        return {"metadata": metadata, "nodes": self._nodes, "sources": self._sources, "macros": {}}

    @property
    def project(self) -> DbtProject:
        """The project."""
        return DbtProject(self.folder)

    def assets(self, **more: Any) -> dg.AssetsDefinition:
        """Its assets."""

        @dbt_assets(manifest=self.manifest, project=self.project, name=self.name, **more)
        def assets(context: dg.AssetExecutionContext) -> Iterator[Any]:
            resource = DbtCliResource(self.project)
            yield from resource.cli(["build"], context=context).stream()

        return assets

    def _node(self, kind: str, uid: str, name: str, schema: str, table: str) -> dict[str, Any]:
        quote = '"{}"' if self.quoted else "{}"
        return {
            "unique_id": uid,
            "resource_type": kind,
            "name": name,
            "package_name": self.name,
            "path": f"{name}.sql",
            "original_file_path": f"models/{name}.sql",
            "fqn": uid.split(".")[1:],
            "database": self.database,
            "schema": schema,
            "config": {"materialized": "table"},
            "depends_on": {"nodes": []},
            "columns": {},
            "tags": [],
            "relation_name": ".".join(map(quote.format, (self.database, schema, table))),
            "checksum": {"name": "sha256", "checksum": uid},
        }
