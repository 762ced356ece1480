"""Several files that are shown as one: a list beside them tells the next run what a killed one had begun."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from mainstem.endpoints.files.layout import is_part
from mainstem.errors import RelationNotFoundError
from mainstem.files.places.base import Place

__all__ = ["Showing"]

# Hidden from whoever reads the folder.
_NAME = ".mainstem-publish.json"


class Showing:
    """The publish of a folder's files.

    No place renames several files at once. So what will be shown, and what will be removed, is written down
    first: a run that finds such a list ends what another one began where all files are shown, and takes
    them away again where they are not.

    Args:
        place: Where the folder is.
        root: The folder, with its slash.
    """

    def __init__(self, place: Place, root: str) -> None:
        self._place = place
        self._root = root
        self._path = f"{root}{_NAME}"

    def begin(self, shown: Sequence[str], removed: Sequence[str]) -> None:
        """Write down what is going to happen."""
        with self._place.write(self._path) as file:
            file.write(json.dumps({"shown": shown, "removed": removed}).encode())

    def end(self) -> None:
        """It has happened, or is undone."""
        self._place.delete(self._path)

    def settle(self) -> None:
        """End or undo what a killed run had begun, where there is such a thing."""
        try:
            with self._place.open(self._path) as file:
                listed = json.loads(file.read())
        except RelationNotFoundError:
            return
        shown, removed = (self._ours(listed.get(key)) for key in ("shown", "removed"))
        complete = all(self._place.exists(path) for path in shown)
        for path in removed if complete else shown:
            with suppress(RelationNotFoundError):
                self._place.delete(path)
        self.end()

    def _ours(self, paths: Sequence[str]) -> Sequence[str]:
        """Whatever the list says, only parts of this folder are touched."""
        return [path for path in paths if path.startswith(self._root) and is_part(path)]
