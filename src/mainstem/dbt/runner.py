"""Runs a dbt command in dbt's own process, and says what only that process knows. Not to be imported.

It is started as a file, by the Python that has dbt, which may be another one than ours: so it imports
nothing of mainstem. It runs dbt through its documented Python entry, and prints, between dbt's own lines, one
line of JSON for each node that is done: the node's result in dbt's words, and under ``mainstem`` what was
asked for. Row counts and columns are asked of the warehouse by dbt's own connection, in the thread that built
the node: a DuckDB file has no room for a second process, and no other warehouse needs a second login.

What is asked for comes as lines of JSON on the standard input. Its end means that whoever started us is gone:
dbt is interrupted, and cancels its queries.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_BUILT = ("model", "seed", "snapshot")

# DuckDB lets one process have a file: what another one loads into it is waited for.
_HELD = "Could not set lock on file"
_HELD_SECONDS = 600.0
_PAUSE_SECONDS = 0.1


class Reporter:
    """Prints the result of each node, once the node is done.

    Called by dbt with each of its events, in the thread where it happens.
    """

    def __init__(self, interrupted: threading.Event) -> None:
        self.said_why = False
        self._interrupted = interrupted
        self._asked: dict[str, Any] = {}
        self._described: set[str] = set()
        self._out = sys.stdout
        self._running: Counter[str] = Counter()

    def ask(self, asked: dict[str, Any]) -> None:
        """Take what is asked for.

        Args:
            asked: Which of ``rows``, ``columns`` and ``lineage``; and ``known``, the nodes whose columns are.
        """
        self._described.update(asked.pop("known", ()))
        self._asked.update(asked)

    def __call__(self, event: Any) -> None:
        """Take an event of dbt's."""
        if event.info.name == "NodeStart":
            self._running[event.data.node_info.unique_id] += 1
        elif event.info.name == "NodeFinished":
            self._finished(event)
        elif event.info.name == "MainEncounteredError":
            self.said_why = True
        elif event.info.name == "AdapterRegistered" and (driver := sys.modules.get("duckdb")) is not None:
            driver.connect = patient(driver.connect, self._interrupted)  # type: ignore[attr-defined]

    def _finished(self, event: Any) -> None:
        from dbt_common.events.functions import msg_to_json  # noqa: PLC0415 - dbt's Python may not be ours

        unique_id = event.data.node_info.unique_id
        # A batch of a microbatch model starts and finishes like a node, within its node.
        self._running[unique_id] -= 1
        if self._running[unique_id] > 0:
            return
        found: dict[str, Any] = {}
        if self._asked and event.data.run_result.status == "success":
            try:
                for name, value in self._look(unique_id):
                    found[name] = value
            except Exception as error:  # the node is built, whatever we could not learn of it
                found["error"] = str(error)
        line = json.dumps({**json.loads(msg_to_json(event)), "mainstem": found})
        # In one piece: dbt's threads print here as well.
        self._out.write(line + "\n")
        self._out.flush()

    def _look(self, unique_id: str) -> Iterator[tuple[str, Any]]:
        """Yield what was asked for, of one node."""
        from dbt.adapters.factory import FACTORY  # noqa: PLC0415

        adapter: Any
        [adapter] = FACTORY.adapters.values()
        manifest = adapter.get_macro_resolver()
        node = manifest.nodes.get(unique_id)
        if node is None or node.resource_type not in _BUILT or node.config.materialized == "ephemeral":
            return
        with adapter.connection_named(f"mainstem_{unique_id}"):
            # A view's rows are a query that nobody asked for.
            if self._asked.get("rows") and node.config.materialized != "view":
                sql = f"select count(*) from {_relation(adapter, node)}"  # noqa: S608 - quoted by the adapter
                _, table = adapter.execute(sql, fetch=True)
                yield "rows", int(table[0][0])
            if self._asked.get("columns"):
                yield "columns", _columns(adapter, node)
                self._described.add(unique_id)
            if self._asked.get("lineage"):
                yield "sql", _compiled(adapter, node)
                yield "upstream", dict(self._upstream(adapter, manifest, node))

    def _upstream(self, adapter: Any, manifest: Any, node: Any) -> Iterator[tuple[str, Any]]:
        """Yield the columns of what the node reads, as far as they are not known yet."""
        # A seed depends on macros alone.
        for unique_id in getattr(node.depends_on, "nodes", ()):
            parent = manifest.sources.get(unique_id) or manifest.nodes.get(unique_id)
            if parent is None or unique_id in self._described:
                continue
            if parent.resource_type == "model" and parent.config.materialized == "ephemeral":
                yield from self._upstream(adapter, manifest, parent)
            else:
                self._described.add(unique_id)
                yield unique_id, _columns(adapter, parent)


