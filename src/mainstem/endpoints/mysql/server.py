"""What a server can do, found from its version and its settings: MySQL, MariaDB and what speaks like them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

__all__ = ["Server"]

# A MariaDB before 11 puts this before its own version, for old replicas.
_REPLICATION_PREFIX = "5.5.5-"
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
_Version = tuple[int, int, int]


@dataclass(frozen=True)
class Server:
    """A server, as its version and its settings tell.

    Nothing else in this folder asks for the product's name.

    Attributes:
        version_text: What the server says of itself, such as ``10.11.6-MariaDB`` or ``8.0.36``.
        settings: Some of its variables, by name.
    """

    version_text: str
    settings: Mapping[str, str]

    @cached_property
    def is_mariadb(self) -> bool:
        """Whether it is a MariaDB, whose versions count otherwise."""
        return "mariadb" in self.version_text.lower()

    @cached_property
    def version(self) -> _Version:
        """Its version, each product's own."""
        found = _VERSION.match(self.version_text.removeprefix(_REPLICATION_PREFIX))
        major, minor, patch = found.groups("0") if found else ("0", "0", "0")
        return int(major), int(minor), int(patch)

    def _since(self, mysql: _Version | None, mariadb: _Version | None) -> bool:
        first = mariadb if self.is_mariadb else mysql
        return first is not None and self.version >= first

    @property
    def product(self) -> str:
        """What it is, for people."""
        numbers = ".".join(str(number) for number in self.version)
        return f"{'MariaDB' if self.is_mariadb else 'MySQL'} {numbers}"

    @property
    def json_is_checked_text(self) -> bool:
        """JSON is a text column with a check, not a type (https://mariadb.com/kb/en/json/)."""
        return self.is_mariadb

    @property
    def decimal_scale(self) -> int:
        """The most digits of a decimal after the point."""
        return 38 if self._since(None, (10, 2, 1)) else 30

    @property
    def exact_collation(self) -> str:
        """The collation of utf8mb4 that tells all texts apart: case, accents, and blanks at the end too."""
        return "utf8mb4_nopad_bin" if self.is_mariadb else "utf8mb4_0900_bin"

    @property
    def can_be_written(self) -> bool:
        """It has such a collation, and window functions, which settle staged rows of one key."""
        return self._since((8, 0, 17), (10, 3, 0))

    @property
    def types(self) -> frozenset[str]:
        """The types that only some servers have."""
        since: Mapping[str, tuple[_Version | None, _Version | None]] = {
            "inet6": (None, (10, 5, 0)),
            "inet4": (None, (10, 10, 0)),
            "vector": ((9, 0, 0), (11, 7, 1)),
        }
        return frozenset(name for name, first in since.items() if self._since(*first))

    @property
    def loads_local_files(self) -> bool:
        """It takes rows by `LOAD DATA LOCAL`."""
        return self.settings.get("local_infile", "").upper() in ("ON", "1")

    @property
    def packet_bytes(self) -> int:
        """The most bytes of one statement, or of one row."""
        return int(self.settings.get("max_allowed_packet") or 0) or 1 << 20
