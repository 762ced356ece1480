"""The replication as Sling's program is handed it: in a file of its own that is gone afterwards."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mainstem.connections.secrecy import is_secret
from mainstem.connections.url import looks_like_url
from mainstem.replication.keys import OPTION_MAPS
from mainstem.sling.runner import Request

__all__ = ["Handover", "handover", "written_to_file"]

# With several at once, nothing tells which line is whose.
_PARALLEL = "SLING_THREADS"


@dataclass(frozen=True)
class Handover:
    """What the program gets.

    Attributes:
        document: The replication: only the streams that run, with the variables of ``env`` still in it.
        environment: What its environment gets besides the connections. It may be secret.
        without_threads: Whether the document asked for parallel streams, which it now does not.
    """

    document: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    without_threads: bool = False


def handover(request: Request) -> Handover:
    """Make the document of a run. No secret is in it: URLs and secret variables go by the environment."""
    definition = request.definition
    written = definition.replication.document.written
    env = dict(written.get("env") or {})
    threads = env.pop(_PARALLEL, None)
    environment: dict[str, str] = {}
    places = {}
    for key in ("source", "target"):
        place = getattr(definition.replication, key)
        places[key] = written[key]
        if looks_like_url(place):
            places[key] = f"MAINSTEM_{key.upper()}"
            environment[places[key]] = place
    for number, (key, value) in enumerate(env.items()):
        if isinstance(value, str) and "$" not in value and is_secret(str(key).lower(), value):
            variable = f"MAINSTEM_ENV_{number}"
            env[key], environment[variable] = f"${variable}", value
    document = {
        **{key: value for key, value in written.items() if key not in ("env", "streams")},
        **places,
        **({"env": env} if env else {}),
        "streams": {name: _stream(request, name) for name in request.streams},
    }
    return Handover(document, environment, threads is not None)


@contextmanager
def written_to_file(document: Mapping[str, Any]) -> Iterator[Path]:
    """Write a document into a file that only this user can read, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="mainstem-") as folder:
        path = Path(folder) / "replication.json"
        path.write_text(json.dumps(document, default=str), encoding="utf-8")
        yield path


def _stream(request: Request, name: str) -> Mapping[str, Any] | None:
    own = dict(request.definition.written.written(request.definition.streams[name]))
    for key, value in request.overrides.get(name, {}).items():
        both = key in OPTION_MAPS and isinstance(value, Mapping) and isinstance(own.get(key), Mapping)
        own[key] = {**own[key], **value} if both else value
    return own or None
