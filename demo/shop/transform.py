"""The dbt project: staging models over everything that was replicated and loaded, and two marts."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from mainstem.dbt import (
    DagsterDbtTranslator,
    DbtCliResource,
    DbtProject,
    dbt_assets,
    group_from_dbt_resource_props_fallback_to_directory,
)
from shop import settings

dbt_project = DbtProject(project_dir=settings.DBT_PROJECT, target_path=settings.DBT_TARGET)
dbt_project.prepare_if_dev()
if not dbt_project.manifest_path.exists():
    # A fresh clone: the definitions load anyhow.
    dbt_project.prepare()

dbt = DbtCliResource(project_dir=dbt_project)


class FolderTranslator(DagsterDbtTranslator):
    """A model's folder is its group."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the folder: staging or marts."""
        return group_from_dbt_resource_props_fallback_to_directory(dbt_resource_props)


@dbt_assets(
    manifest=dbt_project.manifest_path, project=dbt_project, dagster_dbt_translator=FolderTranslator()
)
def shop_dbt_assets(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build the models and run their tests."""
    yield from dbt.cli(["build"], context=context).stream().fetch_column_metadata()
