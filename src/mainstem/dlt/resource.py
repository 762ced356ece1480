"""The Dagster resource that runs dlt pipelines."""

from __future__ import annotations

from typing import Any

import dagster as dg
from dlt import Pipeline
from dlt.extract.source import DltSource

from mainstem.assets import ExecutionContext, definition_of, runs_assets
from mainstem.dlt.config import run_options
from mainstem.dlt.definition import DltDefinition
from mainstem.dlt.iterator import DltEventIterator
from mainstem.dlt.load import Request, load_resources
from mainstem.dlt.translator import DagsterDltTranslator
from mainstem.errors import ConfigError


class DagsterDltResource(dg.ConfigurableResource[None]):
    """Runs dlt pipelines inside assets and ops.

    Example::

        defs = dg.Definitions(assets=[simple], resources={"dlt": DagsterDltResource()})
    """

    def run(
        self,
        context: ExecutionContext,
        dlt_source: DltSource | None = None,
        dlt_pipeline: Pipeline | None = None,
        dagster_dlt_translator: DagsterDltTranslator | None = None,
        *,
        drop_pending: bool = False,
        **kwargs: Any,
    ) -> DltEventIterator:
        """Load a source and yield a materialization for each of its resources.

        In assets that ``@dlt_assets`` made, source, pipeline and translator are known, only the selected
        assets are loaded, and an argument takes the place of what is known: a source that is made for one
        partition, say. In an op, source and pipeline are required, and all of the source is loaded.

        What an earlier run of the pipeline extracted and did not load is loaded first.

        Where the assets have partitions of time and no ``dlt_source`` is given, each resource with a
        `dlt.sources.incremental` on a time is limited to the run's partitions.

        Args:
            context: The context of the asset or op.
            dlt_source: The source to load.
            dlt_pipeline: The pipeline that loads it.
            dagster_dlt_translator: What turns resources into assets.
            drop_pending: Throw away what an earlier run extracted and did not load, in place of loading it.
            **kwargs: More arguments of ``pipeline.run``, such as ``write_disposition`` or ``refresh``. The
                run's own config goes before them.

        Returns:
            The events, to ``yield from``, each as soon as its tables are loaded. The pipeline runs when the
            first one is asked for.

        Raises:
            ConfigError: The source or the pipeline is missing, or they do not belong to the assets.
            MainstemError: While the events are read: the run failed before anything was loaded.
            ReplicationFailedError: While the events are read: some resources could not be loaded. Those
                that could have their events by then.

        Example::

            yield from dlt.run(context=context, write_disposition="replace").fetch_row_count()
        """
        known = definition_of(context.assets_def, DltDefinition) if runs_assets(context) else None
        source = dlt_source or (known.source if known else None)
        pipeline = dlt_pipeline or (known.pipeline if known else None)
        if source is None or pipeline is None:
            missing = [
                name for name, value in (("dlt_source", source), ("dlt_pipeline", pipeline)) if value is None
            ]
            raise ConfigError(
                f"DagsterDltResource.run needs {' and '.join(missing)}.",
                hint="In an op, give both. In assets, make them with @dlt_assets or build_dlt_asset_specs.",
            )
        translator = dagster_dlt_translator or (known.translator if known else DagsterDltTranslator())
        nested = known.nested if known else {}
        options = dict(kwargs)
        if known and known.configurable:
            configured, drop = run_options(context)
            options.update(configured)
            drop_pending = drop_pending or drop
        definition = DltDefinition(source=source, pipeline=pipeline, translator=translator, nested=nested)
        request = Request(definition, options, given=dlt_source is not None, drop_pending=drop_pending)
        return DltEventIterator(load_resources(context, request), context, pipeline)
