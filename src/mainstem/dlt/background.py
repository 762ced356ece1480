"""dlt's load step on a thread of its own, so that what it has done can be told while it goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread, get_ident

from dlt import Pipeline
from dlt.common.configuration.container import Container
from dlt.common.pipeline import LoadInfo
from dlt.common.runtime import signals

from mainstem.dlt.collector import listening

# A look at a package costs more the more jobs it has. At most a tenth of the time goes into looking.
_REST = 9


class BackgroundLoad:
    """A pipeline's load step, running.

    The extract and normalize steps stay on the caller's thread, where the user's own code runs in them.

    Args:
        pipeline: The pipeline. It has normalized packages.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._news = Event()
        self._done = Event()
        self._info: LoadInfo | None = None
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name=f"dlt-load-{pipeline.pipeline_name}", daemon=True)

    def news(self) -> Iterator[None]:
        """Yield when a load job has ended, as long as there may be more."""
        while True:
            self._news.wait()
            if self._done.is_set():
                return
            self._news.clear()
            began = time.monotonic()
            yield
            self._done.wait(_REST * (time.monotonic() - began))

    def look_again(self) -> None:
        """Have the news told once more: they could not be made out."""
        self._news.set()

    def result(self) -> LoadInfo | None:
        """Wait for the end and return dlt's report, if it has one, or raise what ended the load."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._info

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End as dlt does on Ctrl-C: running jobs go on to their ends, the others stay pending."""
        if self._thread.is_alive():
            signals.set_received_signal(signal.SIGTERM)
            signals.wake_all()
            self._thread.join()
            signals.set_received_signal(0)

    def heard(self, counter: str, increase: int) -> None:  # noqa: ARG002 - that it counted is the news
        """Take dlt's progress as news."""
        self._news.set()

    def _run(self) -> None:
        try:
            self._info = self._pipeline.load()
        except BaseException as error:  # raised again by `result`, on the caller's thread
            self._error = error
        finally:
            # The next thread that gets this number must not find this one's pipeline.
            Container().thread_contexts.pop(get_ident(), None)
            self._done.set()
            self._news.set()


@contextmanager
def loading(pipeline: Pipeline) -> Iterator[BackgroundLoad]:
    """Load a pipeline's normalized packages. Leaving early stops the load.

    Args:
        pipeline: The pipeline.
    """
    load = BackgroundLoad(pipeline)
    with ExitStack() as stack:
        if pipeline.runtime_config.intercept_signals:
            # dlt does so itself, but on the main thread only.
            stack.enter_context(signals.intercepted_signals())
        stack.enter_context(listening(pipeline, load.heard))
        stack.callback(load.stop)
        load.start()
        yield load
