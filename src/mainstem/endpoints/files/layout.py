"""Where rows become files: one file, a folder of parts, or folders of a partitioned table (spec §4.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mainstem.endpoints.files.partitioning import LEVELS
from mainstem.errors import ConfigError
from mainstem.files.compression import compression_of, extension_of, without_extension
from mainstem.files.formats.base import FileFormat
from mainstem.files.formats.registry import format_named, format_of

__all__ = ["TYPED", "Layout", "is_data", "is_part", "layout_of"]

# Formats whose files say the types of their columns, so that one without rows is a definition (spec §3.2).
TYPED = frozenset({"parquet", "arrow"})

# What `*` as the last segment means where nothing else is said.
_PART_ROWS, _PART_BYTES = 100_000, 50_000_000
# Ours, Sling's, and what the engines write that it uses.
_PART = re.compile(r"part[.-].*|data_\d+\..*")
_LEVEL = re.compile(r"\{(part_\w+)\}")


@dataclass(frozen=True)
class Layout:
    """How one object is written.

    Attributes:
        root: The file, or the folder in which all files are; a folder's ends in ``/``.
        template: The same with the partitions' variables still in it.
        format: The format of the files.
        compression: How they are packed from outside.
        suffix: What the name of a part ends in, such as ``.csv.gz``.
        max_rows: At most so many rows a file; 0 for any number.
        max_bytes: At most about so many bytes a file; 0 for any number.
        levels: The levels of its partitions, in order; empty where it has none.
        note: What the user should know of it.
    """

    root: str
    template: str
    format: FileFormat
    compression: str
    suffix: str
    max_rows: int = 0
    max_bytes: int = 0
    levels: Sequence[str] = ()
    note: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether rows can be added, as further files."""
        return self.root.endswith("/")

    @property
    def splits(self) -> bool:
        """Whether rows become several files by their number or size."""
        return bool(self.max_rows or self.max_bytes)


def layout_of(path: str, options: Mapping[str, Any], *, is_one: bool = False) -> Layout:
    """Read an object's path and the options of its stream.

    Args:
        path: As a place wants it, with partitions as variables.
        options: `target_options`.
        is_one: The place has one file, whatever it is called.

    Raises:
        ConfigError: The path names nothing, has a wildcard elsewhere than at the start of its last segment,
            or an unknown partition; or there is no such format or compression.
    """
    folder, _, last = path.rpartition("/")
    parts = last.startswith("*")
    if not path.strip("/") or "*" in folder or "?" in path or "*" in last[1:]:
        raise ConfigError(
            f"The object {path!r} names no file and no folder.",
            hint="Write folder/name.csv, folder/ or folder/*.csv.",
        )
    levels = _LEVEL.findall(path)
    unknown = [level for level in levels if level not in LEVELS]
    if unknown:
        raise ConfigError(f"{{{unknown[0]}}} is no partition.", hint=f"There are {', '.join(LEVELS)}.")
    name = f"part{last[1:]}" if parts else last
    kind = format_named(options.get("format") or format_of(without_extension(name)) or "csv")
    compression, note = _compression(kind, name, options.get("compression"))
    max_rows, max_bytes = (_limit(options, key) for key in ("file_max_rows", "file_max_bytes"))
    if parts and not (max_rows or max_bytes):
        max_rows, max_bytes = _PART_ROWS, _PART_BYTES
    if is_one:
        return Layout(path, path, kind, compression, "", note=note)
    # A name without an extension is a folder's; so is one whose rows do not fit one file.
    is_file = bool(last) and not parts and not (max_rows or max_bytes) and _has_extension(last)
    template = path if is_file else f"{folder}/" if parts and folder else "" if parts else f"{path}/"
    template = template.replace("//", "/")
    if not template:
        raise ConfigError("The object names no folder.", hint="Write folder/*.csv.")
    if levels and is_file:
        raise ConfigError(
            f"The object {path!r} would be one file for each partition, to which nothing can be added.",
            hint=f"Name a folder: {folder}/*{kind.extensions[0]}",
        )
    root = template[: template.rfind("/", 0, template.index("{part_")) + 1] if levels else template
    if not root:
        raise ConfigError("The partitions need a folder to be in.", hint=f"Write table/{template}.")
    suffix = kind.extensions[0] + extension_of(compression)
    return Layout(root, template, kind, compression, suffix, max_rows, max_bytes, levels, note)


def is_part(path: str) -> bool:
    """Whether a file of a folder is one that a run wrote, so that a run may remove it."""
    return bool(_PART.fullmatch(path.rpartition("/")[2]))


def is_data(path: str) -> bool:
    """Whether who reads the folder would take a file for a part of the table."""
    return format_of(without_extension(path)) is not None


def _has_extension(name: str) -> bool:
    return format_of(without_extension(name)) is not None or "." in name.strip(".")


def _compression(kind: FileFormat, name: str, said: str | None) -> tuple[str, str | None]:
    found = compression_of(name, said)
    if kind.compressible or found == "none":
        return found, None
    if said is None or said.lower() in ("", "auto"):
        raise ConfigError(
            f"{name}: {kind.name} files are compressed within, and not from outside.",
            hint=f"Name it {without_extension(name)}.",
        )
    note = f"`compression`: {kind.name} files are compressed within, in their own way; {said} was left out."
    return "none", note


def _limit(options: Mapping[str, Any], key: str) -> int:
    value = options.get(key) or 0
    if value < 0:
        raise ConfigError(f"`{key}` is {value}.", hint="It is 1 or more, or 0 for no limit.")
    return int(value)
