"""Sling's replications as Dagster assets, run by mainstem's own engine in process.

The names are those of the official package and mean the same: change the import and it runs.
"""

from mainstem.sling.connection import SlingConnectionResource, SlingMode
from mainstem.sling.decorator import sling_assets
from mainstem.sling.iterator import SlingEventIterator
from mainstem.sling.resource import SlingResource
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = [
    "DagsterSlingTranslator",
    "SlingConnectionResource",
    "SlingEventIterator",
    "SlingMode",
    "SlingResource",
    "sling_assets",
]
