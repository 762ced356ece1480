import dagster as dg

from .assets import files_in_snowflake
from .resources import sling

defs = dg.Definitions(assets=[files_in_snowflake], resources={"sling": sling})
