"""What the decorator leaves for the resource."""

from __future__ import annotations

from dataclasses import dataclass

from dlt import Pipeline
from dlt.extract.source import DltSource

from mainstem.dlt.translator import DagsterDltTranslator


@dataclass(frozen=True, eq=False)
class DltDefinition:
    """The source, the pipeline and the translator that the assets are made of.

    Attributes:
        source: The source. Shared by all runs of the process, so nobody may change it.
        pipeline: The pipeline that loads it.
        translator: What turns its resources into assets.
    """

    source: DltSource
    pipeline: Pipeline
    translator: DagsterDltTranslator
