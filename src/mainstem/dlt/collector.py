"""dlt's progress, heard while it goes to wherever the user sends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dlt import Pipeline
from dlt.common.runtime.collector_base import Collector

Listener = Callable[[str, int], None]


class ListeningCollector(Collector):
    """Passes all progress on to another collector, and tells a listener of each count.

    Args:
        inner: The collector that the pipeline was made with.
        heard: Called with a counter's name, which is a table's in the extract and normalize steps and
            ``Jobs`` in the load step, and by how much it grew.
    """

    def __init__(self, inner: Collector, heard: Listener) -> None:
        self._inner = inner
        self._heard = heard

    def update(  # noqa: PLR0917 - dlt's signature
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,
        inc_total: int | None = None,
        message: str | None = None,
        label: str | None = None,
    ) -> None:
        """Count."""
        # dlt's own annotations leave the `None` out.
        given: dict[str, Any] = {"total": total, "inc_total": inc_total, "message": message, "label": label}
        self._inner.update(name, inc, **given)
        if label is None:
            self._heard(name, inc)

    def _start(self, step: str) -> None:
        self._inner.step = step
        self._inner._start(step)

    def _stop(self) -> None:
        self._inner._stop()

    def on_start_trace(self, *args: Any) -> None:
        """Pass on."""
        self._inner.on_start_trace(*args)

    def on_start_trace_step(self, *args: Any) -> None:
        """Pass on."""
        self._inner.on_start_trace_step(*args)

    def on_end_trace_step(self, *args: Any) -> None:
        """Pass on."""
        self._inner.on_end_trace_step(*args)

    def on_end_trace(self, *args: Any) -> None:
        """Pass on."""
        self._inner.on_end_trace(*args)


@contextmanager
def listening(pipeline: Pipeline, heard: Listener) -> Iterator[None]:
    """Tell a listener of a pipeline's progress.

    Args:
        pipeline: The pipeline.
        heard: See `ListeningCollector`.
    """
    before = pipeline.collector
    pipeline.collector = ListeningCollector(before, heard)
    try:
        yield
    finally:
        pipeline.collector = before
