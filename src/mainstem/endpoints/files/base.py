"""What reading and writing files have in common: a place, and a stream's options."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import Self, override

from mainstem.connections import Connection
from mainstem.endpoints.base import Endpoint
from mainstem.endpoints.files.dialect import DIALECT
from mainstem.files.places.base import Place
from mainstem.files.places.registry import open_place
from mainstem.schema import Relation

__all__ = ["FileEndpoint"]


class FileEndpoint(Endpoint):
    """Files of one place. A relation is a path from the place's root: a file, a pattern or a folder.

    Attributes:
        place: Where the files live.
        options: What the stream says of them.
    """

    dialect: ClassVar[str] = DIALECT

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.place: Place = open_place(connection)
        self.options: Mapping[str, Any] = {}

    @override
    def for_stream(self, options: Mapping[str, Any]) -> Self:
        other = copy.copy(self)
        other.options = dict(options)
        return other

    @property
    @override
    def default_schema(self) -> str:
        return ""

    @override
    def relation(self, name: str) -> Relation:
        return Relation(None, self.place.checked(name))

    @override
    def close(self) -> None:
        self.place.close()

    @override
    def cancel(self) -> None:
        self.place.cancel()