def _compiled(adapter: Any, node: Any) -> str | None:
    """Return the SQL that dbt made of the node."""
    code: str | None = getattr(node, "compiled_code", None)
    if code:
        return code
    # Of a microbatch model each batch has a file, all with the same columns.
    target = Path(adapter.config.project_target_path, "compiled", node.package_name)
    batches = sorted((target / node.original_file_path).with_suffix("").glob("*.sql"))
    return batches[-1].read_text(encoding="utf-8") if batches else None


def _relation(adapter: Any, node: Any) -> Any:
    name = node.identifier if node.resource_type == "source" else node.alias
    return adapter.Relation.create(database=node.database, schema=node.schema, identifier=name)


def _columns(adapter: Any, node: Any) -> list[list[str]]:
    found = adapter.get_columns_in_relation(_relation(adapter, node))
    return [[column.name, column.data_type] for column in found]


def patient(connect: Callable[..., Any], interrupted: threading.Event) -> Callable[..., Any]:
    """Have a driver wait for a file that another process has open.

    Args:
        connect: Opens a file, or says that another process has it.
        interrupted: Ends the waiting.
    """

    def connected(*args: Any, **kwargs: Any) -> Any:
        deadline = time.monotonic() + _HELD_SECONDS
        is_told = False
        while True:
            try:
                return connect(*args, **kwargs)
            except Exception as error:
                if _HELD not in str(error) or time.monotonic() > deadline or interrupted.is_set():
                    raise
                if not is_told:
                    is_told = True
                    print(f"Waiting, up to {_HELD_SECONDS:.0f} s: {error}", flush=True)  # noqa: T201
            interrupted.wait(_PAUSE_SECONDS)

    return connected


class Interrupt:
    """Interrupts dbt once: a second interrupt would stop it from cancelling its queries."""

    def __init__(self) -> None:
        self.done = threading.Event()
        signal.signal(signal.SIGINT, self)

    def __call__(self, _number: int, _frame: Any) -> None:
        """Take a signal."""
        if not self.done.is_set():
            self.done.set()
            raise KeyboardInterrupt


def _listen(reporter: Reporter) -> None:
    """Take what is asked for, until whoever asks is gone."""
    unread = b""
    # Not sys.stdin: a thread that waits in it keeps Python from ending.
    while chunk := os.read(0, 65536):
        *lines, unread = (unread + chunk).split(b"\n")
        for line in lines:
            reporter.ask(json.loads(line))
    os.kill(os.getpid(), signal.SIGINT)


def main() -> int:
    """Run dbt with our arguments, and return its exit code."""
    here = str(Path(__file__).parent)
    # Python puts the folder of the file that it runs before all others.
    sys.path[:] = [path for path in sys.path if path != here]
    from dbt.cli.main import dbtRunner  # noqa: PLC0415

    reporter = Reporter(Interrupt().done)
    threading.Thread(target=_listen, args=(reporter,), daemon=True).start()
    arguments = sys.argv[1:]
    # dbt writes it into its artifacts.
    sys.argv[0] = "dbt"
    done = dbtRunner(callbacks=[reporter]).invoke(arguments)
    if done.exception is not None and not reporter.said_why:
        sys.stdout.write(f"{done.exception}\n")
    if done.success:
        return 0
    return 1 if done.exception is None else 2


if __name__ == "__main__":
    sys.exit(main())
