import dagster as dg

from .assets import billing_in_snowflake
from .resources import sling

defs = dg.Definitions(assets=[billing_in_snowflake], resources={"sling": sling})
