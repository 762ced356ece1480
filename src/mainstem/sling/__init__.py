"""Sling's replications as Dagster assets, run by mainstem's own engine in process.

The names are those of the official package and mean the same: change the import and it runs.
"""

from mainstem.replication import ReplicationLike as SlingReplicationParam
from mainstem.sling.component import SlingReplicationCollectionComponent, SlingReplicationSpecModel
from mainstem.sling.connection import SlingConnectionResource, SlingMode
from mainstem.sling.decorator import sling_assets
from mainstem.sling.iterator import SlingEventIterator
from mainstem.sling.observation import build_sling_source_observations
from mainstem.sling.resource import SlingResource
from mainstem.sling.snapshot import prepare_replication
from mainstem.sling.sources import build_sling_source_specs
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = [
    "DagsterSlingTranslator",
    "SlingConnectionResource",
    "SlingEventIterator",
    "SlingMode",
    "SlingReplicationCollectionComponent",
    "SlingReplicationParam",
    "SlingReplicationSpecModel",
    "SlingResource",
    "build_sling_source_observations",
    "build_sling_source_specs",
    "prepare_replication",
    "sling_assets",
]
