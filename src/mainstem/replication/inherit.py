"""What a stream takes from `defaults` (spec §1.3), and where each value stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mainstem.replication.columns import merge_columns
from mainstem.replication.syntax import Location

__all__ = ["Inherited", "inherit"]

# A default holds where the stream does not have the key; an explicit null or empty value in the stream wins.
_BY_PRESENCE = (
    "mode",
    "object",
    "select",
    "files",
    "where",
    "primary_key",
    "update_key",
    "sql",
    "schedule",
    "tags",
    "disabled",
    "single",
    "transforms",
    "hooks",
    "meta",
    "retries",
    "retry_delay",
    "timeout",
)

# Once a stream has `source_options`, only these of the defaults' are merged into them.
_MERGED_SOURCE_OPTIONS = frozenset(
    {
        "empty_as_null", "header", "compression", "null_if", "fields_per_rec", "jmespath", "jq", "sheet",
        "range", "chunk_count", "datetime_format", "skip_blank_lines", "skip_lines", "delimiter", "escape",
        "quote", "max_decimals", "encoding", "columns", "transforms",
    }
)  # fmt: skip


@dataclass
class Inherited:
    """A stream's own values and its defaults, in one mapping.

    Attributes:
        values: The merged mapping.
        origins: Where a key of it, or of one of its option maps, stands in the document.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Location, Location] = field(default_factory=dict)

    def origin(self, *path: str | int) -> Location:
        """The place in the document of what is reached by these keys."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return (*self.origins[path[:length]], *path[length:])
        return path

    def take(self, values: Mapping[str, Any], key: str, location: Location) -> None:
        """Take a key as it is."""
        self.values[key] = values[key]
        self.origins[(key,)] = (*location, key)


def inherit(defaults: Mapping[str, Any], own: Mapping[str, Any], at: Location) -> Inherited:
    """Merge a stream with its defaults.

    Args:
        defaults: The mapping under ``defaults``.
        own: The stream's mapping; empty for a stream that is null.
        at: Where the stream stands.

    Example:
        >>> inherit({"mode": "truncate", "id": "x"}, {"object": "t"}, ("streams", "s.t")).values
        {'object': 't', 'mode': 'truncate'}
    """
    merged = Inherited()
    for key in own:
        merged.take(own, key, at)
    for key in _BY_PRESENCE:
        if key in defaults and key not in own:
            merged.take(defaults, key, ("defaults",))
    for key in ("source_options", "target_options", "change_capture_options"):
        _options(merged, key, defaults, own)
    _columns(merged, defaults, own, at)
    return merged


def _options(merged: Inherited, key: str, defaults: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    default = defaults.get(key)
    mine = own.get(key)
    if not isinstance(default, Mapping) or (mine is not None and not isinstance(mine, Mapping)):
        return
    if mine is None:
        merged.take(defaults, key, ("defaults",))
        return
    taken = {
        name: value
        for name, value in default.items()
        if mine.get(name) is None and (key != "source_options" or name in _MERGED_SOURCE_OPTIONS)
    }
    merged.values[key] = {**mine, **taken}
    for name in taken:
        merged.origins[key, name] = ("defaults", key, name)


def _columns(merged: Inherited, defaults: Mapping[str, Any], own: Mapping[str, Any], at: Location) -> None:
    default, mine = defaults.get("columns"), own.get("columns")
    if "columns" not in own:
        if "columns" in defaults:
            merged.take(defaults, "columns", ("defaults",))
        return
    if not isinstance(mine, Mapping) or not any(str(name).startswith("+") for name in mine):
        return
    # Each value goes with the place where it stands, so that errors point there.
    columns = merge_columns(
        _placed(default if isinstance(default, Mapping) else {}, ("defaults", "columns")),
        _placed(mine, (*at, "columns")),
    )
    merged.values["columns"] = {name: placed[0] for name, placed in columns.items() if placed}
    for name, placed in columns.items():
        if placed:
            merged.origins["columns", name] = placed[1]


def _placed(columns: Mapping[str, Any], at: Location) -> dict[str, tuple[Any, Location] | None]:
    """A null with a plus takes a column away; without one it stays, to be told as a column without a type."""
    return {
        name: None if value is None and name.startswith("+") else (value, (*at, name))
        for name, value in columns.items()
    }
