"""A shop from Postgres to a chart: one Dagster project over Sling's YAML, dlt, dbt and Python."""
