"""dbt on Dagster: models, seeds and snapshots are assets, tests are checks, and each reports when it is done.

The names are those of ``dagster_dbt``, with the same meaning, for dbt Core. Loading definitions does not
import dbt, unless a part of the project is selected; dbt itself runs in a process of its own.
"""

from mainstem.dbt.decorator import dbt_assets
from mainstem.dbt.invocation import DbtCliInvocation
from mainstem.dbt.lookup import (
    get_asset_key_for_model,
    get_asset_key_for_source,
    get_asset_keys_by_output_name_for_source,
)
from mainstem.dbt.messages import DbtCliEventMessage
from mainstem.dbt.project import DbtProject
from mainstem.dbt.resource import DbtCliResource
from mainstem.dbt.schedule import (
    DbtManifestAssetSelection,
    build_dbt_asset_selection,
    build_schedule_from_dbt_selection,
)
from mainstem.dbt.translator import DagsterDbtTranslator, DagsterDbtTranslatorSettings

__all__ = [
    "DagsterDbtTranslator",
    "DagsterDbtTranslatorSettings",
    "DbtCliEventMessage",
    "DbtCliInvocation",
    "DbtCliResource",
    "DbtManifestAssetSelection",
    "DbtProject",
    "build_dbt_asset_selection",
    "build_schedule_from_dbt_selection",
    "dbt_assets",
    "get_asset_key_for_model",
    "get_asset_key_for_source",
    "get_asset_keys_by_output_name_for_source",
]
