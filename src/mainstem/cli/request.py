"""From flags to what the engine is asked for: the replication, its streams, and what wins over them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer

from mainstem.cli.options import Flags
from mainstem.replication import Document, Mode, Replication, load_replication, read_document
from mainstem.replication.syntax import parse_text

__all__ = ["Request", "overrides_of", "pipeline_of", "request_of", "split_list"]

_STDOUT = "stdout://"
_QUERY = re.compile(r"\s*(select|with)\s.*", re.IGNORECASE | re.DOTALL)
_NEEDED = ("src_conn", "src_stream", "tgt_conn", "tgt_object")
_USAGE = (
    "Give one replication, as in `mainstem run replication.yaml`, or a run without a file:"
    " --src-conn, --src-stream, --tgt-conn and --tgt-object."
)


@dataclass(frozen=True)
class Request:
    """What the engine is asked for.

    Attributes:
        replication: The replication, read and checked, with the flags in it.
        streams: The tokens that select streams; ``None`` for all.
    """

    replication: Replication
    streams: Sequence[str] | None


def request_of(flags: Flags, environment: Mapping[str, str]) -> Request:
    """Read the flags.

    Args:
        flags: What the user gave.
        environment: Where ``SLING_CONFIG_PATH`` names the replication if no flag does.

    Raises:
        typer.BadParameter: Flags are missing, malformed, or exclude each other.
        ReplicationError: The replication is wrong.
    """
    if flags.stdout:
        flags = _to_stdout(flags)
    overrides, variables = overrides_of(flags), _mapping("--env", flags.env)
    files = [given for given in (flags.file, flags.replication) if given]
    adhoc = [name for name in ("src_conn", "src_stream", "tgt_conn") if getattr(flags, name)]
    if len(files) > 1:
        raise typer.BadParameter(_USAGE)
    if files and adhoc:
        raise typer.BadParameter(f"{_flag(adhoc[0])} belongs to a run without a file.")
    if not files and not adhoc and environment.get("SLING_CONFIG_PATH"):
        files = [environment["SLING_CONFIG_PATH"]]
    streams = split_list(flags.streams) if flags.streams else None
    if not files:
        document = read_document(_adhoc(flags, overrides, variables))
        return Request(load_replication(replace(document, source="the flags")), streams)
    document = _with_variables(read_document(files[0]), variables)
    if flags.stdout:
        document = document.with_values({**document.values, "target": _STDOUT})
    return Request(load_replication(document, overrides=overrides), streams)


def pipeline_of(flags: Flags) -> Document:
    """Read the pipeline that the flags name.

    Raises:
        typer.BadParameter: Flags of a replication are there as well.
        ReplicationError: It cannot be read.
    """
    others = [name for name in ("file", "replication", *_NEEDED) if getattr(flags, name)]
    others += [name for name in overrides_of(flags) if name != "object"]
    if others:
        raise typer.BadParameter(
            "-p FILE runs a pipeline: its steps say what they run, and no other flag does."
        )
    document = read_document(str(flags.pipeline))
    return _with_variables(document, _mapping("--env", flags.env))


def _with_variables(document: Document, variables: Mapping[str, Any]) -> Document:
    if not variables:
        return document
    own = document.values.get("env")
    merged = {**(own if isinstance(own, Mapping) else {}), **variables}
    return document.with_values({**document.values, "env": merged})


def overrides_of(flags: Flags) -> dict[str, Any]:
    """Return the keys that win over every stream's own.

    Raises:
        typer.BadParameter: A value is malformed.

    Example:
        >>> overrides_of(Flags(mode="full-refresh", limit=5, primary_key="a, b"))
        {'mode': 'full-refresh', 'primary_key': ['a', 'b'], 'source_options': {'limit': 5}}
    """
    source_options = _mapping("--src-options", flags.src_options)
    source_options |= _given(limit=flags.limit, offset=flags.offset, range=flags.range)
    return _given(
        mode=_mode(flags.mode),
        object=flags.tgt_object,
        select=split_list(flags.select) if flags.select else None,
        where=flags.where,
        primary_key=split_list(flags.primary_key) if flags.primary_key else None,
        update_key=flags.update_key,
        columns=_yaml("--columns", flags.columns, dict, list),
        transforms=_transforms(flags.transforms),
        source_options=source_options or None,
        target_options=_mapping("--tgt-options", flags.tgt_options) or None,
    )


def split_list(text: str) -> list[str]:
    """Split at commas, but not within quotes or parentheses.

    Example:
        >>> split_list('id, coalesce(a, b) as "c,d" ,-e')
        ['id', 'coalesce(a, b) as "c,d"', '-e']
    """
    parts, part, depth, quote = [], "", 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        if character == "," and not quote and depth <= 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [stripped for each in (*parts, part) if (stripped := each.strip())]


def _adhoc(flags: Flags, overrides: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    flags = _with_source(flags)
    missing = [_flag(name) for name in _NEEDED if not getattr(flags, name)]
    if len(missing) == len(_NEEDED):
        raise typer.BadParameter(_USAGE)
    if missing:
        raise typer.BadParameter(f"A run without a file also needs {', '.join(missing)}.")
    stream = str(flags.src_stream)
    own = dict(overrides)
    if _QUERY.fullmatch(stream):
        stream, own["sql"] = "query", stream
    elif stream.lower().endswith(".sql"):
        own["sql"] = stream if stream.startswith("file://") else f"file://{stream}"
        stream = stream.replace("\\", "/").rpartition("/")[2].removesuffix(".sql")
    document = {"source": flags.src_conn, "target": flags.tgt_conn, "streams": {stream: own}}
    return {**document, "env": dict(variables)} if variables else document


def _with_source(flags: Flags) -> Flags:
    """Files need no connection, and what is piped needs no name."""
    stream = flags.src_stream or ("stdin://" if flags.tgt_conn and not flags.src_conn else None)
    is_file = stream is not None and stream.startswith(("file://", "stdin://"))
    return replace(flags, src_conn="LOCAL", src_stream=stream) if is_file and not flags.src_conn else flags


def _to_stdout(flags: Flags) -> Flags:
    """The flags of a run that writes CSV to standard output: all that the stream has."""
    if flags.json:
        raise typer.BadParameter("--stdout and JSON lines would both be written to standard output.")
    if flags.tgt_conn or flags.tgt_object:
        raise typer.BadParameter("--stdout is a target of its own: leave --tgt-conn and --tgt-object out.")
    adhoc = flags.src_conn or flags.src_stream
    return replace(flags, mode="full-refresh", tgt_object="stdout", tgt_conn=_STDOUT if adhoc else None)


def _mode(mode: str | None) -> str | None:
    known = [each.value for each in Mode]
    if mode is None or mode in known:
        return mode
    near = difflib.get_close_matches(mode, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"The modes are {', '.join(known)}."
    raise typer.BadParameter(f"--mode: there is no mode {mode!r}. {hint}")


def _transforms(text: str | None) -> Any:
    if text is None or text.lstrip().startswith(("[", "{")) or ":" in text:
        return _yaml("--transforms", text, dict, list)
    return split_list(text)


def _mapping(flag: str, text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = _yaml(flag, text, dict) or {}
    return found


def _yaml(flag: str, text: str | None, *kinds: type) -> Any:
    """Read a flag's YAML or JSON. Its value is not shown when it is malformed: it may hold a secret."""
    if text is None:
        return None
    value = parse_text(flag, text).value
    if not isinstance(value, kinds):
        raise typer.BadParameter(f"{flag} must be a mapping in YAML or JSON, such as '{{limit: 10}}'.")
    return value


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
