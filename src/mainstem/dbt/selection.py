"""dbt's selection syntax, resolved by dbt's own selector over a manifest.

The one file that knows dbt's Python API, and it imports dbt only when a selection needs it: everything is
selected without.
"""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.dbt.manifest import Manifest, did_you_mean
from mainstem.dbt.project import DbtProject
from mainstem.errors import ConfigError

if TYPE_CHECKING:
    from dbt.graph.selector import NodeSelector
    from dbt.graph.selector_spec import SelectionSpec

__all__ = ["DbtSelection", "selected_ids"]

_ALL = "fqn:*"
_lock = threading.Lock()
# The manifest that was last selected from: building dbt's graph of it takes longer than selecting.
_last: list[tuple[Manifest, NodeSelector]] = []


@dataclass(frozen=True)
class DbtSelection:
    """What the user selects, in dbt's words.

    Attributes:
        select: dbt's ``--select``.
        exclude: dbt's ``--exclude``.
        selector: The name of a selector of the project's ``selectors.yml``, instead of the other two.
    """

    select: str = _ALL
    exclude: str = ""
    selector: str = ""

    def __post_init__(self) -> None:
        if self.selector and (self.exclude or self.select not in ("", _ALL)):
            raise ConfigError(
                "A dbt selector cannot be combined with select or exclude.",
                hint="Pass either selector, or select and exclude.",
            )

    @classmethod
    def of(cls, select: str | None, exclude: str | None, selector: str | None) -> DbtSelection:
        """Return the selection, with ``None`` read as the default."""
        return cls(select or _ALL, exclude or "", selector or "")

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == DbtSelection()

    def arguments(self) -> list[str]:
        """Return the selection as arguments of a dbt command: none where everything is selected."""
        select = self.select if self.select != _ALL else ""
        options = {"--select": select, "--exclude": self.exclude, "--selector": self.selector}
        return [word for option, value in options.items() if value for word in (option, value)]

    def __str__(self) -> str:
        return " ".join(self.arguments()) or f"--select {_ALL}"


def selected_ids(manifest: Manifest, selection: DbtSelection, project: DbtProject | None) -> frozenset[str]:
    """Return the unique ids that dbt selects: models, seeds, snapshots, tests and whatever else there is.

    Tests are selected with the nodes that they test, as dbt does by default.

    Args:
        manifest: dbt's manifest.
        selection: What the user selects.
        project: The project, which ``path:`` is relative to. The current folder if it is not known.

    Raises:
        ConfigError: dbt does not understand the selection, or has no selector of that name.
    """
    if selection.is_everything:
        return frozenset(manifest["nodes"]) | frozenset(manifest.get("unit_tests") or ())
    from dbt_common.events.contextvars import task_contextvars  # noqa: PLC0415 - see the module's docstring
    from dbt_common.exceptions import DbtBaseException  # noqa: PLC0415

    root = project.project_dir if project else Path.cwd()
    with _lock, _eager(), task_contextvars(project_root=str(root)):
        try:
            selector = _selector_over(manifest)
            return frozenset(selector.get_selected(_parsed(manifest, selection), warn_on_no_nodes=False))
        except DbtBaseException as error:
            said = str(getattr(error, "msg", error)).strip().rstrip(".")
            raise ConfigError(f"dbt does not understand the selection {selection}: {said}.") from error


def _selector_over(manifest: Manifest) -> NodeSelector:
    from dbt.artifacts.schemas.manifest import WritableManifest  # noqa: PLC0415
    from dbt.compilation import Linker  # noqa: PLC0415
    from dbt.contracts.graph.manifest import Manifest as DbtManifest  # noqa: PLC0415
    from dbt.contracts.graph.nodes import GenericTestNode  # noqa: PLC0415
    from dbt.graph.graph import Graph  # noqa: PLC0415
    from dbt.graph.selector import NodeSelector  # noqa: PLC0415

    for known, selector in _last:
        if known is manifest:
            return selector
    # The way dbt itself takes for the manifest that --state points at.
    written = WritableManifest.upgrade_schema_version(dict(manifest))  # type: ignore[no-untyped-call]  # dbt's
    parsed = DbtManifest.from_writable_manifest(written)
    for unique_id, node in manifest["nodes"].items():
        if node.get("test_metadata"):
            # dbt reads every test of an artifact as a singular one, and then finds none by test_type:generic.
            parsed.nodes[unique_id] = GenericTestNode.from_dict(dict(node))
    linker = Linker()
    linker.link_graph(parsed)
    selector = NodeSelector(Graph(linker.graph), parsed)
    _last[:] = [(manifest, selector)]
    return selector


def _parsed(manifest: Manifest, selection: DbtSelection) -> SelectionSpec:
    from dbt.contracts.selection import SelectorFile  # noqa: PLC0415
    from dbt.graph.cli import parse_difference, parse_from_selectors_definition  # noqa: PLC0415

    if not selection.selector:
        return parse_difference([selection.select], [selection.exclude] if selection.exclude else None)
    named: dict[str, Any] = dict(manifest.get("selectors") or {})
    if selection.selector not in named:
        raise ConfigError(
            f"The dbt project has no selector {selection.selector}.",
            hint=did_you_mean(selection.selector, list(named)),
        )
    # A selector may build upon another, so all are read.
    definitions = SelectorFile.from_dict({"selectors": list(named.values())})
    return parse_from_selectors_definition(definitions)[selection.selector]["definition"]  # type: ignore[return-value]


@contextmanager
def _eager() -> Iterator[None]:
    """Give dbt's parser of selections the one flag that it asks for; the flags are dbt's global."""
    from dbt import flags  # noqa: PLC0415

    before = flags.get_flags()  # type: ignore[no-untyped-call]  # dbt's
    flags.set_flags(Namespace(**{**vars(before), "INDIRECT_SELECTION": "eager"}))  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        flags.set_flags(before)  # type: ignore[no-untyped-call]
