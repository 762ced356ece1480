"""What of a dbt project becomes part of the asset graph."""

# No postponed annotations here: Dagster makes a component's YAML schema of them.

from dataclasses import dataclass

__all__ = ["DagsterDbtTranslatorSettings"]


@dataclass(frozen=True)
class DagsterDbtTranslatorSettings:
    """What of a dbt project becomes part of the asset graph.

    Attributes:
        enable_asset_checks: dbt's data tests are asset checks.
        enable_duplicate_source_asset_keys: Several dbt sources may have the same asset key.
        enable_code_references: Assets point at their file. Needs a ``DbtProject`` in ``@dbt_assets``.
        enable_dbt_selection_by_name: Where only some nodes are selected, name them to dbt by their short
            name instead of the fully qualified one.
        enable_source_tests_as_checks: dbt's data tests on sources are asset checks too. (In dagster-dbt this
            is off unless asked for.)
        enable_source_metadata: The dependency on a dbt source says which table it is.
        enable_dbt_views_as_virtual_assets: Models that dbt builds as views are virtual assets.
        enable_column_lineage: Assets know their column lineage before they are built, as far as the SQL in
            the manifest tells it. What was worked out is kept beside the manifest; the first time takes some
            milliseconds a model. (Not in dagster-dbt.)
    """

    enable_asset_checks: bool = True
    enable_duplicate_source_asset_keys: bool = False
    enable_code_references: bool = False
    enable_dbt_selection_by_name: bool = False
    enable_source_tests_as_checks: bool = True
    enable_source_metadata: bool = True
    enable_dbt_views_as_virtual_assets: bool = False
    enable_column_lineage: bool = False
