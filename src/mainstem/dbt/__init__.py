"""dbt on Dagster: models, seeds and snapshots are assets, tests are checks, and each reports when it is done.

The names are those of ``dagster_dbt``, with the same meaning, for dbt Core. Loading definitions does not
import dbt, unless a part of the project is selected; dbt itself runs in a process of its own.
"""

from mainstem import __version__
from mainstem.dbt.component import DbtProjectComponent
from mainstem.dbt.decorator import build_dbt_asset_specs, dbt_assets
from mainstem.dbt.freshness import build_freshness_checks_from_dbt_assets
from mainstem.dbt.invocation import DbtCliInvocation
from mainstem.dbt.lookup import (
    get_asset_key_for_model,
    get_asset_key_for_source,
    get_asset_keys_by_output_name_for_source,
)
from mainstem.dbt.messages import DbtCliEventMessage
from mainstem.dbt.preparer import DagsterDbtProjectPreparer, DbtProjectPreparer
from mainstem.dbt.project import DbtProject
from mainstem.dbt.props import (
    default_group_from_dbt_resource_props,
    default_metadata_from_dbt_resource_props,
    group_from_dbt_resource_props_fallback_to_directory,
)
from mainstem.dbt.resource import DbtCliResource
from mainstem.dbt.schedule import (
    DbtManifestAssetSelection,
    build_dbt_asset_selection,
    build_schedule_from_dbt_selection,
)
from mainstem.dbt.settings import DagsterDbtTranslatorSettings
from mainstem.dbt.translator import DagsterDbtTranslator
from mainstem.errors import DbtRunError as DagsterDbtCliRuntimeError
from mainstem.errors import MainstemError as DagsterDbtError

__all__ = [
    "DagsterDbtCliRuntimeError",
    "DagsterDbtError",
    "DagsterDbtProjectPreparer",
    "DagsterDbtTranslator",
    "DagsterDbtTranslatorSettings",
    "DbtCliEventMessage",
    "DbtCliInvocation",
    "DbtCliResource",
    "DbtManifestAssetSelection",
    "DbtProject",
    "DbtProjectComponent",
    "DbtProjectPreparer",
    "__version__",
    "build_dbt_asset_selection",
    "build_dbt_asset_specs",
    "build_freshness_checks_from_dbt_assets",
    "build_schedule_from_dbt_selection",
    "dbt_assets",
    "default_group_from_dbt_resource_props",
    "default_metadata_from_dbt_resource_props",
    "get_asset_key_for_model",
    "get_asset_key_for_source",
    "get_asset_keys_by_output_name_for_source",
    "group_from_dbt_resource_props_fallback_to_directory",
]
