import dagster as dg

from .assets import orders_on_s3
from .resources import sling

defs = dg.Definitions(assets=[orders_on_s3], resources={"sling": sling})
