"""The elements of an XML document one after the other, read by Python's own parser.

No document type is taken: entities are what fills a machine, or reads a file of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from mainstem.errors import EndpointError
from mainstem.files.formats.base import OpenFile

__all__ = ["Element", "record_path", "scan"]

_CHUNK = 64 * 1024
# So much is looked at to find out which element is the record.
_SAMPLE = 1024 * 1024
_DEEPEST = 200


@dataclass
class Element:
    """An element.

    Attributes:
        name: Its name, with the prefix that it has.
        line: Where it begins.
        attributes: Its attributes.
        children: The elements in it.
        text: The text in it, in pieces.
    """

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def scan(file: OpenFile, path: Sequence[str]) -> Generator[Element, None, None]:
    """Read the elements at a path from the root, in memory for one of them.

    Raises:
        EndpointError: It is no XML, or has a document type.
    """
    builder = _Builder(file, list(path))
    with file.open() as source:
        while chunk := source.read(_CHUNK):
            builder.feed(chunk)
            yield from builder.taken()
        builder.feed(b"", final=True)
        yield from builder.taken()


def record_path(file: OpenFile) -> Sequence[str]:
    """The path of the element that is a record: the first one that is repeated, from the root.

    Raises:
        EndpointError: It is no XML, or has a document type.
    """
    builder = _Builder(file, [])
    with file.open() as source:
        read = 0
        while read < _SAMPLE and (chunk := source.read(_CHUNK)):
            builder.feed(chunk)
            read += len(chunk)
        if read < _SAMPLE:
            builder.feed(b"", final=True)
    root = builder.root
    if root is None or not (root.children or root.attributes or "".join(root.text).strip()):
        return ()
    return (root.name, *_within(root, is_root=True))


def _within(element: Element, *, is_root: bool) -> Sequence[str]:
    """The rest of the path, below an element; empty where it is the record itself."""
    counts = Counter(child.name for child in element.children)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated and (is_root or len(counts) == 1):
        complex_ones = {child.name for child in element.children if child.children or child.attributes}
        return (max(repeated, key=lambda name: (name in complex_ones, counts[name])),)
    for child in element.children:
        if child.children and (len(counts) == 1 or _is_container(child)):
            return (child.name, *_within(child, is_root=False))
    return ()


def _is_container(element: Element) -> bool:
    """Whether it holds nothing but elements of one name, several of them, with something in each."""
    names = {child.name for child in element.children}
    return len(names) == 1 and len(element.children) > 1 and any(each.children for each in element.children)


class _Builder:
    """Builds the elements at a path, or with an empty path the whole tree as far as it goes."""

    def __init__(self, file: OpenFile, path: list[str]) -> None:
        self._file = file
        self._path = path
        self._open: list[str] = []
        self._elements: list[Element] = []
        self._taken: list[Element] = []
        self.root: Element | None = None
        self._parser: Any = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def taken(self) -> Iterator[Element]:
        """What is complete since the last time."""
        taken, self._taken = self._taken, []
        return iter(taken)

    def feed(self, data: bytes, *, final: bool = False) -> None:
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            raise EndpointError(
                f"{self._file.name}:{error.lineno}: this is no XML: {expat.ErrorString(error.code)}.",
                hint="The file may be cut short, or of another format: `format` says which it is.",
            ) from error

    def _refuse_doctype(self, *_: Any) -> None:
        raise EndpointError(
            f"{self._file.name}:{self._parser.CurrentLineNumber}: it has a document type (DOCTYPE), which is"
            " refused: its entities can fill a machine, or read files of it.",
            hint="Take the DOCTYPE out of the file.",
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        if len(self._open) > _DEEPEST:
            raise EndpointError(f"{self._file.name}: its elements are nested more than {_DEEPEST} deep.")
        inside = bool(self._elements)
        if not inside and self._path and self._open != self._path:
            return
        said = {key: value for key, value in attributes.items() if key.partition(":")[0] != "xmlns"}
        element = Element(name, self._parser.CurrentLineNumber, said)
        if inside:
            self._elements[-1].children.append(element)
        elif not self._path:
            self.root = element
        self._elements.append(element)

    def _text(self, text: str) -> None:
        if self._elements:
            self._elements[-1].text.append(text)

    def _end(self, _: str) -> None:
        self._open.pop()
        if self._elements:
            element = self._elements.pop()
            if not self._elements and self._path:
                self._taken.append(element)
