"""A run as a text file in Prometheus' format, for the textfile collector of its node exporter."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mainstem.errors import ConfigError
from mainstem.events import Event, ReplicationFinished

__all__ = ["Metrics"]


class Metrics:
    """Writes a file when a run is over, in one piece.

    Args:
        path: The file; its name ends with ``.prom`` for the node exporter.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, event: Event) -> None:
        """Write the file, with the last event.

        Raises:
            ConfigError: It cannot be written.
        """
        if not isinstance(event, ReplicationFinished):
            return
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(_text(event), encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}.") from error


def _text(event: ReplicationFinished) -> str:
    """The lines.

    Example:
        >>> print(_text(ReplicationFinished([], [], [], 1.5)).splitlines()[2])
        mainstem_run_seconds 1.5
    """
    streams = {report.stream: report for report in event.reports}
    lines = [*_head("run_seconds", "Elapsed time of the run."), f"mainstem_run_seconds {event.seconds}"]
    lines += _head("run_finished_timestamp_seconds", "When the run was over.")
    lines.append(f"mainstem_run_finished_timestamp_seconds {time.time():.3f}")
    lines += _head("stream_success", "Whether a stream was published.")
    failed = [failure.stream for failure in event.failures if failure.stream not in streams]
    lines += [f"mainstem_stream_success{_label(name)} 1" for name in streams]
    lines += [f"mainstem_stream_success{_label(name)} 0" for name in (*failed, *event.skipped)]
    for what, about in (("rows", "Rows published."), ("bytes", "Bytes."), ("seconds", "Elapsed time.")):
        lines += _head(f"stream_{what}", about)
        lines += [
            f"mainstem_stream_{what}{_label(name)} {getattr(report, what) or 0}"
            for name, report in streams.items()
        ]
    broken = [(name, each) for name, report in streams.items() for each in report.constraints]
    lines += _head("constraint_failures", "Values that broke a constraint.") if broken else []
    lines += [
        f"mainstem_constraint_failures{_label(name, column=each.column)} {each.failures}"
        for name, each in broken
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, about: str) -> list[str]:
    return [f"# HELP mainstem_{name} {about}", f"# TYPE mainstem_{name} gauge"]


def _label(stream: str, **more: str) -> str:
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in {"stream": stream, **more}.items())
    return f"{{{labels}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
